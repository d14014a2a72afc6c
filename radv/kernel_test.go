package radv

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// network is a bridge without ports, as bridge.Apply leaves one, and a server
// on it.
type network struct {
	host   *kerneltest.NS
	server *Server
	conn   *Conn

	cancel context.CancelFunc
	done   sync.WaitGroup
	err    error // of Serve
}

const ourAddr = "fe80::5054:ff:fe11:2233"

func start(t *testing.T, cfg Config) *network {
	t.Helper()
	n := &network{host: kerneltest.New(t)}
	n.host.Run(t, `ip link add virbr0 address 52:54:00:11:22:33 type bridge
		sysctl -qw net.ipv6.conf.virbr0.accept_ra=0 net.ipv6.conf.virbr0.addr_gen_mode=1
		ip link set virbr0 up
		ip addr add `+ourAddr+`/64 dev virbr0 nodad
		ip addr add fd00:14::1/64 dev virbr0 nodad`)
	var err error
	n.host.Do(func() { n.conn, err = Listen("virbr0") })
	if err != nil {
		t.Fatal(err)
	}
	cfg.Link = "virbr0"
	n.server = NewServer(slog.New(slog.DiscardHandler), cfg)
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.done.Go(func() { n.err = n.server.Serve(ctx, n.conn) })
	t.Cleanup(func() { n.stop(); n.conn.Close() })
	return n
}

func (n *network) stop() {
	n.cancel()
	n.done.Wait()
}

// guest plugs in a Linux guest that listens to advertisements.
func (n *network) guest(t *testing.T) *kerneltest.NS {
	t.Helper()
	g := kerneltest.New(t)
	g.Run(t, "sysctl -qw net.ipv6.conf.default.accept_ra=1 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0")
	n.host.Veth(t, "tap0", g, "eth0")
	n.host.Run(t, "ip link set tap0 master virbr0")
	// Again, as its first solicitation may have been lost before the cable was
	// plugged in.
	g.Run(t, "ip link set eth0 down; ip link set eth0 up")
	return g
}

func stateless(lifetime time.Duration) Config {
	return Config{
		Lifetime: lifetime, DNS: true,
		Prefixes: []Prefix{
			{Prefix: netip.MustParsePrefix("fd00:14::/64"), OnLink: true, Autonomous: true, Valid: Infinite, Preferred: Infinite},
			{Prefix: netip.MustParsePrefix("fd00:15::/64"), OnLink: true, Autonomous: true, Valid: 2 * time.Hour, Preferred: time.Hour},
		},
	}
}

func TestLinuxGuestConfiguresItself(t *testing.T) {
	cfg := stateless(1800 * time.Second)
	cfg.MTU = 1400
	g := start(t, cfg).guest(t)
	began := time.Now()
	has := func(command, what string) {
		t.Helper()
		var out string
		kerneltest.Wait(t, 10*time.Second, what, func() bool {
			out = g.Run(t, command)
			return strings.Contains(out, what)
		})
	}
	has("ip -6 addr show dev eth0", "inet6 fd00:14:")
	t.Logf("address after %v", time.Since(began))
	has("ip -6 addr show dev eth0", "inet6 fd00:15:")
	has("ip -6 route show default", "default via "+ourAddr+" dev eth0 proto ra")
	has("ip -6 route show default", "hoplimit 64")
	has("cat /proc/sys/net/ipv6/conf/eth0/mtu", "1400")
	has("ip -6 route get fd00:14::99", "fd00:14::99 from :: dev eth0")
}

func TestGuestOfAnIsolatedNetworkGetsNoRouter(t *testing.T) {
	g := start(t, stateless(0)).guest(t)
	kerneltest.Wait(t, 10*time.Second, "an address", func() bool {
		return strings.Contains(g.Run(t, "ip -6 addr show dev eth0"), "inet6 fd00:15:")
	})
	if out := g.Run(t, "ip -6 route show default"); out != "" {
		t.Errorf("default route %s", out)
	}
}

