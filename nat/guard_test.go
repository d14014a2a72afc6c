package nat

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

func guarded(link string, last byte, addrs ...string) GuardedPort {
	p := GuardedPort{Link: link, MAC: net.HardwareAddr{0x52, 0x54, 0, 0, 0, last}}
	for _, a := range addrs {
		p.Addrs = append(p.Addrs, netip.MustParsePrefix(a))
	}
	return p
}

func openGuard(t *testing.T, ns *kerneltest.NS) *Guard {
	t.Helper()
	var g *Guard
	var err error
	ns.Do(func() { g, err = OpenGuard() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

func (g *Guard) must(t *testing.T, ports ...GuardedPort) {
	t.Helper()
	if err := g.Apply(context.Background(), ports); err != nil {
		t.Fatal(err)
	}
}

// dense is normal without empty lines.
func dense(listing string) string {
	return strings.ReplaceAll(normal(listing), "\n\n", "\n")
}

func listedGuard(t *testing.T, ns *kerneltest.NS) string {
	t.Helper()
	return ns.Run(t, "nft -s list table bridge vnetmgr 2>/dev/null || true")
}

func TestKernelListsGuardsAsPrinted(t *testing.T) {
	ns := kerneltest.New(t)
	g := openGuard(t, ns)
	walk := []Guards{
		{guarded("tap0", 1)},
		{guarded("tap0", 1), guarded("tap1.5", 2, "192.168.122.7/32")},
		{guarded("tap0", 3, "192.168.122.9/32", "fd00:122::9/128"), guarded("tap1.5", 2, "192.168.122.7/32", "fd00:122::/64")},
		{guarded("tap1.5", 2, "10.0.0.0/8")},
		nil,
	}
	for i, ports := range walk {
		g.must(t, ports...)
		if diff := cmp.Diff(dense(ports.String()), dense(listedGuard(t, ns))); diff != "" {
			t.Errorf("step %d (-printed +listed):\n%s", i, diff)
		}
	}
}

func TestGuardsOfADeadProcessAreTakenOver(t *testing.T) {
	ns := kerneltest.New(t)
	first := openGuard(t, ns)
	first.must(t, guarded("tap0", 1, "192.168.122.7/32"))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := openGuard(t, ns)
	second.must(t)
	if left := listedGuard(t, ns); left != "" {
		t.Errorf("left:\n%s", left)
	}
}

func TestBadGuardsAreRefusedByName(t *testing.T) {
	for want, ports := range map[string]Guards{
		"port tap0: there are two":                         {guarded("tap0", 1), guarded("tap0", 2)},
		`port a b: the link's name`:                        {guarded("a b", 1)},
		"port tap0: 192.168.122.0/25 is no prefix":         {guarded("tap0", 1, "192.168.122.0/25")},
		"port tap0: 192.168.122.7/24 is no prefix":         {guarded("tap0", 1, "192.168.122.7/24")},
		"port tap0:  is no MAC address":                    {{Link: "tap0"}},
		"port tap0123456789012: port \"tap0123456789012\"": {guarded("tap0123456789012", 1)},
	} {
		if got := ports.String(); !strings.Contains(got, want) {
			t.Errorf("%s: %s", want, got)
		}
	}
}

// TestGuardedPortSendsOnlyWhatIsItsOwn has a guest try everything.
func TestGuardedPortSendsOnlyWhatIsItsOwn(t *testing.T) {
	host, guest := kerneltest.New(t), kerneltest.New(t)
	host.Veth(t, "tap0", guest, "eth")
	host.Run(t, `ip link add br0 type bridge; ip link set br0 up; ip link set tap0 master br0
		ip addr add 192.168.122.1/24 dev br0; ip addr add fd00:122::1/64 dev br0 nodad`)
	guest.Run(t, `ip link set eth address 52:54:00:00:00:07
		ip addr add 192.168.122.7/24 dev eth; ip addr add 192.168.122.8/24 dev eth
		ip addr add fd00:122::7/64 dev eth nodad; ip addr add fd00:122::8/64 dev eth nodad`)
	openGuard(t, host).must(t, guarded("tap0", 7, "192.168.122.7/32", "fd00:122::7/128"))
	ping := func(from, to string) bool {
		host.Run(t, "ip neigh flush dev br0 2>/dev/null || true")
		return guest.Command("ping", "-c", "1", "-W", "1", "-I", from, to).Run() == nil
	}
	for _, from := range []string{"192.168.122.7", "fd00:122::7"} {
		if to := gatewayOf(from); !ping(from, to) {
			t.Errorf("%s cannot reach %s", from, to)
		}
	}
	for _, from := range []string{"192.168.122.8", "fd00:122::8"} {
		if to := gatewayOf(from); ping(from, to) {
			t.Errorf("%s reaches %s", from, to)
		}
	}
	if host.Command("ping", "-c", "1", "-W", "1", "fd00:122::8").Run() == nil {
		t.Error("the guest advertises another's address")
	}
	if host.Command("ping", "-c", "1", "-W", "1", "192.168.122.8").Run() == nil {
		t.Error("the guest answers ARP for another's address")
	}
	guest.Run(t, "ip link set eth down; ip link set eth address 52:54:00:00:00:09; ip link set eth up")
	if ping("192.168.122.7", "192.168.122.1") {
		t.Error("another MAC address passes")
	}
}

func gatewayOf(addr string) string {
	if strings.Contains(addr, ":") {
		return "fd00:122::1"
	}
	return "192.168.122.1"
}
