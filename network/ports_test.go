package network

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/state"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// portDoc is a request for the n-th port of a domain; rest are further
// elements.
func portDoc(n int, owner, mac, rest string) []byte {
	return fmt.Appendf(nil, `<networkport><uuid>%s</uuid><owner><name>%s</name><uuid>d54df46f-1ab5-4a22-8618-4560ef5fac2c</uuid></owner>`+
		`<mac address='%s'/>%s</networkport>`, portID(n), owner, mac, rest)
}

func portID(n int) xmlnet.UUID { return xmlnet.UUID{0: 0xbb, 14: byte(n >> 8), 15: byte(n)} }

const portMAC = "52:54:00:00:00:01"

func (s *site) mustPort(id xmlnet.UUID, doc []byte) {
	s.t.Helper()
	if _, _, err := s.CreatePort(id, doc, PortOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// waitMACs waits until a bridge's .macs file holds want, or with "" is gone.
func (s *site) waitMACs(bridge, want string) {
	s.t.Helper()
	var got []byte
	kerneltest.Wait(s.t, 5*time.Second, bridge+".macs to hold "+want, func() bool {
		var err error
		got, err = os.ReadFile(filepath.Join(s.dir, "dnsmasq", bridge+".macs"))
		return string(got) == want && (want != "" || os.IsNotExist(err))
	})
}

func (s *site) connections(id xmlnet.UUID) int {
	s.t.Helper()
	info, err := s.LookupUUID(id)
	if err != nil {
		s.t.Fatal(err)
	}
	doc, err := s.XML(id, false)
	if err != nil {
		s.t.Fatal(err)
	}
	shown := strings.Contains(doc, fmt.Sprintf("<network connections='%d'>", info.Ports))
	if shown != (info.Ports > 0) {
		s.t.Errorf("%d connections are not in the XML:\n%s", info.Ports, doc)
	}
	return info.Ports
}

func TestPortHasItsPlugAndIsCounted(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(natDoc)
	got, id, err := s.CreatePort(ref.UUID, portDoc(1, "vm", portMAC, ""), PortOptions{})
	if err != nil || got != ref || id != portID(1) {
		t.Fatalf("got %v %v, %v", got, id, err)
	}
	p, err := s.Port(ref.UUID, id)
	if want := (port.Plug{Kind: port.NetworkPlug, Bridge: "virbr7"}); err != nil || p.Plug != want {
		t.Errorf("got %+v, %v", p.Plug, err)
	}
	s.mustPort(ref.UUID, portDoc(2, "vm", "52:54:00:00:00:02", ""))
	if n := s.connections(ref.UUID); n != 2 {
		t.Errorf("%d connections", n)
	}
	stored, err := s.XML(ref.UUID, true)
	if err != nil || strings.Contains(stored, "connections") {
		t.Errorf("the stored definition has connections: %v\n%s", err, stored)
	}
	if err := s.DeletePort(ref.UUID, id); err != nil {
		t.Fatal(err)
	}
	if n := s.connections(ref.UUID); n != 1 {
		t.Errorf("%d connections after one went", n)
	}
	list, err := s.ListPorts(ref.UUID)
	if err != nil || len(list) != 1 || list[0].UUID != portID(2) {
		t.Errorf("got %v, %v", list, err)
	}
}

func TestPortCallsThatLibvirtRefuses(t *testing.T) {
	s := newSite(t)
	up, down := s.mustStart(natDoc), s.mustDefine(isolatedDoc)
	s.mustPort(up.UUID, portDoc(1, "vm", portMAC, ""))
	create := func(id xmlnet.UUID, doc []byte, o PortOptions) func() error {
		return func() error { _, _, err := s.CreatePort(id, doc, o); return err }
	}
	plugged := "<plug type='network' bridge='virbr7'/>"
	unknown := fmt.Sprintf("Network port with UUID %s does not exist", portID(9))
	for _, tt := range []struct {
		name string
		call func() error
		kind error // nil: an xmlnet.Error
		text string
	}{
		{"no such network", create(xmlnet.UUID{1}, nil, PortOptions{}), ErrNotFound, "no network with matching uuid '01000000-0000-0000-0000-000000000000'"},
		{"bad XML before inactive", create(down.UUID, []byte("<networkport/>"), PortOptions{}), nil, "network port has no uuid"},
		{"inactive network", create(down.UUID, portDoc(2, "vm", portMAC, ""), PortOptions{}), ErrOperationInvalid, "network 'i' is not active"},
		{"uuid taken", create(up.UUID, portDoc(1, "other", portMAC, ""), PortOptions{}), ErrPortExists, fmt.Sprintf("Network port with UUID %s already exists", portID(1))},
		{"plug without reclaim", create(up.UUID, portDoc(2, "vm", portMAC, plugged), PortOptions{}), nil, "Port reclaim not requested but plug type is not none"},
		{"reclaim without plug", create(up.UUID, portDoc(2, "vm", portMAC, ""), PortOptions{Reclaim: true}), nil, "Port reclaim requested but plug type is none"},
		{"not by the schema", create(up.UUID, portDoc(2, "vm", portMAC, "<x/>"), PortOptions{Validate: true}), nil, "did not expect element x there, in networkport, line 1"},
		{"floor without the network's limit", create(up.UUID, portDoc(2, "vm", portMAC, "<bandwidth><inbound floor='1'/></bandwidth>"), PortOptions{}), nil,
			"Invalid use of 'floor' on interface with MAC address 52:54:00:00:00:01 - network 'n' has no inbound QoS set"},
		{"delete of an unknown port", func() error { return s.DeletePort(up.UUID, portID(9)) }, ErrNoPort, unknown},
		{"delete on an inactive network", func() error { return s.DeletePort(down.UUID, portID(9)) }, ErrNoPort, unknown},
		{"get on an inactive network", func() error { _, err := s.Port(down.UUID, portID(9)); return err }, ErrNoPort, unknown},
		{"limits of an unknown port", func() error { return s.SetPortBandwidth(up.UUID, portID(9), nil) }, ErrNoPort, unknown},
		{"limits on an inactive network", func() error { return s.SetPortBandwidth(down.UUID, portID(9), nil) }, ErrNoPort, unknown},
		{"ports of an inactive network", func() error { _, err := s.ListPorts(down.UUID); return err }, ErrOperationInvalid, "network 'i' is not active"},
		{"ports of no network", func() error { _, err := s.ListPorts(xmlnet.UUID{1}); return err }, ErrNotFound, "no network with matching uuid '01000000-0000-0000-0000-000000000000'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.call()
			_, ofXML := errors.AsType[*xmlnet.Error](err)
			if err == nil || err.Error() != tt.text || ofXML != (tt.kind == nil) || tt.kind != nil && !errors.Is(err, tt.kind) {
				t.Errorf("got %v", err)
			}
		})
	}
	if n := s.connections(up.UUID); n != 1 {
		t.Errorf("%d connections after refusals", n)
	}
}

// portFiles are the recorded ports, name and text.
func (s *site) portFiles() string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "run", "*", "ports", "*"))
	if err != nil {
		s.t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			s.t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n%s", strings.TrimPrefix(f, s.dir), text)
	}
	return b.String()
}