// rdisc6 prints every field that guests could see. What dnsmasq 2.90 sends for
// libvirt's configurations is printed alike.
func TestEveryFieldIsAsDnsmasqSendsIt(t *testing.T) {
	stateful := Config{
		Managed: true, Other: true, DNS: true, Lifetime: 1800 * time.Second,
		Prefixes: []Prefix{{Prefix: netip.MustParsePrefix("fd00:14::/64"), OnLink: true, Valid: 2 * time.Hour, Preferred: 2 * time.Hour}},
	}
	quiet := stateless(0)
	quiet.DNS, quiet.MTU, quiet.Search = false, 1400, []string{"example.test", "corp.test"}
	for _, tc := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"stateful", stateful, `
Hop limit                 :           64 (      0x40)
Stateful address conf.    :          Yes
Stateful other conf.      :          Yes
Mobile home agent         :           No
Router preference         :       medium
Neighbor discovery proxy  :           No
Router lifetime           :         1800 (0x00000708) seconds
Reachable time            :  unspecified (0x00000000)
Retransmit time           :  unspecified (0x00000000)
 Prefix                   : fd00:14::/64
  On-link                 :          Yes
  Autonomous address conf.:           No
  Valid time              :         7200 (0x00001c20) seconds
  Pref. time              :         7200 (0x00001c20) seconds
 MTU                      :         1500 bytes (valid)
 Source link-layer address: 52:54:00:11:22:33
 Recursive DNS server     : fe80::5054:ff:fe11:2233
  DNS server lifetime     :         7200 (0x00001c20) seconds
 from fe80::5054:ff:fe11:2233
`},
		{"stateless and isolated", quiet, `
Hop limit                 :           64 (      0x40)
Stateful address conf.    :           No
Stateful other conf.      :           No
Mobile home agent         :           No
Router preference         :       medium
Neighbor discovery proxy  :           No
Router lifetime           :            0 (0x00000000) seconds
Reachable time            :  unspecified (0x00000000)
Retransmit time           :  unspecified (0x00000000)
 Prefix                   : fd00:14::/64
  On-link                 :          Yes
  Autonomous address conf.:          Yes
  Valid time              :     infinite (0xffffffff)
  Pref. time              :     infinite (0xffffffff)
 Prefix                   : fd00:15::/64
  On-link                 :          Yes
  Autonomous address conf.:          Yes
  Valid time              :         7200 (0x00001c20) seconds
  Pref. time              :         3600 (0x00000e10) seconds
 MTU                      :         1400 bytes (valid)
 Source link-layer address: 52:54:00:11:22:33
 DNS search list          : example.test corp.test
  DNS search list lifetime:         3600 (0x00000e10) seconds
 from fe80::5054:ff:fe11:2233
`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := start(t, tc.cfg).guest(t)
			var out string
			// It fails until the guest's address is ready to be asked from.
			kerneltest.Wait(t, 20*time.Second, "an answer", func() bool {
				out = g.Run(t, "rdisc6 -1 -r 1 -w 2000 eth0 || :")
				return strings.Contains(out, " from ")
			})
			_, got, _ := strings.Cut(strings.ReplaceAll(out, " \n", "\n"), "...\n")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("rdisc6 (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFarewellTakesRouterAndPrefixesBack(t *testing.T) {
	n := start(t, stateless(1800*time.Second))
	g := n.guest(t)
	kerneltest.Wait(t, 10*time.Second, "a default route", func() bool {
		return g.Run(t, "ip -6 route show default") != ""
	})
	n.stop()
	if n.err != nil {
		t.Errorf("Serve: %v", n.err)
	}
	if out := g.Run(t, "ip -6 route show default"); out == "" {
		t.Error("a server that ended took the guest's route away")
	}
	if err := n.server.Farewell(n.conn); err != nil {
		t.Fatal(err)
	}
	kerneltest.Wait(t, 5*time.Second, "the default route to go", func() bool {
		return g.Run(t, "ip -6 route show default") == ""
	})
	if out := g.Run(t, "ip -6 addr show dev eth0"); strings.Count(out, "preferred_lft 0sec") != 2 {
		t.Errorf("addresses are still preferred:\n%s", out)
	}
}

func TestNewConfigurationReachesGuests(t *testing.T) {
	cfg := stateless(1800 * time.Second)
	n := start(t, cfg)
	g := n.guest(t)
	kerneltest.Wait(t, 10*time.Second, "a default route", func() bool {
		return g.Run(t, "ip -6 route show default") != ""
	})
	cfg.Lifetime = 0
	n.server.SetConfig(cfg)
	kerneltest.Wait(t, 10*time.Second, "the default route to go", func() bool {
		return g.Run(t, "ip -6 route show default") == ""
	})
}

// A guest that comes after the change is told too: it may come back from sleep.
func TestPrefixOfBeforeIsTakenBack(t *testing.T) {
	cfg := stateless(1800 * time.Second)
	cfg.Search = []string{"old.test"}
	n := start(t, cfg)
	g := n.guest(t)
	for _, prefix := range []string{"fd00:14:", "fd00:15:"} {
		kerneltest.Wait(t, 10*time.Second, "an address of "+prefix, func() bool {
			return strings.Contains(g.Run(t, "ip -6 addr show dev eth0 -tentative"), prefix)
		})
	}
	cfg.Prefixes, cfg.Search = cfg.Prefixes[:1], []string{"new.test"}
	n.server.SetConfig(cfg)
	kerneltest.Wait(t, 10*time.Second, "the address to be deprecated", func() bool {
		out := g.Run(t, "ip -6 -o addr show dev eth0 deprecated")
		return strings.Contains(out, "fd00:15:") && !strings.Contains(out, "fd00:14:")
	})
	if out := g.Run(t, "ip -6 route show default"); out == "" {
		t.Error("the default route went too")
	}
	out := g.Run(t, "rdisc6 -1 eth0")
	for _, want := range []string{"fd00:15::/64", "old.test", "new.test"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in:\n%s", want, out)
		}
	}
}

