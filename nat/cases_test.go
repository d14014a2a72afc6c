package nat

import "net/netip"

// Networks that several tests use. IDs are short, as they name chains.

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func nated(s string) Subnet  { return Subnet{Prefix: prefix(s), NAT: true} }
func routed(s string) Subnet { return Subnet{Prefix: prefix(s)} }

func network(id string, mode Mode, bridge string, subnets ...Subnet) Network {
	return Network{ID: id, Name: "net-" + id, Bridge: bridge, Mode: mode, Subnets: subnets}
}

// with changes a copy of a network.
func (n Network) with(change func(*Network)) Network {
	change(&n)
	return n
}

func keeping(n *Network) { n.Keep = true }

// goldenCases are the cases of libvirt's own firewall test, and more of ours.
// Each has a file testdata/NAME.nft.
var goldenCases = map[string]Ruleset{
	"nat-default": {[]Network{network("a", NAT, "virbr0", nated("192.168.122.0/24"))}},
	"nat-many-ips": {[]Network{network("a", NAT, "virbr0",
		nated("192.168.122.0/24"), nated("192.168.128.0/24"), nated("192.168.150.0/24"))}},
	"nat-ipv6": {[]Network{network("a", NAT, "virbr0",
		nated("192.168.122.0/24"), routed("2001:db8:ca2:2::/64"))}},
	"nat-ipv6-masquerade": {[]Network{network("a", NAT, "virbr0",
		nated("192.168.122.0/24"), nated("2001:db8:ca2:2::/64"))}},
	"nat-port-range-ipv6": {[]Network{network("a", NAT, "virbr0",
		nated("192.168.122.0/24"), nated("192.168.128.0/24"), nated("2001:db8:ca2:2::/64")).
		with(func(n *Network) { n.PortStart, n.PortEnd = 500, 1000 })}},
	"nat-address-range": {[]Network{network("a", NAT, "virbr0", nated("192.168.122.0/24"), nated("2001:db8:ca2:2::/64")).
		with(func(n *Network) {
			n.AddrStart, n.AddrEnd = netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("203.0.113.9")
		})}},
	"nat-one-address-ports": {[]Network{network("a", NAT, "virbr0", nated("192.168.122.0/24")).
		with(func(n *Network) {
			n.AddrStart, n.AddrEnd = netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("203.0.113.5")
			n.PortStart, n.PortEnd = 500, 1000
		})}},
	"nat-forward-dev": {[]Network{network("a", NAT, "virbr0", nated("192.168.122.0/24"), nated("2001:db8:ca2:2::/64")).
		with(func(n *Network) { n.Dev = "enp0s7" })}},
	"route-default": {[]Network{network("a", Route, "virbr0", routed("192.168.122.0/24"))}},
	"route-dev-ipv6": {[]Network{network("a", Route, "virbr0", routed("192.168.122.0/24"), routed("2001:db8:ca2:2::/64")).
		with(func(n *Network) { n.Dev = "enp0s7" })}},
	"isolated":           {[]Network{network("a", Isolated, "virbr0", routed("192.168.122.0/24"))}},
	"isolated-ipv6":      {[]Network{network("a", Isolated, "virbr0").with(func(n *Network) { n.IPv6 = true })}},
	"isolated-no-ip":     {[]Network{network("a", Isolated, "virbr0")}},
	"odd-name":           {[]Network{network("a", Isolated, "virbr0").with(func(n *Network) { n.Name = "lab \"7\"\n\xff ä" })}},
	"three-networks":     {[]Network{three[2], three[0], three[1]}},
	"nested-subnets":     {nested4()},
	"kept-route":         {[]Network{network("a", Route, "virbr0", routed("192.168.122.0/24")).with(keeping)}},
	"kept-isolated-ipv6": {[]Network{network("a", Isolated, "virbr0", routed("192.168.122.0/24"), routed("2001:db8:ca2:2::/64")).with(keeping)}},
	"kept-open":          {[]Network{network("a", OpenMode, "virbr0").with(keeping)}},
	"no-networks":        {},
	"refused-networks":   {[]Network{network("a", NAT, "virbr0"), network("b", NAT, "virbr0")}},
}

var three = []Network{
	network("a", NAT, "virbr0", nated("192.168.122.0/24")),
	network("b", Route, "virbr1", routed("192.168.123.0/24"), routed("2001:db8:b::/64")),
	network("c", Isolated, "virbr2", routed("192.168.124.0/24")),
}

// nested4 is networks that the collision check would have refused.
func nested4() []Network {
	return []Network{
		network("a", NAT, "virbr0", nated("10.0.0.0/8")),
		network("b", NAT, "virbr1", nated("10.1.0.0/16")),
		network("c", NAT, "virbr2", nated("10.1.0.0/16")),
		network("d", NAT, "virbr3", nated("255.255.255.128/25")),
		network("e", NAT, "virbr4", nated("10.0.0.0/24"), nated("9.255.255.0/24")),
	}
}
