package plan

import (
	"net/netip"
	"strings"

	"github.com/vnetmgr/vnetmgr/dnsmasq"
	"github.com/vnetmgr/vnetmgr/radv"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// DHCPv6's options of which router advertisements speak as well (RFC 8106).
const (
	optionDNS6    = 23
	optionSearch6 = 24
)

// addToRA puts into c what options of the dnsmasq namespace say. As with
// dnsmasq, resolvers and domains that DHCPv6 gives to everybody are advertised.
func addToRA(n *xmlnet.Network, o *dnsmasq.Options, c *radv.Config) {
	if o.NoDNS {
		c.DNS, c.Search = false, nil
	}
	if o.DNS.Domain != "" && c.DNS {
		c.Search = searchList(o.DNS.Domain)
	}
	for _, r := range o.Rules6.Options {
		switch {
		case len(r.If) > 0:
		case r.Code == optionDNS6:
			c.DNS, c.Resolvers = len(r.Value) > 0, resolvers6(n, r.Value)
		case r.Code == optionSearch6:
			c.Search = searchList(dottedNames(r.Value)...)
		}
	}
}

// resolvers6 are the addresses in an option, of which :: is the network's own.
func resolvers6(n *xmlnet.Network, value []byte) []netip.Addr {
	var all []netip.Addr
	for ; len(value) >= 16; value = value[16:] {
		a := netip.AddrFrom16([16]byte(value))
		if a.IsUnspecified() {
			for _, own := range addrs(n) {
				if own.Is6() {
					a = own
					break
				}
			}
		}
		all = append(all, a)
	}
	return all
}

// dottedNames reads names as DNS has them on the wire, not compressed.
func dottedNames(wire []byte) []string {
	var names, labels []string
	for len(wire) > 0 {
		size := min(int(wire[0]), len(wire)-1)
		if size == 0 {
			names, labels = append(names, strings.Join(labels, ".")), nil
		} else {
			labels = append(labels, string(wire[1:1+size]))
		}
		wire = wire[1+size:]
	}
	return names
}

// searchList is what of domains guests can append to a name: letters, digits,
// "-" and "_".
func searchList(domains ...string) []string {
	var list []string
	for _, d := range domains {
		if isHostName(d) {
			list = append(list, d)
		}
	}
	return list
}

func isHostName(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if len(label) == 0 || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			default:
				return false
			}
		}
	}
	return len(name) <= 253
}
