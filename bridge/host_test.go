package bridge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// host is a namespace and a connection to it.
type host struct {
	*kerneltest.NS
	conn *bridge.Conn
}

func newHost(t testing.TB) host {
	t.Helper()
	h := host{NS: kerneltest.New(t)}
	h.reopen(t)
	return h
}

// reopen is what a restart of the daemon does.
func (h *host) reopen(t testing.TB) {
	t.Helper()
	var err error
	h.Do(func() { h.conn, err = bridge.Open() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.conn.Close() })
}

func (h host) apply(t testing.TB, want bridge.Config) {
	t.Helper()
	if err := h.try(want); err != nil {
		t.Fatal(err)
	}
}

func (h host) try(want bridge.Config) (err error) {
	h.Do(func() { err = h.conn.Apply(context.Background(), want) })
	return err
}

func (h host) observe(t testing.TB) (seen bridge.Host) {
	t.Helper()
	var err error
	h.Do(func() { seen, err = h.conn.Observe(context.Background()) })
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func mac(s string) net.HardwareAddr {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

func prefixes(list ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range list {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

func route(dst, gateway string, metric int) bridge.Route {
	return bridge.Route{Dst: netip.MustParsePrefix(dst), Gateway: netip.MustParseAddr(gateway), Metric: metric}
}

// nat is libvirt's default network.
func nat() bridge.Config {
	return bridge.Config{
		Name: "virbr0", Owner: "9a05da11-e96b-47f3-8253-a3a482e445f5", MAC: mac("52:54:00:0a:cd:21"),
		STP: true, Addrs: prefixes("192.168.122.1/24"), Forward4: true,
	}
}

// dual has everything, in both families.
func dual() bridge.Config {
	c := nat()
	c.MTU, c.IPv6, c.Forward6 = 9000, true, true
	c.STP, c.ForwardDelay = false, 3*time.Second
	c.Addrs = prefixes("192.168.122.1/24", "10.7.0.1/16", "fd00:122::1/64")
	c.Routes = []bridge.Route{
		route("10.99.0.0/16", "192.168.122.99", 0),
		route("10.98.0.0/16", "10.7.0.98", 7),
		route("fd00:99::/64", "fd00:122::99", 0),
	}
	return c
}

// with returns nat changed by f.
func with(f func(*bridge.Config)) bridge.Config {
	c := nat()
	f(&c)
	return c
}

// configs are all for the same bridge.
func configs() map[string]bridge.Config {
	return map[string]bridge.Config{
		"nat":   nat(),
		"dual":  dual(),
		"empty": with(func(c *bridge.Config) { c.Addrs, c.STP = nil, false }),
		"slow stp": with(func(c *bridge.Config) {
			c.ForwardDelay, c.MTU = 15*time.Second, 1500
		}),
		"other mac": with(func(c *bridge.Config) { c.MAC, c.IPv6 = mac("52:54:00:00:00:01"), true }),
		"other length": with(func(c *bridge.Config) {
			c.IPv6, c.Addrs = true, prefixes("192.168.122.1/16", "fd00:122::1/56")
		}),
		"other gateways": with(func(c *bridge.Config) {
			*c = dual()
			c.Routes = []bridge.Route{
				route("10.99.0.0/16", "192.168.122.98", 0),
				route("fd00:99::/64", "fd00:122::98", 0),
				route("fd00:98::/64", "fd00:122::98", 5),
			}
		}),
		"slow": with(func(c *bridge.Config) {
			c.Bandwidth = &bridge.Bandwidth{Inbound: &bridge.Rate{Average: mb}}
		}),
		"fast": with(func(c *bridge.Config) {
			c.Bandwidth = &bridge.Bandwidth{Inbound: &bridge.Rate{Average: 50 * mb, Peak: 100 * mb, Burst: 1 << 20}}
		}),
		"small mtu": with(func(c *bridge.Config) { c.MTU = 1000 }),
		"other subnet address": with(func(c *bridge.Config) {
			c.Addrs = prefixes("192.168.122.254/24", "fd00:122::fe/64")
			c.IPv6 = true
		}),
	}
}

// volatile are the parts of ip's output that differ between two equal bridges:
// counters, timers, and what the kernel remembers of the past.
var volatile = []string{
	"ifindex", "link_index", "hello_timer", "tcn_timer", "topology_change_timer", "gc_timer",
	"forward_delay_timer", "hold_timer", "message_age_timer",
	"stats64", "stats", "num_tx_queues", "topology_change", "preferred_life_time", "valid_life_time",
	"root_port", "root_path_cost", "topology_change_detected", "cstamp", "tstamp",
}

// state is everything that ip and the sysctl tree say of the namespace, in
// lines that cmp.Diff shows well.
func (h host) state(t testing.TB) []string {
	t.Helper()
	h.settle(t)
	var lines []string
	for _, command := range []string{
		"ip -d -j address", "ip -d -j -4 route show table all", "ip -d -j -6 route show table all",
	} {
		var items []any
		if out := h.Run(t, command); strings.TrimSpace(out) != "" {
			if err := json.Unmarshal([]byte(out), &items); err != nil {
				t.Fatalf("%s: %v", command, err)
			}
		}
		for _, item := range items {
			lines = append(lines, flatten(command, item)...)
		}
	}
	sysctls := h.Run(t, "cd /proc/sys/net && grep -r . ipv4/conf/virbr0 ipv6/conf/virbr0 2>/dev/null; "+
		"grep . ipv4/ip_forward ipv6/conf/all/forwarding; true")
	for line := range strings.Lines(sysctls) {
		if !strings.Contains(line, "stable_secret") {
			lines = append(lines, line)
		}
	}
	for line := range strings.Lines(h.Run(t, "tc class show dev virbr0 2>/dev/null; true")) {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	// The kernel joins anycast groups later, and again as it sees fit.
	return slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, `"type":"anycast"`) })
}

// settle waits until the kernel has made the local route of each IPv6 address,
// which it does a moment after it has said that the address is there.
func (h host) settle(t testing.TB) {
	t.Helper()
	kerneltest.Wait(t, 5*time.Second, "local routes", func() bool {
		counts := strings.Fields(h.Run(t, "ip -6 -o address show dev virbr0 -tentative 2>/dev/null | wc -l;"+
			"ip -6 route show table local type local dev virbr0 2>/dev/null | wc -l"))
		return counts[0] == counts[1]
	})
}

// flatten turns an item into one line without its volatile parts, and its
// addresses into one line each.
func flatten(title string, item any) []string {
	m, ok := item.(map[string]any)
	if !ok {
		return []string{fmt.Sprint(title, item)}
	}
	var lines []string
	if addrs, ok := m["addr_info"].([]any); ok {
		delete(m, "addr_info")
		for _, a := range addrs {
			lines = append(lines, flatten(fmt.Sprint(title, " ", m["ifname"]), a)...)
		}
	}
	prune(m)
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return append(lines, title+" "+string(b))
}

func prune(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range volatile {
			delete(v, key)
		}
		for _, sub := range v {
			prune(sub)
		}
	case []any:
		for _, sub := range v {
			prune(sub)
		}
	}
}

// port attaches one end of a veth pair to the bridge.
func (h host) port(t testing.TB, name string) {
	t.Helper()
	h.Veth(t, name, h.NS, name+"guest")
	var err error
	h.Do(func() { err = h.conn.AttachPort(context.Background(), "virbr0", name) })
	if err != nil {
		t.Fatal(err)
	}
}

func (h host) link(t testing.TB, name string) bridge.Link {
	t.Helper()
	for _, l := range h.observe(t).Links {
		if l.Name == name {
			return l
		}
	}
	return bridge.Link{}
}
