package network

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/neighbour"
	"github.com/vnetmgr/vnetmgr/radv"
)

func (h nsHost) ListenRA(link string) (c *radv.Conn, err error) {
	h.ns.Do(func() { c, err = h.Host.ListenRA(link) })
	return c, err
}

func (h nsHost) ListenNeighbours(link string) (c *neighbour.Conn, err error) {
	h.ns.Do(func() { c, err = h.Host.ListenNeighbours(link) })
	return c, err
}

const sixDoc = `<network><name>six</name><mac address='52:54:00:5d:00:16'/><forward mode='nat'><nat ipv6='yes'/></forward>
<bridge name='virbr8' stp='off'/><domain name='six.test'/>
<dns><host ip='fd00:8::53'><hostname>ns</hostname></host></dns>
<ip family='ipv6' address='fd00:8::1' prefix='64'/><ip family='ipv6' address='fd00:9::1' prefix='64'/>
<route family='ipv6' address='fd00:9900::' prefix='32' gateway='fd00:8::2'/></network>`

const sixLocal = "fe80::5054:ff:fe5d:16"

// plug gives a new guest that listens to advertisements a cable to a bridge.
func (s *site) plug(t *testing.T, link string) *kerneltest.NS {
	t.Helper()
	g := kerneltest.New(t)
	g.Run(t, "sysctl -qw net.ipv6.conf.default.accept_ra=1 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0")
	s.ns.Run(t, "ip link del tap0 2>/dev/null || :")
	s.ns.Veth(t, "tap0", g, "eth0")
	s.ns.Run(t, "ip link set tap0 master "+link)
	g.Run(t, "ip link set eth0 down; ip link set eth0 up")
	return g
}

func waitFor(t *testing.T, ns *kerneltest.NS, command string, want string) {
	t.Helper()
	kerneltest.Wait(t, 10*time.Second, command+" to print "+want, func() bool {
		return strings.Contains(ns.Run(t, command), want)
	})
}

const sixRoute = "default via " + sixLocal + " dev eth0 proto ra"

func TestIPv6GuestHasAddressesRouterAndResolver(t *testing.T) {
	s := newSite(t)
	s.mustStart(sixDoc)
	g := s.plug(t, "virbr8")
	waitFor(t, g, "ip -6 route show default", sixRoute)
	waitFor(t, g, "ip -6 addr show dev eth0", "inet6 fd00:8:")
	waitFor(t, g, "ip -6 addr show dev eth0", "inet6 fd00:9:")
	waitFor(t, s.ns, "ip -6 route show dev virbr8", "fd00:9900::/32 via fd00:8::2")
	for _, server := range []string{"fd00:8::1", "fd00:9::1", sixLocal + "%eth0"} {
		waitFor(t, g, "dig +short +time=1 +tries=1 @"+server+" ns.six.test AAAA || :", "fd00:8::53")
	}
	waitFor(t, g, "ping -c1 -W2 fd00:8::1", "1 received")
}

func TestGuestsLoseTheirRouterWithTheNetworkNotWithTheDaemon(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(sixDoc)
	g := s.plug(t, "virbr8")
	waitFor(t, g, "ip -6 route show default", sixRoute)
	s.stop()
	waitFor(t, g, "ip -6 route show default", sixRoute)
	s.start()
	waitFor(t, g, "ip -6 route show default", sixRoute)
	if err := s.Destroy(context.Background(), ref.UUID); err != nil {
		t.Fatal(err)
	}
	kerneltest.Wait(t, 5*time.Second, "the route to go", func() bool { return g.Run(t, "ip -6 route show default") == "" })
}

func TestGuestsLoseTheirRouterWhenTheNetworkLosesIPv6Live(t *testing.T) {
	s := newSite(t)
	s.mustStart(sixDoc)
	g := s.plug(t, "virbr8")
	waitFor(t, g, "ip -6 route show default", sixRoute)
	without := `<network><name>six</name><forward mode='nat'/><bridge name='virbr8' stp='off'/><ip address='192.168.88.1' prefix='24'/></network>`
	if _, err := s.DefineLive(t.Context(), []byte(without), false); err != nil {
		t.Fatal(err)
	}
	kerneltest.Wait(t, 5*time.Second, "the route to go", func() bool { return g.Run(t, "ip -6 route show default") == "" })
	waitFor(t, g, "ip -6 addr show dev eth0 scope global", "deprecated")
}

func TestServersComeBackWithABridgeThatWasDeleted(t *testing.T) {
	s := newSite(t)
	s.mustStart(sixDoc)
	s.ns.Run(t, "ip link del virbr8")
	kerneltest.Wait(t, 5*time.Second, "the bridge to be put back", func() bool {
		return strings.Contains(s.ns.Run(t, "ip -6 addr show dev virbr8 || :"), "fd00:9::1")
	})
	g := s.plug(t, "virbr8")
	waitFor(t, g, "ip -6 route show default", sixRoute)
	for _, server := range []string{"fd00:8::1", sixLocal + "%eth0"} {
		waitFor(t, g, "dig +short +time=1 +tries=1 @"+server+" ns.six.test AAAA || :", "fd00:8::53")
	}
}
