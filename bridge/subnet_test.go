package bridge_test

import (
	"fmt"
	"net/netip"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/bridge"
)

func subnet(prefix, link string, route bool) bridge.Subnet {
	return bridge.Subnet{Prefix: netip.MustParsePrefix(prefix), Link: link, Route: route}
}

func TestCollision(t *testing.T) {
	host := bridge.Host{Subnets: []bridge.Subnet{
		subnet("192.168.1.0/24", "eth0", false),
		subnet("10.0.0.0/8", "tun0", true),
		subnet("fd00:1::/48", "eth0", false),
		subnet("192.168.122.0/24", "virbr0", false),
		subnet("172.16.5.5/32", "wg0", true),
		subnet("0.0.0.0/1", "tun0", true),
		subnet("128.0.0.0/1", "tun0", true),
		subnet("2000::/3", "tun0", true),
		subnet("fc00::/7", "tun0", true),
	}}
	tests := []struct {
		name, prefix, ignore, want string // want: prefix of the other, "" for none
	}{
		{"equal", "192.168.1.0/24", "", "192.168.1.0/24"},
		{"part of an address's subnet", "192.168.1.128/25", "", "192.168.1.0/24"},
		{"around an address's subnet", "192.168.0.0/16", "", "192.168.1.0/24"},
		{"not masked", "192.168.1.77/24", "", "192.168.1.0/24"},
		{"part of a route", "10.20.30.0/24", "", "10.0.0.0/8"},
		{"around a host route", "172.16.5.0/24", "", "172.16.5.5/32"},
		{"beside", "192.168.2.0/24", "", ""},
		{"own bridge", "192.168.122.0/24", "virbr0", ""},
		{"another's bridge", "192.168.122.0/24", "virbr1", "192.168.122.0/24"},
		{"own bridge, but around another link too", "192.168.0.0/16", "virbr0", "192.168.1.0/24"},
		{"IPv6 part", "fd00:1:0:5::/64", "", "fd00:1::/48"},
		{"IPv6 around", "fd00::/16", "", "fd00:1::/48"},
		{"IPv6 beside", "fd00:2::/64", "", ""},
		{"halves of a default route", "203.0.113.0/24", "", ""},
		{"IPv6 default route in disguise", "2001:db8::/64", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if s, found := bridge.Collision(host, netip.MustParsePrefix(tt.prefix), tt.ignore); found {
				got = s.Prefix.String()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFreeSubnet(t *testing.T) {
	all := func(from, to int) (list []bridge.Subnet) {
		for n := from; n <= to; n++ {
			list = append(list, subnet(fmt.Sprintf("192.168.%d.0/24", n), "eth0", n%2 == 0))
		}
		return list
	}
	for name, tt := range map[string]struct {
		taken []bridge.Subnet
		want  string
	}{
		"nothing taken":     {nil, "192.168.122.0/24"},
		"122 taken":         {all(122, 122), "192.168.123.0/24"},
		"122 taken in part": {[]bridge.Subnet{subnet("192.168.122.8/30", "x", false)}, "192.168.123.0/24"},
		"the end taken":     {all(122, 255), "192.168.0.0/24"},
		"one left":          {append(all(0, 76), all(78, 255)...), "192.168.77.0/24"},
		"all taken":         {[]bridge.Subnet{subnet("192.168.0.0/16", "x", true)}, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			got := "none"
			if p, ok := bridge.FreeSubnet(bridge.Host{Subnets: tt.taken}); ok {
				got = p.String()
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestObserve(t *testing.T) {
	h := newHost(t)
	h.apply(t, dual())
	h.Veth(t, "p0", h.NS, "p1")
	h.Run(t, `ip link set p0 address 52:54:00:00:00:10; ip link set p1 address 52:54:00:00:00:11
		ip link set p0 master virbr0
		ip tuntap add tap0 mode tap; ip link set tap0 address 52:54:00:00:00:12
		ip addr add 10.30.0.1/24 dev p1; ip addr add 10.30.0.2/24 dev p1
		ip addr add 10.40.0.1 peer 10.41.0.1/30 dev p1
		ip addr add 169.254.3.3/16 dev p1
		ip addr add 203.0.113.1/32 dev lo
		ip route add default via 10.30.0.9
		ip route add 10.50.0.0/16 via 10.30.0.9
		ip route add 10.51.0.0/16 nexthop via 10.30.0.9 nexthop via 10.30.0.8
		ip route add blackhole 10.52.0.0/16
		ip route add 10.53.0.0/16 via 10.30.0.9 table 77
		ip route add local 10.54.0.0/16 dev lo
		ip -6 route add fd00:50::/64 dev p1`)
	got := h.observe(t)
	for i := range got.Links {
		if got.Links[i].Index == 0 {
			t.Errorf("%s has no index", got.Links[i].Name)
		}
		got.Links[i].Index = 0
	}
	want := bridge.Host{
		Links: []bridge.Link{
			{Name: "lo", MAC: mac("00:00:00:00:00:00"), MTU: 65536},
			{Name: "virbr0", Kind: "bridge", Owner: dual().Owner, MAC: dual().MAC, MTU: 9000},
			{Name: "p1", Kind: "veth", MAC: mac("52:54:00:00:00:11"), MTU: 1500},
			{Name: "p0", Kind: "veth", Master: "virbr0", MAC: mac("52:54:00:00:00:10"), MTU: 1500},
			{Name: "tap0", Kind: "tun", MAC: mac("52:54:00:00:00:12"), MTU: 1500},
		},
		Subnets: []bridge.Subnet{
			subnet("203.0.113.1/32", "lo", false),
			subnet("192.168.122.0/24", "virbr0", false),
			subnet("10.7.0.0/16", "virbr0", false),
			subnet("10.30.0.0/24", "p1", false),
			subnet("10.40.0.1/32", "p1", false),
			subnet("10.41.0.0/30", "p1", false),
			subnet("fd00:122::/64", "virbr0", false),
			subnet("10.50.0.0/16", "p1", true),
			subnet("10.51.0.0/16", "p1", true),
			subnet("10.98.0.0/16", "virbr0", true),
			subnet("10.99.0.0/16", "virbr0", true),
			subnet("fd00:50::/64", "p1", true),
			subnet("fd00:99::/64", "virbr0", true),
			subnet("10.54.0.0/16", "lo", true),
		},
	}
	if diff := gocmp.Diff(want, got, gocmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
