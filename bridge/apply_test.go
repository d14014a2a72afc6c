package bridge_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestApplyTwiceChangesNothing(t *testing.T) {
	for name, want := range configs() {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.apply(t, want)
			before := h.state(t)
			events := h.events(t)
			h.apply(t, want)
			if diff := gocmp.Diff(before, h.state(t)); diff != "" {
				t.Errorf("(-once +twice)\n%s", diff)
			}
			// A change made after it must be the first that is heard of.
			h.Run(t, "ip link add sentinel type bridge")
			if e := <-events; e.Link != "sentinel" {
				t.Errorf("applying again changed %v", e)
			}
		})
	}
}

// TestAnyOrderOfConfigsEndsTheSame walks the configs at random, always ending
// with the same one, and compares with a bridge that only had that one.
func TestAnyOrderOfConfigsEndsTheSame(t *testing.T) {
	all := configs()
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, last := range names {
		fresh := newHost(t)
		// Forwarding is never turned off, and is not what this is about.
		fresh.Run(t, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
		fresh.apply(t, all[last])
		want := fresh.state(t)

		seed := rand.Uint64()
		order := rand.New(rand.NewPCG(seed, 0)).Perm(len(names))
		h := newHost(t)
		h.Run(t, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
		var walked []string
		for _, i := range order {
			walked = append(walked, names[i])
			h.apply(t, all[names[i]])
		}
		h.apply(t, all[last])
		if diff := gocmp.Diff(want, h.state(t)); diff != "" {
			t.Errorf("%s after %q (-fresh +walked)\n%s", last, walked, diff)
		}
	}
}

func TestBridgeIsAsConfigured(t *testing.T) {
	h := newHost(t)
	h.apply(t, dual())
	var links []struct {
		Ifalias, Address string
		MTU              int
		Flags            []string
		Group            string
		Linkinfo         struct {
			InfoData struct {
				STP   int `json:"stp_state"`
				Delay int `json:"forward_delay"`
			} `json:"info_data"`
		}
		Addrs []struct {
			Local, Broadcast string
			Prefixlen        int
			NoDAD            bool `json:"nodad"`
			Tentative        bool
		} `json:"addr_info"`
		Mode string `json:"inet6_addr_gen_mode"`
	}
	if err := json.Unmarshal([]byte(h.Run(t, "ip -d -j address show virbr0")), &links); err != nil {
		t.Fatal(err)
	}
	l := links[0]
	var addrs []string
	for _, a := range l.Addrs {
		addrs = append(addrs, fmt.Sprintf("%s/%d brd %s nodad %v tentative %v",
			a.Local, a.Prefixlen, cmp.Or(a.Broadcast, "-"), a.NoDAD, a.Tentative))
	}
	got := []any{l.Ifalias, l.Address, l.MTU, l.Group, slices.Contains(l.Flags, "UP"),
		l.Linkinfo.InfoData.STP, l.Linkinfo.InfoData.Delay, addrs}
	want := []any{"vnetmgr:" + dual().Owner, "52:54:00:0a:cd:21", 9000, "default", true, 0, 300, []string{
		"192.168.122.1/24 brd 192.168.122.255 nodad false tentative false",
		"10.7.0.1/16 brd 10.7.255.255 nodad false tentative false",
		"fd00:122::1/64 brd - nodad true tentative false",
		"fe80::5054:ff:fe0a:cd21/64 brd - nodad true tentative false",
	}}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	routes := h.Run(t, "ip route show proto 118; ip -6 route show proto 118")
	wantRoutes := "10.98.0.0/16 via 10.7.0.98 dev virbr0 metric 7 linkdown \n" +
		"10.99.0.0/16 via 192.168.122.99 dev virbr0 metric 1 linkdown \n" +
		"fd00:99::/64 via fd00:122::99 dev virbr0 metric 1 linkdown pref medium\n"
	if diff := gocmp.Diff(wantRoutes, routes); diff != "" {
		t.Errorf("routes (-want +got)\n%s", diff)
	}
}

func TestSysctlsAreSet(t *testing.T) {
	const show = "cd /proc/sys/net/ipv6/conf/virbr0 && cat disable_ipv6 accept_ra autoconf addr_gen_mode | xargs;" +
		"cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding | xargs"
	tests := []struct {
		name string
		cfg  bridge.Config
		want string
	}{
		{"no IPv6, forwarding", nat(), "1 0 0 1\n1 0\n"},
		{"IPv6, forwarding", dual(), "0 0 0 1\n1 1\n"},
		{"isolated", with(func(c *bridge.Config) { c.Forward4 = false }), "1 0 0 1\n0 0\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			outside, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
			if err != nil {
				t.Fatal(err)
			}
			h := newHost(t)
			h.apply(t, tt.cfg)
			if diff := gocmp.Diff(tt.want, h.Run(t, show)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			after, _ := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
			if string(after) != string(outside) {
				t.Errorf("the machine's own ip_forward changed from %q to %q", outside, after)
			}
		})
	}
}

// TestLinkLocalWorksWithoutCarrier sends from the link-local address of a
// bridge that no port was ever attached to.
func TestLinkLocalWorksWithoutCarrier(t *testing.T) {
	h := newHost(t)
	h.apply(t, dual())
	if out := h.Run(t, "ip link show virbr0"); !strings.Contains(out, "NO-CARRIER") {
		t.Fatalf("the bridge has carrier: %s", out)
	}
	var err error
	h.Do(func() {
		var c net.PacketConn
		if c, err = net.ListenPacket("udp6", "[fe80::5054:ff:fe0a:cd21%virbr0]:547"); err == nil {
			_, err = c.WriteTo([]byte("x"), &net.UDPAddr{IP: net.ParseIP("ff02::1"), Port: 546, Zone: "virbr0"})
			c.Close()
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// TestKernelAddsNoAddressWithCarrier also holds where the host's default is
// another way of making link-local addresses.
func TestKernelAddsNoAddressWithCarrier(t *testing.T) {
	h := newHost(t)
	h.Run(t, "sysctl -qw net.ipv6.conf.default.addr_gen_mode=3")
	h.apply(t, dual())
	before := h.Run(t, "ip -6 -o address show virbr0")
	h.port(t, "p0")
	kerneltest.Wait(t, 5*time.Second, "carrier", func() bool {
		return strings.Contains(h.Run(t, "ip link show virbr0"), "LOWER_UP")
	})
	if diff := gocmp.Diff(before, h.Run(t, "ip -6 -o address show virbr0")); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
}

// TestPortsSurviveEveryLiveChange watches the port's events during all changes:
// it never leaves its bridge nor goes down, and keeps forwarding.
func TestPortsSurviveEveryLiveChange(t *testing.T) {
	h := newHost(t)
	h.apply(t, with(func(c *bridge.Config) { c.STP = false }))
	h.port(t, "p0")
	monitor := h.Start(t, "ip", "-o", "-d", "monitor", "link", "dev", "p0")
	// It prints an alias as soon as it hears of it, and of all before.
	mark := func(text string) {
		kerneltest.Wait(t, 5*time.Second, "ip monitor", func() bool {
			h.Run(t, "ip link set p0 alias "+text)
			return strings.Contains(monitor.Output(), "alias "+text)
		})
	}
	mark("begin")
	all := configs()
	for name, cfg := range all {
		h.apply(t, cfg)
		if out := h.Run(t, "ip -d -o link show p0"); !strings.Contains(out, "master virbr0") ||
			!strings.Contains(out, "state forwarding") {
			t.Errorf("after %q: %s", name, out)
		}
	}
	mark("end")
	for line := range strings.Lines(monitor.Output()) {
		if strings.Contains(line, ": p0@") &&
			(strings.Contains(line, "Deleted") || !strings.Contains(line, "master virbr0") || strings.Contains(line, "state DOWN")) {
			t.Errorf("on the way: %s", line)
		}
	}
}

func TestMTUFollowsPortsOnlyIfNotConfigured(t *testing.T) {
	for _, tt := range []struct{ configured, want int }{{0, 9000}, {1500, 1500}, {1400, 1400}} {
		h := newHost(t)
		h.apply(t, with(func(c *bridge.Config) { c.MTU = tt.configured }))
		h.Run(t, "ip link add p0 mtu 9000 type veth peer name p1; ip link set p0 master virbr0")
		want := fmt.Sprintf(" mtu %d ", tt.want)
		if out := h.Run(t, "ip link show virbr0"); !strings.Contains(out, want) {
			t.Errorf("configured %d: want%s, got %s", tt.configured, want, out)
		}
	}
}

func TestForeignLinkSurvives(t *testing.T) {
	ours := "alias vnetmgr:" + nat().Owner
	for name, setup := range map[string]string{
		"bridge":                 "ip link add virbr0 type bridge",
		"bridge of another":      "ip link add virbr0 type bridge; ip link set virbr0 alias vnetmgr:other",
		"veth":                   "ip link add virbr0 type veth peer name x",
		"veth with our alias":    "ip link add virbr0 type veth peer name x; ip link set virbr0 " + ours,
		"tap":                    "ip tuntap add virbr0 mode tap",
		"altname":                "ip link add x type bridge; ip link property add dev x altname virbr0",
		"altname with our alias": "ip link add x type bridge; ip link property add dev x altname virbr0; ip link set x " + ours,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.Run(t, setup+"; ip addr add 10.0.0.1/24 dev virbr0")
			before := h.state(t)
			if err := h.try(dual()); !errors.Is(err, bridge.ErrLinkExists) || !strings.Contains(err.Error(), "virbr0") {
				t.Errorf("Apply: %v, want ErrLinkExists naming virbr0", err)
			}
			var err error
			h.Do(func() { err = h.conn.Remove(context.Background(), "virbr0", dual().Owner) })
			if !errors.Is(err, bridge.ErrLinkExists) {
				t.Errorf("Remove: %v, want ErrLinkExists", err)
			}
			if diff := gocmp.Diff(before, h.state(t)); diff != "" {
				t.Errorf("the link or host changed (-before +after)\n%s", diff)
			}
		})
	}
}

func TestFailureHalfWayLeavesNoTrace(t *testing.T) {
	for name, broken := range map[string]bridge.Config{
		"unreachable gateway": with(func(c *bridge.Config) {
			c.Routes = []bridge.Route{route("10.99.0.0/16", "172.16.0.1", 0)}
		}),
		"unreachable IPv6 gateway": with(func(c *bridge.Config) {
			*c = dual()
			c.Routes = []bridge.Route{route("fd00:99::/64", "fd00:5::1", 0)}
		}),
		"multicast address": with(func(c *bridge.Config) {
			c.IPv6, c.Addrs = true, prefixes("192.168.122.1/24", "ff02::5/64")
		}),
		"route that is somebody's": with(func(c *bridge.Config) {
			c.Routes = []bridge.Route{route("10.99.0.0/16", "192.168.122.9", 5)}
		}),
		"read-only sysctls": nat(),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			if name == "read-only sysctls" {
				h.Run(t, "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys")
			}
			h.Run(t, "ip link add other type bridge; ip link set other addrgenmode none up; ip route add 10.99.0.0/16 dev other metric 5")
			before := h.state(t)
			err := h.try(broken)
			if err == nil {
				t.Fatal("Apply succeeded")
			}
			t.Log(err)
			if diff := gocmp.Diff(before, h.state(t)); diff != "" {
				t.Errorf("(-before +after)\n%s", diff)
			}
		})
	}
}

func TestCancelledApplyLeavesNoTrace(t *testing.T) {
	h := newHost(t)
	before := h.state(t)
	for steps := range 40 {
		ctx := &countdown{Context: context.Background(), left: steps}
		var err error
		h.Do(func() { err = h.conn.Apply(ctx, dual()) })
		if err == nil {
			if steps < 8 {
				t.Fatalf("done after %d steps: the test does not see the context being asked", steps)
			}
			return
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("after %d steps: %v", steps, err)
		}
		if diff := gocmp.Diff(before, h.state(t)); diff != "" {
			t.Fatalf("after %d steps (-before +after)\n%s", steps, diff)
		}
	}
	t.Error("Apply never succeeded")
}

// countdown is cancelled once it was asked left times.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestRestartAdopts(t *testing.T) {
	h := newHost(t)
	h.apply(t, dual())
	h.port(t, "p0")
	kerneltest.Wait(t, 10*time.Second, "the port to forward", func() bool {
		return strings.Contains(h.Run(t, "ip -d link show p0"), "state forwarding")
	})
	before := h.state(t)
	h.reopen(t)
	if got := h.link(t, "virbr0").Owner; got != dual().Owner {
		t.Errorf("owner after restart: %q", got)
	}
	h.apply(t, dual())
	if diff := gocmp.Diff(before, h.state(t)); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
}

// TestBridgeOfAKilledProcessIsAdopted is killed between the creation of the
// bridge and the next message, which would have made it known as ours.
func TestBridgeOfAKilledProcessIsAdopted(t *testing.T) {
	h := newHost(t)
	fresh := newHost(t)
	fresh.apply(t, dual())
	h.Run(t, fmt.Sprintf("ip link add virbr0 address 52:54:00:0a:cd:21 group %d type bridge", 0x766e6574))
	h.apply(t, dual())
	if diff := gocmp.Diff(fresh.state(t), h.state(t)); diff != "" {
		t.Errorf("(-fresh +adopted)\n%s", diff)
	}
}

func TestDriftIsRepaired(t *testing.T) {
	for name, damage := range map[string]string{
		"down":      "ip link set virbr0 down",
		"addresses": "ip addr flush dev virbr0",
		"surplus":   "ip addr add 10.5.5.5/24 dev virbr0; ip -6 addr add fe80::77/64 dev virbr0 nodad; ip addr add 10.6.0.1 peer 10.6.0.2/24 dev virbr0",
		"peer":      "ip addr del 192.168.122.1/24 dev virbr0; ip addr add 192.168.122.1 peer 192.168.122.2/24 dev virbr0",
		"routes":    "ip route del 10.99.0.0/16; ip route add 10.55.0.0/16 dev virbr0 via 10.7.0.55 proto 118",
		"link":      "ip link set virbr0 address 52:54:00:00:00:99 mtu 1400 type bridge stp_state 1",
		"gone":      "ip link del virbr0",
		"sysctls":   "sysctl -qw net.ipv6.conf.virbr0.disable_ipv6=1 net.ipv6.conf.virbr0.accept_ra=1 net.ipv4.ip_forward=0",
		"tentative": "ip addr del fd00:122::1/64 dev virbr0; ip addr add fd00:122::1/64 dev virbr0",
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.apply(t, dual())
			want := h.state(t)
			h.Run(t, damage)
			if gocmp.Equal(want, h.state(t)) {
				t.Fatal("nothing was damaged")
			}
			h.apply(t, dual())
			if diff := gocmp.Diff(want, h.state(t)); diff != "" {
				t.Errorf("(-before +repaired)\n%s", diff)
			}
		})
	}
}