func TestPortsOutliveTheDaemon(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(strings.Replace(natDoc, "<ip", "<portgroup name='p' default='yes'><bandwidth><outbound average='5'/></bandwidth></portgroup><ip", 1))
	for i := range 3 {
		s.mustPort(ref.UUID, portDoc(i, "vm", portMAC, ""))
	}
	if err := s.SetPortBandwidth(ref.UUID, portID(1), &xmlnet.Bandwidth{Inbound: &xmlnet.Rate{Average: 7}}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeletePort(ref.UUID, portID(2)); err != nil {
		t.Fatal(err)
	}
	before, err := s.ListPorts(ref.UUID)
	if err != nil {
		t.Fatal(err)
	}
	files := s.portFiles()
	// What a daemon that is killed leaves is what is on disk at any moment.
	s.stop()
	broken := filepath.Join(s.dir, "run", "n", "ports", portID(4).String()+".xml")
	if err := os.WriteFile(broken, []byte("<networkport"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	after, err := s.ListPorts(ref.UUID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" || len(after) != 2 {
		t.Errorf("%d ports (-before +after)\n%s", len(after), diff)
	}
	if n := s.connections(ref.UUID); n != 2 {
		t.Errorf("%d connections", n)
	}
	if got := s.portFiles(); !strings.HasPrefix(got, files) {
		t.Errorf("files changed:\n%s", cmp.Diff(files, got))
	}
}

func TestDestroyedNetworkForgetsItsPorts(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(natDoc)
	s.mustPort(ref.UUID, portDoc(1, "vm", portMAC, ""))
	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	if left := s.portFiles(); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
	if _, err := s.Port(ref.UUID, portID(1)); !errors.Is(err, ErrNoPort) {
		t.Errorf("got %v", err)
	}
	if err := s.Start(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	if n := s.connections(ref.UUID); n != 0 {
		t.Errorf("%d connections", n)
	}
	// The domain was running all the time: virtqemud comes back.
	doc := portDoc(1, "vm", portMAC, "<plug type='network' bridge='virbr7'/>")
	if _, _, err := s.CreatePort(ref.UUID, doc, PortOptions{Reclaim: true}); err != nil {
		t.Fatal(err)
	}
	if n := s.connections(ref.UUID); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestMACsOfDomainsAreKeptForNSS(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(natDoc)
	s.waitMACs("virbr7", "[\n]\n")
	s.mustPort(ref.UUID, portDoc(1, "web", "52:54:00:00:00:02", ""))
	s.mustPort(ref.UUID, portDoc(2, "web", portMAC, ""))
	s.mustPort(ref.UUID, portDoc(3, "db", "52:54:00:00:00:03", ""))
	// The second port that an update of the interface makes for a moment.
	s.mustPort(ref.UUID, portDoc(4, "web", portMAC, ""))
	want := `[
  {
    "domain": "db",
    "macs": [
      "52:54:00:00:00:03"
    ]
  },
  {
    "domain": "web",
    "macs": [
      "52:54:00:00:00:01",
      "52:54:00:00:00:02"
    ]
  }
]
`
	s.waitMACs("virbr7", want)
	for _, n := range []int{2, 3} {
		if err := s.DeletePort(ref.UUID, portID(n)); err != nil {
			t.Fatal(err)
		}
	}
	web := want[:2] + want[strings.Index(want, "  {\n    \"domain\": \"web\""):]
	s.waitMACs("virbr7", web)
	s.stop()
	s.start()
	s.waitMACs("virbr7", web)
	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	s.waitMACs("virbr7", "[\n]\n")
	if err := s.Undefine(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	s.waitMACs("virbr7", "")
}

func TestNetworkWithoutAddressesHasNoMACsFile(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart("<network><name>bare</name><bridge name='virbr9'/></network>")
	s.mustPort(ref.UUID, portDoc(1, "vm", portMAC, ""))
	s.waitMACs("virbr9", "")
}

func TestPortCallsDoNotWaitForChangesOfNetworks(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(natDoc)
	s.change.Lock() // somebody changes a network, for as long as it takes
	defer s.change.Unlock()
	done := make(chan error, 1)
	go func() {
		_, _, err := s.CreatePort(ref.UUID, portDoc(1, "vm", portMAC, ""), PortOptions{})
		done <- errors.Join(err, s.SetPortBandwidth(ref.UUID, portID(1), nil), s.DeletePort(ref.UUID, portID(1)))
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the calls wait")
	}
}

// TestPortsThatComeAndGoAtOnceAgreeWithTheirFiles also destroys the network
// under the calls.
func TestPortsThatComeAndGoAtOnceAgreeWithTheirFiles(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(natDoc)
	work := func(worker int) {
		for i := range 50 {
			id := worker*50 + i
			if _, _, err := s.CreatePort(ref.UUID, portDoc(id, "vm", portMAC, ""), PortOptions{}); err != nil {
				if !errors.Is(err, ErrOperationInvalid) {
					t.Error(err)
				}
				continue
			}
			if i%2 == 0 {
				if err := s.DeletePort(ref.UUID, portID(id)); err != nil && !errors.Is(err, ErrNoPort) {
					t.Error(err)
				}
			}
		}
	}
	var workers sync.WaitGroup
	for w := range 8 {
		workers.Go(func() { work(w) })
	}
	workers.Wait()
	if n := s.connections(ref.UUID); n != 200 {
		t.Errorf("%d connections", n)
	}
	if n := bytes.Count([]byte(s.portFiles()), []byte("</networkport>")); n != 200 {
		t.Errorf("%d files", n)
	}
	for w := range 8 {
		workers.Go(func() { work(8 + w) })
	}
	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Error(err)
	}
	workers.Wait()
	if left := s.portFiles(); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}

func TestFileThatCannotBeWrittenRefusesThePort(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(natDoc)
	if err := os.WriteFile(filepath.Join(s.dir, "run", "n"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.CreatePort(ref.UUID, portDoc(1, "vm", portMAC, ""), PortOptions{}); err == nil {
		t.Error("created")
	}
	if n := s.connections(ref.UUID); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func BenchmarkCreateAndDeletePort(b *testing.B) {
	m := New(slog.New(slog.DiscardHandler), nil, Config{Dir: state.Dir{Run: b.TempDir()}})
	n, _, err := xmlnet.Parse([]byte(natDoc))
	if err != nil {
		b.Fatal(err)
	}
	m.byID[n.UUID] = &entry{live: n, ports: m.noPorts(n)}
	for b.Loop() {
		if _, _, err := m.CreatePort(n.UUID, portDoc(1, "vm", portMAC, ""), PortOptions{}); err != nil {
			b.Fatal(err)
		}
		if err := m.DeletePort(n.UUID, portID(1)); err != nil {
			b.Fatal(err)
		}
	}
}

const floorDoc = `<network><name>n</name><bridge name='virbr7'/><bandwidth><inbound average='1000' peak='2000'/></bandwidth>
<ip address='192.168.77.1' netmask='255.255.255.0'/></network>`

func floorPort(n, floor int) []byte {
	return portDoc(n, "vm", portMAC, fmt.Sprintf("<bandwidth><inbound average='500' floor='%d'/></bandwidth>", floor))
}

// classes are the traffic classes of the ports on virbr7, with their rates.
func (s *site) classes() string {
	var found []string
	for line := range strings.Lines(s.ns.Run(s.t, "tc class show dev virbr7")) {
		words := strings.Fields(line)
		if id := words[2]; id != "1:1" && id != "1:2" {
			found = append(found, id+" "+words[slices.Index(words, "rate")+1])
		}
	}
	slices.Sort(found)
	return strings.Join(found, ", ")
}

func TestFloorsAreKeptOnTheBridge(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(floorDoc)
	check := func(when, want string) {
		t.Helper()
		if got := s.classes(); got != want {
			t.Errorf("%s: classes %q, want %q", when, got, want)
		}
	}
	s.mustPort(ref.UUID, floorPort(1, 300))
	s.mustPort(ref.UUID, floorPort(2, 400))
	check("two ports", "1:3 2400Kbit, 1:4 3200Kbit")
	if _, _, err := s.CreatePort(ref.UUID, floorPort(3, 1301), PortOptions{}); err == nil {
		t.Error("more was promised than there is")
	}
	check("a refused port", "1:3 2400Kbit, 1:4 3200Kbit")
	if err := s.SetPortBandwidth(ref.UUID, portID(1), &xmlnet.Bandwidth{Inbound: &xmlnet.Rate{Floor: 100}}); err != nil {
		t.Fatal(err)
	}
	check("a changed floor", "1:3 800Kbit, 1:4 3200Kbit")
	if err := s.SetPortBandwidth(ref.UUID, portID(1), nil); err != nil {
		t.Fatal(err)
	}
	check("a floor taken away", "1:4 3200Kbit")
	s.stop()
	s.ns.Run(t, "ip link del virbr7")
	s.start()
	check("a new bridge", "1:4 3200Kbit")
	if err := s.DeletePort(ref.UUID, portID(2)); err != nil {
		t.Fatal(err)
	}
	check("no port", "")
}

func TestHookMayRefuseAPort(t *testing.T) {
	s := newSite(t)
	dir := t.TempDir()
	hook := filepath.Join(dir, "network")
	script := "#!/bin/sh\ncat >>" + dir + "/said\necho $@ >>" + dir + "/said\ngrep -q 52:54:00:00:00:02 " + dir + "/said && exit 1 || exit 0\n"
	if err := os.WriteFile(hook, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	s.cfg.Hook = hook
	ref := s.mustStart(isolatedDoc)
	s.mustPort(ref.UUID, portDoc(1, "vm", portMAC, ""))
	if err := s.DeletePort(ref.UUID, portID(1)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.CreatePort(ref.UUID, portDoc(2, "vm", "52:54:00:00:00:02", ""), PortOptions{}); !errors.Is(err, ErrHook) {
		t.Errorf("got %v", err)
	}
	if n := s.connections(ref.UUID); n != 0 || s.portFiles() != "" {
		t.Errorf("%d connections after a refusal, files:\n%s", n, s.portFiles())
	}
	said, err := os.ReadFile(dir + "/said")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"i port-created begin -\n", "i port-deleted begin -\n", "\n  <networkport>\n", "\n  </networkport>\n</hookData>\n"} {
		if !strings.Contains(string(said), want) {
			t.Errorf("the script did not get %q:\n%s", want, said)
		}
	}
}

// ask asks the network's resolver for the address of a name.
func (s *site) ask(name string) string {
	return strings.TrimSpace(s.ns.Run(s.t, "dig +short +tries=1 +time=2 @192.168.77.1 "+name+" A || true"))
}

// lease gives a guest a lease.
func (s *site) lease(ref Ref, addr, mac, hostname string) {
	s.t.Helper()
	hw, err := net.ParseMAC(mac)
	if err != nil {
		s.t.Fatal(err)
	}
	l := lease.Lease{Addr: netip.MustParseAddr(addr), MAC: hw, ClientID: hw, Hostname: hostname, Expiry: time.Now().Add(time.Hour)}
	done := make(chan error, 1)
	if err := s.byID[ref.UUID].leases.Bind(l, func(err error) { done <- err }); err != nil {
		s.t.Fatal(err)
	}
	if err := <-done; err != nil {
		s.t.Fatal(err)
	}
}

func TestLeasesHaveTheNamesOfTheirDomains(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(natDoc)
	resolves := func(name, want string) {
		t.Helper()
		kerneltest.Wait(t, 5*time.Second, name+" to be "+want, func() bool { return s.ask(name) == want })
	}
	s.mustPort(ref.UUID, portDoc(1, "silent", portMAC, ""))
	s.lease(ref, "192.168.77.3", portMAC, "")
	resolves("silent", "192.168.77.3")
	s.lease(ref, "192.168.77.4", "52:54:00:00:00:02", "spoken")
	s.mustPort(ref.UUID, portDoc(2, "domain2", "52:54:00:00:00:02", ""))
	resolves("spoken", "192.168.77.4")
	s.lease(ref, "192.168.77.5", "52:54:00:00:00:03", "")
	s.mustPort(ref.UUID, portDoc(3, "late", "52:54:00:00:00:03", ""))
	resolves("late", "192.168.77.5")
	resolves("domain2", "192.168.77.4")
	if err := s.DeletePort(ref.UUID, portID(1)); err != nil {
		t.Fatal(err)
	}
	resolves("silent", "")
	s.stop()
	s.start()
	resolves("late", "192.168.77.5")
	resolves("silent", "")
}

func TestOnlyPlainDomainNamesAreHostNames(t *testing.T) {
	for name, want := range map[string]bool{
		"web-1": true, "W": true, "win_10": true, "_srv": false, "": false, "www.example.org": false, "a b": false, "-a": false, "a-": false, "ä": false,
		strings.Repeat("a", 63): true, strings.Repeat("a", 64): false,
	} {
		if isLabel(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
