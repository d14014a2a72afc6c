package e2e

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// request is a call and the check of its answer.
type request struct {
	proc  wire.Proc
	args  any
	check func(reply wire.Frame) error
}

// want checks that a call returns exactly this.
func want[T comparable](proc wire.Proc, args any, result T) request {
	return request{proc, args, func(f wire.Frame) error {
		var got T
		if err := wire.Unmarshal(f.Payload, &got); err != nil || got != result {
			return fmt.Errorf("got %v, %w, want %v", got, err, result)
		}
		return nil
	}}
}

// wantText checks that a call returns a text that has a part.
func wantText(proc wire.Proc, args any, part string) request {
	return request{proc, args, func(f wire.Frame) error {
		var got string
		if err := wire.Unmarshal(f.Payload, &got); err != nil || !strings.Contains(got, part) {
			return fmt.Errorf("got %q, %w, want %s in it", got, err, part)
		}
		return nil
	}}
}

// wantCode checks that a call is refused with a code.
func wantCode(proc wire.Proc, args any, code wire.Code) request {
	return request{proc, args, func(f wire.Frame) error {
		var got wire.Error
		if f.Status != wire.Failed {
			return fmt.Errorf("it was not refused")
		}
		if err := wire.Unmarshal(f.Payload, &got); err != nil || got.Code != code {
			return fmt.Errorf("got %v, %w, want code %d", got.Code, err, code)
		}
		return nil
	}}
}

// pipeline is a connection whose calls do not wait for each other's answers.
type pipeline struct {
	net.Conn
	in     *bufio.Reader
	serial uint32
	asked  map[uint32]request
}

func (p *pipeline) send(all []request) error {
	var frames []byte
	for _, r := range all {
		p.serial++
		p.asked[p.serial] = r
		frame, err := wire.Encode(wire.Header{Program: wire.ProgramRemote, Version: wire.ProgramVersion, Proc: r.proc, Serial: p.serial}, r.args)
		if err != nil {
			return err
		}
		frames = append(frames, frame...)
	}
	_, err := p.Write(frames)
	return err
}

// receive takes an answer to each call.
func (p *pipeline) receive() error {
	for len(p.asked) > 0 {
		f, err := wire.ReadFrame(p.in, wire.MaxFrame)
		if err != nil {
			return fmt.Errorf("with %d answers to come: %w", len(p.asked), err)
		}
		if f.IsKeepalive() {
			continue
		}
		r, ok := p.asked[f.Serial]
		if !ok || f.Proc != r.proc || f.Type != wire.Reply {
			return fmt.Errorf("answer to nothing that was asked: %+v", f.Header)
		}
		delete(p.asked, f.Serial)
		if err := r.check(f); err != nil {
			return fmt.Errorf("%v: %w", r.proc, err)
		}
	}
	return nil
}

// rounds are what one client asks, each round at once. Its ports are its own.
func rounds(client, calls int, all []wire.Network) [][]request {
	var made, looked, gone []request
	for i := range calls {
		n := all[(client+i)%len(all)]
		id := wire.UUID{0: 0xcc, 13: byte(client), 14: byte(i)}
		port := wire.Port{Network: n, UUID: id}
		doc := fmt.Sprintf("<networkport><uuid>%x-%x-%x-%x-%x</uuid><owner><name>c%d</name><uuid>d54df46f-1ab5-4a22-8618-4560ef5fac2c</uuid></owner><mac address='52:54:00:11:%02x:%02x'/></networkport>",
			id[:4], id[4:6], id[6:8], id[8:10], id[10:], client, client, i)
		switch i % 5 {
		case 0:
			made = append(made, want(wire.NetworkPortCreateXML, wire.PortCreateArgs{Network: n, XML: doc}, port))
			looked = append(looked, wantText(wire.NetworkPortGetXMLDesc, wire.PortFlagsArgs{Port: port}, fmt.Sprintf("<name>c%d</name>", client)))
			gone = append(gone, want(wire.NetworkPortDelete, wire.PortFlagsArgs{Port: port}, wire.Empty{}))
		case 1:
			made = append(made, want(wire.NetworkLookupByName, n.Name, n))
			looked = append(looked, wantCode(wire.NetworkPortLookupByUUID, port, 107))
			gone = append(gone, want(wire.NetworkIsActive, n, int32(1)))
		case 2:
			made = append(made, wantText(wire.NetworkGetXMLDesc, wire.GetXMLArgs{Network: n}, "<name>"+n.Name+"</name>"))
			looked = append(looked, want(wire.NetworkGetBridgeName, n, "br-"+n.Name))
			gone = append(gone, wantCode(wire.NetworkCreate, n, 55))
		case 3:
			made = append(made, wantCode(wire.NetworkLookupByName, fmt.Sprintf("absent%d", client), 43))
			looked = append(looked, want(wire.NetworkLookupByUUID, n.UUID, n))
			gone = append(gone, want(wire.ConnectNumOfNetworks, nil, int32(len(all))))
		case 4:
			made = append(made, want(wire.NetworkIsPersistent, n, int32(1)))
			looked = append(looked, wantText(wire.ConnectGetType, nil, "network"))
			gone = append(gone, want(wire.NetworkGetAutostart, n, int32(0)))
		}
	}
	return [][]request{made, looked, gone}
}

// TestFiveThousandCallsInFlightAreAnsweredRight has 100 clients send 50 calls
// each before any reads an answer, on everything that networks and ports can
// be asked.
func TestFiveThousandCallsInFlightAreAnsweredRight(t *testing.T) {
	const clients, calls = 100, 50
	s := newSite(t)
	s.Daemon(t)
	var all []wire.Network
	for i := range 7 {
		name := fmt.Sprintf("load%d", i)
		s.WriteFile(t, "/run/n.xml", fmt.Sprintf("<network><name>%[1]s</name><uuid>dddddddd-0000-0000-0000-00000000000%[2]d</uuid><bridge name='br-%[1]s'/></network>", name, i), 0o644)
		s.ctl(t, "net-define", "/run/n.xml")
		s.ctl(t, "net-start", name)
		all = append(all, wire.Network{Name: name, UUID: wire.UUID{0xdd, 0xdd, 0xdd, 0xdd, 15: byte(i)}})
	}
	pipes := make([]*pipeline, clients)
	for i := range pipes {
		c, err := s.Dial(lab.Socket)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		pipes[i] = &pipeline{Conn: c, in: bufio.NewReader(c), asked: map[uint32]request{}}
		uri := "network:///system"
		anything := func(wire.Frame) error { return nil }
		for _, r := range []request{{wire.AuthList, nil, anything}, want(wire.ConnectOpen, wire.OpenArgs{URI: &uri}, wire.Empty{})} {
			if err := pipes[i].send([]request{r}); err != nil {
				t.Fatal(err)
			}
			if err := pipes[i].receive(); err != nil {
				t.Fatal(err)
			}
		}
	}
	each := func(do func(client int) error) {
		t.Helper()
		var running sync.WaitGroup
		for i := range pipes {
			running.Go(func() {
				if err := do(i); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			})
		}
		running.Wait()
	}
	for round := range 3 {
		began := time.Now()
		each(func(i int) error { return pipes[i].send(rounds(i, calls, all)[round]) })
		each(func(i int) error { return pipes[i].receive() })
		t.Logf("round %d: %d calls in %v", round, clients*calls, time.Since(began).Round(time.Millisecond))
	}
	if out := s.ctl(t, "net-dumpxml", "load0"); strings.Contains(out, "connections") {
		t.Errorf("all ports are deleted, but\n%s", out)
	}
}
