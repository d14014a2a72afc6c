package network

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

var guestMAC = net.HardwareAddr{0x52, 0x54, 0, 0, 0, 7}

// guestOn is a domain "web" of a libvirt with a network driver of its own.
func guestOn(network string) Guest {
	return Guest{
		Domain: "web", DomainUUID: xmlnet.UUID{1}, MAC: guestMAC, Link: "vnet7",
		Network: network, Bridge: "virbr7", Port: portID(7), Isolated: true,
	}
}

func TestGuestsOfALibvirtThatAsksForNoPortsArePorts(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(natDoc)
	s.mustPort(ref.UUID, portDoc(1, "vm", portMAC, ""))
	other := guestOn("elsewhere")
	other.Bridge, other.Port = "br0", portID(8)
	s.SetGuests([]Guest{guestOn(ref.Name), other})
	if n := s.connections(ref.UUID); n != 2 {
		t.Errorf("%d connections, want the port that was asked for and the guest", n)
	}
	p, err := s.Port(ref.UUID, portID(7))
	if err != nil || p.Owner != "web" || p.MAC.String() != guestMAC.String() || p.Plug.Bridge != "virbr7" || p.Isolated != xmlnet.Yes {
		t.Errorf("got %+v, %v", p, err)
	}

	// The network stops: libvirt's guests run on, and come back with it.
	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	if n := s.connections(ref.UUID); n != 1 {
		t.Errorf("%d connections after a stop, want the guest's", n)
	}
	s.waitMACs("virbr7", "[\n  {\n    \"domain\": \"web\",\n    \"macs\": [\n      \"52:54:00:00:00:07\"\n    ]\n  }\n]\n")

	s.SetGuests(nil)
	if n := s.connections(ref.UUID); n != 0 {
		t.Errorf("%d connections after the domain's end", n)
	}
	s.waitMACs("virbr7", "[\n]\n")
}

func TestPortThatIsAskedForIsNotCountedTwice(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(natDoc)
	s.SetGuests([]Guest{guestOn(ref.Name)})
	s.mustPort(ref.UUID, portDoc(7, "web", guestMAC.String(), ""))
	if n := s.connections(ref.UUID); n != 1 {
		t.Errorf("%d connections", n)
	}
	if err := s.DeletePort(ref.UUID, portID(7)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Port(ref.UUID, portID(7)); !errors.Is(err, ErrNoPort) {
		t.Errorf("deleted, it is there: %v", err)
	}
}

func TestPortsAndLearnedAddressesSayWhoTheyAre(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(natDoc)
	s.SetGuests([]Guest{guestOn(ref.Name)})
	table := s.byID[ref.UUID].leases
	addr := netip.MustParseAddr("192.168.7.50")
	if _, err := table.Import([]lease.Lease{{Addr: addr, MAC: guestMAC, Hostname: "box"}}); err != nil {
		t.Fatal(err)
	}
	who := Identity{Domain: "web", Addrs: []netip.Addr{addr}, Hostname: "box"}
	got, err := s.Attached(ref.UUID)
	want := []Attached{{Identity: who, Port: portID(7), MAC: guestMAC, Link: "vnet7"}}
	sameAddr := cmpopts.EquateComparable(netip.Addr{})
	if diff := cmp.Diff(want, got, sameAddr); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}

	s.ns.Run(t, "ip link add vnet7 type veth peer name vnet7guest")
	s.ns.Run(t, "ip link set vnet7 master virbr7 up")
	s.ns.Run(t, "bridge fdb add "+guestMAC.String()+" dev vnet7 master static")
	learned, err := s.Neighbours(t.Context(), ref.UUID)
	wantLearned := []Neighbour{{Identity: who, FDBEntry: bridge.FDBEntry{MAC: guestMAC, Port: "vnet7", Static: true}}}
	if diff := cmp.Diff(wantLearned, learned, sameAddr, cmpopts.IgnoreFields(bridge.FDBEntry{}, "Age")); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}

	if err := s.Destroy(t.Context(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Attached(ref.UUID); !errors.Is(err, ErrOperationInvalid) {
		t.Errorf("of an inactive network: %v", err)
	}
	if _, err := s.Neighbours(t.Context(), ref.UUID); !errors.Is(err, ErrOperationInvalid) {
		t.Errorf("of an inactive network: %v", err)
	}
}

func TestDomainsOfALibvirtThatAsksForNoPortsHaveNames(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(natDoc)
	table := s.byID[ref.UUID].leases
	addr := netip.MustParseAddr("192.168.77.50")
	if _, err := table.Import([]lease.Lease{{Addr: addr, MAC: guestMAC}}); err != nil {
		t.Fatal(err)
	}
	resolves := func(want string) {
		t.Helper()
		kerneltest.Wait(t, 5*time.Second, "web to be "+want, func() bool { return s.ask("web") == want })
	}
	onBridge := guestOn("")
	onBridge.Port = xmlnet.UUID{}
	for _, g := range []Guest{guestOn(ref.Name), onBridge} {
		s.SetGuests([]Guest{g})
		resolves(addr.String())
		s.SetGuests(nil)
		resolves("")
	}
}
