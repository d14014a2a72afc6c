package nat

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// TableName is our table, of family inet, and the one of family bridge with what
// ports may send.
const TableName = "vnetmgr"

// table is a compiled ruleset: all that the kernel's table should hold.
type table struct {
	maps   []verdictMap
	chains []chain              // the base chains first
	parts  map[string]part      // by network ID
	guards map[string]guardPart // by link, in the table of ports
}

// verdictMap sends packets to chains by a link's name or an address.
type verdictMap struct {
	name     string
	key      string // as nft names the type
	elements []element
}

// intervals says whether the map's keys are address ranges.
func (m verdictMap) intervals() bool { return m.key != "ifname" }

// element is one key of a map and the chain it jumps to.
type element struct {
	link        string     // in a map of links
	first, last netip.Addr // in a map of addresses, both included
	chain       string
}

// String is the key as nft lists it.
func (e element) String() string {
	if e.link != "" {
		return fmt.Sprintf("%q", e.link)
	}
	if e.first == e.last {
		return e.first.String()
	}
	for bits := range e.first.BitLen() {
		if p := netip.PrefixFrom(e.first, bits); p.Masked().Addr() == e.first && lastAddr(p) == e.last {
			return p.String()
		}
	}
	return e.first.String() + "-" + e.last.String()
}

// chain is a list of rules.
type chain struct {
	name   string
	hook   hook
	rules  []rule
	hashes []ruleHash // of the rules
	about  string     // "network X"; "" for a base chain
}

// hook is where in the kernel a base chain is called.
type hook uint8

const (
	noHook hook = iota // a chain that is jumped to
	forwardHook
	postroutingHook
	framesHook  // of the bridge family: what comes in by a bridge port
	foreignHook // seen in the kernel, none of ours
)

func (h hook) String() string {
	return [...]string{
		"",
		"type filter hook forward priority filter; policy accept;",
		"type nat hook postrouting priority srcnat; policy accept;",
		"type filter hook prerouting priority dstnat; policy accept;",
		"another hook",
	}[h]
}

// rule is one line of a chain.
type rule struct {
	statements []statement
	comment    string
}

// String is the rule as "nft --stateless" lists it. A family match goes
// without saying before an address of that family.
func (r rule) String() string {
	words := make([]string, len(r.statements))
	for i, s := range r.statements {
		words[i] = s.String()
	}
	if r.comment != "" {
		words = append(words, fmt.Sprintf(`comment "%s"`, r.comment))
	}
	return strings.Join(words, " ")
}

// String is the table as "nft --stateless list table inet vnetmgr" prints it,
// but for the table's flags and the order of maps and chains, which in the
// kernel is that of their making: here the base chains come first, then the
// networks by name. No networks give no table, thus "". Networks that
// [Conn.Apply] refuses give the reason as a comment.
func (rs Ruleset) String() string {
	t, err := compile(rs, nil)
	if err != nil {
		return "# " + err.Error() + "\n"
	}
	if t == nil {
		return ""
	}
	return t.text("inet")
}

func (t *table) text(family string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "table %s %s {\n", family, TableName)
	for i, m := range t.maps {
		if i > 0 {
			b.WriteByte('\n')
		}
		m.print(&b)
	}
	for _, c := range t.chains {
		b.WriteByte('\n')
		c.print(&b)
	}
	b.WriteString("}\n")
	return b.String()
}

func (m verdictMap) print(b *strings.Builder) {
	fmt.Fprintf(b, "\tmap %s {\n\t\ttype %s : verdict\n", m.name, m.key)
	if m.intervals() {
		b.WriteString("\t\tflags interval\n")
	}
	if len(m.elements) > 0 {
		lines := make([]string, len(m.elements))
		for i, e := range m.elements {
			lines[i] = fmt.Sprintf("%s : jump %s", e, e.chain)
		}
		fmt.Fprintf(b, "\t\telements = { %s }\n", strings.Join(lines, ",\n\t\t\t     "))
	}
	b.WriteString("\t}\n")
}

func (c chain) print(b *strings.Builder) {
	fmt.Fprintf(b, "\tchain %s {\n", c.name)
	if c.hook != noHook {
		fmt.Fprintf(b, "\t\t%s\n", c.hook)
	}
	for _, r := range c.rules {
		fmt.Fprintf(b, "\t\t%s\n", r)
	}
	b.WriteString("\t}\n")
}

// sorted orders networks by name, so that the result does not depend on the
// order of the set.
func sorted(networks []Network) []Network {
	return slices.SortedFunc(slices.Values(networks), func(a, b Network) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
}