func TestServeEndsWithItsLink(t *testing.T) {
	for what, command := range map[string]string{"deleted": "ip link del virbr0", "down": "ip link set virbr0 down"} {
		t.Run(what, func(t *testing.T) {
			n := start(t, stateless(1800*time.Second))
			n.host.Run(t, command)
			n.done.Wait()
			if !errors.Is(n.err, errLinkGone) && !linkFailed(n.err) {
				t.Errorf("Serve: %v", n.err)
			}
		})
	}
}

func TestListenNeedsALinkLocalAddress(t *testing.T) {
	ns := kerneltest.New(t)
	ns.Run(t, "ip link add virbr0 type bridge")
	ns.Do(func() {
		if c, err := Listen("virbr0"); err == nil {
			c.Close()
			t.Error("listens without one")
		}
		if c, err := Listen("virbr1"); err == nil {
			c.Close()
			t.Error("listens on no link")
		}
	})
}

// solicitor opens a socket on a guest's link, once that has an address.
func solicitor(t *testing.T, g *kerneltest.NS) *Conn {
	t.Helper()
	var c *Conn
	kerneltest.Wait(t, 10*time.Second, "a link-local address", func() bool {
		var err error
		g.Do(func() { c, err = Listen("eth0") })
		return err == nil
	})
	t.Cleanup(func() { c.Close() })
	return c
}

// A guest that solicits as fast as it can, with and without an address, does
// not keep another one from its answer.
func TestFloodOfSolicitationsDelaysNobodyForLong(t *testing.T) {
	n := start(t, stateless(1800*time.Second))
	g := n.guest(t)
	attacker := solicitor(t, g)
	var flood sync.WaitGroup
	stop := make(chan struct{})
	flood.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				attacker.write([]byte{typeSolicitation, 0, 0, 0, 0, 0, 0, 0}, allRouters)
			}
		}
	})
	kerneltest.Wait(t, 10*time.Second, "the flood to be felt", func() bool { return n.server.Stats().Solicited > 10000 })
	out := g.Run(t, "rdisc6 -1 -r 5 -w 4000 eth0")
	close(stop)
	flood.Wait()
	if !strings.Contains(out, "fd00:14::/64") {
		t.Errorf("no answer: %s", out)
	}
	stats := n.server.Stats()
	t.Logf("%+v", stats)
	if stats.Answered > stats.Solicited/10 {
		t.Errorf("a flood was answered: %+v", stats)
	}
}

func TestSolicitationsFromBeyondARouterAreNotHeard(t *testing.T) {
	n := start(t, stateless(1800*time.Second))
	g := n.guest(t)
	c := solicitor(t, g)
	before := n.server.Stats().Solicited
	message := []byte{typeSolicitation, 0, 0, 0, 0, 0, 0, 0}
	far := c.out
	far.HopLimit = 254
	near := c.out
	c.out = far
	if err := c.write(message, allRouters); err != nil {
		t.Fatal(err)
	}
	c.out = near
	if err := c.write(message, allRouters); err != nil {
		t.Fatal(err)
	}
	kerneltest.Wait(t, 5*time.Second, "the second one to be heard", func() bool { return n.server.Stats().Solicited > before })
}
