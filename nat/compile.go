package nat

import (
	"net/netip"
	"reflect"
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

// outputChain begins the name of the chain that packets from a network meet.
const outputChain = "output-"

// defaultPorts is libvirt's range for translated TCP and UDP source ports.
var defaultPorts = ports{1024, 65535}

// untranslated is the destinations that never leave the link, by family.
var untranslated = map[family][]netip.Prefix{
	ipv4: {netip.MustParsePrefix("224.0.0.0/24"), netip.MustParsePrefix("255.255.255.255/32")},
	ipv6: {netip.MustParsePrefix("ff02::/16")},
}

// part is one network's share of a table.
type part struct {
	network Network
	chains  []chain // its output and input, and those that translate
}

// compile makes the table of a ruleset; nil when there are no networks. It
// fails on what the kernel, or a reader of nft's listing, could not take. The
// parts of networks that are the same in an earlier table, if there is one,
// are taken from there.
func compile(rs Ruleset, earlier *table) (*table, error) {
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
			newChain("forward", forwardHook, line(dispatch{inputLink, outputMap}), line(dispatch{outputLink, inputMap})),
			newChain("postrouting", postroutingHook, line(dispatch{source, natMap}), line(dispatch{source6, nat6Map})),
		},
		parts: make(map[string]part, len(networks)),
	}
	for _, n := range networks {
		t.add(n.part(earlier))
	}
	t.maps[2].elements = disjoint(targets(networks, ipv4))
	t.maps[3].elements = disjoint(targets(networks, ipv6))
	return t, nil
}

// add adds a network's chains, and its bridge to the maps of links.
func (t *table) add(p part) {
	t.parts[p.network.ID] = p
	t.chains = append(t.chains, p.chains...)
	for i := range t.maps[:2] {
		t.maps[i].elements = append(t.maps[i].elements, element{link: p.network.Bridge, chain: p.chains[i].name})
	}
}

func (n Network) part(earlier *table) part {
	if earlier != nil {
		if p, ok := earlier.parts[n.ID]; ok && reflect.DeepEqual(p.network, n) {
			return p
		}
	}
	n.Subnets = slices.Clone(n.Subnets)
	p := part{network: n, chains: []chain{n.output(), n.input()}}
	for _, f := range []family{ipv4, ipv6} {
		if subnets := n.translated(f); len(subnets) > 0 {
			p.chains = append(p.chains, n.translate(f, subnets))
		}
	}
	return p
}

// targets is the translated prefixes of a family, of all networks.
func targets(networks []Network, f family) []target {
	var out []target
	for _, n := range networks {
		for _, p := range n.translated(f) {
			out = append(out, target{p, n.translateName(f)})
		}
	}
	return out
}

// output is the chain that packets from a network's guests meet, where return
// means that they may leave.
func (n Network) output() chain {
	rules := append(n.start(), n.keep(back)...)
	if n.Mode == OpenMode {
		return n.named(outputChain+n.ID, rules)
	}
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
	return n.named(outputChain+n.ID, rules)
}

// input is the chain that packets to a network's guests meet. What goes from
// guest to guest never gets here: the output chain has accepted it.
func (n Network) input() chain {
	rules := append(n.start(), n.keep(accept)...)
	if n.Mode == OpenMode {
		return n.named("input-"+n.ID, rules)
	}
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
	if n.hasIPv6() || n.Mode == OpenMode {
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
func (n Network) translate(f family, subnets []netip.Prefix) chain {
	var rules []rule
	if n.Dev != "" {
		rules = append(rules, line(linkIs{field: outputLink, not: true, name: n.Dev}, counter{}, back))
	}
	for _, p := range untranslated[f] {
		rules = append(rules, line(addrIn{destination, p}, counter{}, back))
	}
	for _, p := range subnets {
		rules = append(rules, line(addrIn{source, p}, addrIn{destination, p}, counter{}, back))
	}
	rules = append(rules,
		line(tcp, counter{}, n.toSource(f, n.ports())),
		line(udp, counter{}, n.toSource(f, n.ports())),
		line(counter{}, n.toSource(f, ports{})))
	return n.named(n.translateName(f), rules)
}

func (n Network) translateName(f family) string {
	if f == ipv4 {
		return "nat-" + n.ID
	}
	return "nat6-" + n.ID
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
	c := newChain(name, noHook, rules...)
	c.about = "network " + n.Name
	return c
}

func newChain(name string, h hook, rules ...rule) chain {
	hashes := make([]ruleHash, len(rules))
	for i, r := range rules {
		hashes[i] = r.hash()
	}
	return chain{name: name, hook: h, rules: rules, hashes: hashes}
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