func TestSeveralBridgesAtOnce(t *testing.T) {
	h := newHost(t)
	const n = 12
	done := make(chan error, n)
	for i := range n {
		cfg := dual()
		cfg.Name, cfg.Owner, cfg.Routes = fmt.Sprint("br", i), fmt.Sprint("owner", i), nil
		cfg.MAC[5] = byte(i)
		cfg.Addrs = prefixes(fmt.Sprintf("10.1.%d.1/24", i), fmt.Sprintf("fd00:%d::1/64", i))
		go func() { done <- h.try(cfg) }()
	}
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	owned := 0
	for _, l := range h.observe(t).Links {
		if l.Owner != "" {
			owned++
		}
	}
	if owned != n {
		t.Errorf("%d bridges, want %d", owned, n)
	}
}

func TestRoutesOfOthersStay(t *testing.T) {
	h := newHost(t)
	h.apply(t, dual())
	h.Run(t, "ip route add 10.44.0.0/16 via 192.168.122.44")
	h.apply(t, dual())
	if out := h.Run(t, "ip route show 10.44.0.0/16"); out == "" {
		t.Error("the administrator's route was deleted")
	}
}

func TestRemove(t *testing.T) {
	h := newHost(t)
	remove := func() (err error) {
		h.Do(func() { err = h.conn.Remove(context.Background(), "virbr0", dual().Owner) })
		return err
	}
	before := h.state(t)
	if err := remove(); err != nil {
		t.Errorf("without the link: %v", err)
	}
	h.apply(t, with(func(c *bridge.Config) { *c = dual(); c.Forward4, c.Forward6 = false, false }))
	if err := remove(); err != nil {
		t.Error(err)
	}
	if diff := gocmp.Diff(before, h.state(t)); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
}

func TestForwardingStaysOnAfterRemove(t *testing.T) {
	h := newHost(t)
	h.apply(t, nat())
	var err error
	h.Do(func() { err = h.conn.Remove(context.Background(), "virbr0", nat().Owner) })
	if err != nil {
		t.Fatal(err)
	}
	if out := h.Run(t, "cat /proc/sys/net/ipv4/ip_forward"); out != "1\n" {
		t.Errorf("ip_forward is %q", out)
	}
}

func TestMissingCapabilityIsNamed(t *testing.T) {
	h := newHost(t)
	var err error
	h.Do(func() {
		// Of this thread only, which ends with Do.
		if err = dropCapabilities(); err == nil {
			err = h.conn.Apply(context.Background(), nat())
		}
	})
	if !errors.Is(err, bridge.ErrNotPermitted) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Errorf("got %v, want ErrNotPermitted", err)
	}
}
