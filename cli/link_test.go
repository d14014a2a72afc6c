package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// pinger reads the pings that a link sends and answers the first few.
type pinger struct {
	conn    net.Conn
	answers int
	pings   int
}

func (p *pinger) run() {
	r := bufio.NewReader(p.conn)
	for {
		f, err := wire.ReadFrame(r, wire.MaxFrame)
		if err != nil || f.Proc != wire.KeepalivePing || !f.IsKeepalive() {
			return
		}
		if p.pings++; p.pings <= p.answers {
			p.conn.Write(wire.Keepalive(wire.KeepalivePong))
		}
	}
}

func TestSilentDaemonIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		l := newLink(ours, 5*time.Second, 6)
		p := &pinger{conn: theirs, answers: 3}
		go p.run()
		start := time.Now()
		_, err := l.Read(make([]byte, 1))
		if err == nil {
			t.Fatal("read something")
		}
		// Three answered pings, five seconds each, then the last is followed
		// by six that are not.
		if diff := cmp.Diff(3*5*time.Second+7*5*time.Second, time.Since(start)); diff != "" {
			t.Errorf("given up after (-want +got):\n%s", diff)
		}
		if got := l.lost().Error(); got != "internal error: connection closed due to keepalive timeout" {
			t.Errorf("error is %q", got)
		}
		synctest.Wait()
		if p.pings != 9 {
			t.Errorf("%d pings", p.pings)
		}
		theirs.Close()
	})
}

func TestKeepaliveCanBeSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		l := newLink(ours, 0, 0)
		p := &pinger{conn: theirs}
		go p.run()
		time.Sleep(time.Hour) // the bubble's own hour
		l.Close()
		synctest.Wait()
		if p.pings != 0 {
			t.Errorf("%d pings", p.pings)
		}
	})
}

func TestDaemonsPingIsAnswered(t *testing.T) {
	ours, theirs := net.Pipe()
	l := newLink(ours, 0, 0)
	defer l.Close()
	go io.Copy(io.Discard, l)
	if _, err := theirs.Write(wire.Keepalive(wire.KeepalivePing)); err != nil {
		t.Fatal(err)
	}
	f, err := wire.ReadFrame(bufio.NewReader(theirs), wire.MaxFrame)
	if err != nil {
		t.Fatal(err)
	}
	if !f.IsKeepalive() || f.Proc != wire.KeepalivePong {
		t.Errorf("answer is %+v", f)
	}
}

// go-libvirt writes a frame in pieces; a ping between them would break it.
func TestFramesAreWrittenWhole(t *testing.T) {
	ours, theirs := net.Pipe()
	l := newLink(ours, 0, 0)
	defer l.Close()
	call, err := wire.Encode(wire.Header{Program: wire.ProgramRemote, Version: 1, Proc: wire.NetworkDefineXML}, "<network/>")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		l.Write(call[:3])
		l.Write(call[3:20])
		l.keepaliveMessage(wire.KeepalivePing)
		l.Write(call[20:])
	}()
	r := bufio.NewReader(theirs)
	for _, want := range []wire.Proc{wire.KeepalivePing, wire.NetworkDefineXML} {
		f, err := wire.ReadFrame(r, wire.MaxFrame)
		if err != nil {
			t.Fatal(err)
		}
		if f.Proc != want {
			t.Errorf("frame %v, want %v", f.Proc, want)
		}
	}
}

func TestFrameOfImpossibleLengthEndsTheLink(t *testing.T) {
	for _, size := range [][]byte{{0, 0, 0, 27}, {0xff, 0, 0, 0}} {
		ours, theirs := net.Pipe()
		l := newLink(ours, 0, 0)
		go func() {
			theirs.Write(size)
			theirs.Close()
		}()
		if n, err := l.Read(make([]byte, 100)); !errors.Is(err, wire.ErrLength) {
			t.Errorf("%v: read %d bytes, %v", size, n, err)
		}
		l.Close()
	}
}

func TestStuckDaemonIsLeftAtAnInterrupt(t *testing.T) {
	// A socket that takes connections and never says a word.
	dir := t.TempDir()
	listener, err := net.Listen("unix", dir+"/sock")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	got := make(chan int)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		got <- Main(ctx, []string{"net-list"}, Env{Stdout: io.Discard, Stderr: io.Discard,
			Getenv: func(name string) string { return map[string]string{"VNETMGR_SOCKET": dir + "/sock"}[name] }})
	}()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := wire.ReadFrame(bufio.NewReader(conn), wire.MaxFrame); err != nil {
		t.Fatal(err)
	}
	cancel()
	if status := <-got; status != exitInterrupted {
		t.Errorf("status %d", status)
	}
}

func FuzzLink(f *testing.F) {
	f.Add([]byte{0, 0, 0, 28})
	f.Add(wire.Keepalive(wire.KeepalivePing))
	event, err := wire.Encode(wire.Header{Program: wire.ProgramRemote, Version: 1, Proc: wire.NetworkEventLifecycle, Type: wire.Message},
		wire.LifecycleEvent{Network: wire.Network{Name: "x"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(event)
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, theirs := net.Pipe()
		go func() {
			theirs.Write(data)
			theirs.Close()
		}()
		go io.Copy(io.Discard, theirs)
		l := newLink(ours, 0, 0)
		defer l.Close()
		// Whatever arrives, what is passed on are whole frames.
		passed := bufio.NewReader(l)
		for {
			if _, err := wire.ReadFrame(passed, wire.MaxFrame); errors.Is(err, wire.ErrLength) {
				if l.cause.Load() == nil {
					t.Fatalf("a bad frame was passed on: %v", err)
				}
				return
			} else if err != nil {
				return
			}
		}
	})
}
