package nat

import (
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The maps.
const (
	outputMap = "guest_output" // by the bridge a packet came from
	inputMap  = "guest_input"  // by the bridge it goes to
	natMap    = "guest_nat"    // by its source address
	nat6Map   = "guest_nat6"
)

// defaultPorts is libvirt's range for translated TCP and UDP source ports.
var defaultPorts = ports{1024, 65535}

// Destinations that are never translated, as they never leave the link.
var (
	multicast4 = netip.MustParsePrefix("224.0.0.0/24")
	broadcast4 = netip.MustParsePrefix("255.255.255.255/32")
	multicast6 = netip.MustParsePrefix("ff02::/16")
)

// compile makes the table of a ruleset; nil when there are no networks. It
// fails on what the kernel, or a reader of nft's listing, could not take.
func compile(rs Ruleset) (*table, error) {
	networks := sorted(rs.Networks)
	if err := check(networks); err != nil {
		return nil, err
	}
	if len(networks) == 0 {
		return nil, nil
	}
	t := &table{
		maps: []verdictMap{
			{name: outputMap, key: "ifname"},
			{name: inputMap, key: "ifname"},
			{name: natMap, key: "ipv4_addr"},
			{name: nat6Map, key: "ipv6_addr"},
		},
		chains: []chain{
			{name: "forward", hook: forwardHook, rules: []rule{
				{statements: []statement{dispatch{inputLink, outputMap}}},
				{statements: []statement{dispatch{outputLink, inputMap}}},
			}},
			{name: "postrouting", hook: postroutingHook, rules: []rule{
				{statements: []statement{dispatch{source, natMap}}},
				{statements: []statement{dispatch{source6, nat6Map}}},
			}},
		},
	}
	var ranges, ranges6 []target
	for _, n := range networks {
		output, input := n.output(), n.input()
		t.maps[0].elements = append(t.maps[0].elements, element{link: n.Bridge, chain: output.name})
		t.maps[1].elements = append(t.maps[1].elements, element{link: n.Bridge, chain: input.name})
		t.chains = append(t.chains, output, input)
		if subnets := n.translated(ipv4); len(subnets) > 0 {
			c := n.translate("nat-"+n.ID, subnets)
			t.chains = append(t.chains, c)
			ranges = appendTargets(ranges, subnets, c.name)
		}
		if subnets := n.translated(ipv6); len(subnets) > 0 {
			c := n.translate("nat6-"+n.ID, subnets)
			t.chains = append(t.chains, c)
			ranges6 = appendTargets(ranges6, subnets, c.name)
		}
	}
	t.maps[2].elements = disjoint(ranges)
	t.maps[3].elements = disjoint(ranges6)
	return t, nil
}

// output is the chain that packets from a network's guests meet, where return
// means that they may leave.
func (n Network) output() chain {
	rules := n.start()
	rules = append(rules, line(linkIs{field: outputLink, name: n.Bridge}, counter{}, accept))
	if n.Mode != Isolated {
		for _, s := range n.Subnets {
			from := []statement{addrIn{source, s.Prefix}}
			if n.Dev != "" {
				from = append(from, linkIs{field: outputLink, name: n.Dev})
			}
			rules = append(rules, line(append(from, counter{}, back)...))
		}
	}
	rules = append(rules, line(counter{}, reject{}))
	return n.named("output-"+n.ID, rules)
}

// input is the chain that packets to a network's guests meet. What goes from
// guest to guest never gets here: the output chain has accepted it.
func (n Network) input() chain {
	rules := n.start()
	if n.Mode != Isolated {
		for _, s := range n.Subnets {
			var to []statement
			if n.Dev != "" {
				to = append(to, linkIs{field: inputLink, name: n.Dev})
			}
			to = append(to, addrIn{destination, s.Prefix})
			if s.NAT {
				to = append(to, answer{})
			}
			rules = append(rules, line(append(to, counter{}, accept)...))
		}
	}
	rules = append(rules, line(counter{}, reject{}))
	return n.named("input-"+n.ID, rules)
}

// start is what the filter chains of a network without IPv6 begin with.
func (n Network) start() []rule {
	if n.hasIPv6() {
		return nil
	}
	return []rule{line(ipv6, back)}
}

func (n Network) hasIPv6() bool {
	return n.IPv6 || slices.ContainsFunc(n.Subnets, func(s Subnet) bool { return s.Prefix.Addr().Is6() })
}

// translated is the network's subnets of a family that are translated.
func (n Network) translated(f family) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range n.Subnets {
		if n.Mode == NAT && s.NAT && familyOf(s.Prefix.Addr()) == f {
			out = append(out, s.Prefix)
		}
	}
	return out
}

// translate is the chain that the first packet of each flow from subnets, all
// of one family, meets. Traffic inside one subnet stays as it is; traffic to
// another subnet of the same network is translated, as libvirt does.
func (n Network) translate(name string, subnets []netip.Prefix) chain {
	var rules []rule
	if n.Dev != "" {
		rules = append(rules, line(linkIs{field: outputLink, not: true, name: n.Dev}, counter{}, back))
	}
	for _, p := range untranslated(subnets[0].Addr()) {
		rules = append(rules, line(addrIn{destination, p}, counter{}, back))
	}
	for _, p := range subnets {
		rules = append(rules, line(addrIn{source, p}, addrIn{destination, p}, counter{}, back))
	}
	f := familyOf(subnets[0].Addr())
	rules = append(rules,
		line(tcp, counter{}, n.toSource(f, n.ports())),
		line(udp, counter{}, n.toSource(f, n.ports())),
		line(counter{}, n.toSource(f, ports{})))
	return n.named(name, rules)
}

// untranslated is the destinations that libvirt exempts, in a's family.
func untranslated(a netip.Addr) []netip.Prefix {
	if a.Is4() {
		return []netip.Prefix{multicast4, broadcast4}
	}
	return []netip.Prefix{multicast6}
}

// ports is the network's range of translated ports.
func (n Network) ports() ports {
	if n.PortStart == 0 && n.PortEnd == 0 {
		return defaultPorts
	}
	return ports{n.PortStart, n.PortEnd}
}

// toSource is the translation itself. An address range is IPv4 only: IPv6 is
// masqueraded even then.
func (n Network) toSource(f family, p ports) statement {
	if f == ipv4 && n.AddrStart.IsValid() {
		return snat{n.AddrStart, n.AddrEnd, p}
	}
	return masquerade{p}
}

// named makes a chain whose first rule tells the network's name to a reader.
func (n Network) named(name string, rules []rule) chain {
	rules[0].comment = comment(n.Name)
	return chain{name: name, rules: rules, about: "network " + n.Name}
}

func line(s ...statement) rule { return rule{statements: s} }

// comment is a name as nft can list and read it: no quotes, one line, and not
// over the 128 bytes that libnftnl takes.
func comment(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r == '"' || r == '\\' || r == utf8.RuneError || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, name)
	const most = 100
	if len(clean) <= most {
		return clean
	}
	cut := most
	for !utf8.RuneStart(clean[cut]) {
		cut--
	}
	return clean[:cut]
}
