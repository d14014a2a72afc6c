package nat

import (
	"cmp"
	"net/netip"
	"slices"
)

// target is a source prefix and the chain that translates it.
type target struct {
	prefix netip.Prefix
	chain  string
}

// disjoint turns prefixes of one family into ranges that do not overlap, in
// ascending order, as the kernel refuses a map whose ranges do. Of nested
// prefixes the longer one decides; of equal ones the first.
func disjoint(targets []target) []element {
	slices.SortStableFunc(targets, func(a, b target) int {
		return cmp.Or(a.prefix.Addr().Compare(b.prefix.Addr()), cmp.Compare(a.prefix.Bits(), b.prefix.Bits()))
	})
	targets = slices.CompactFunc(targets, func(a, b target) bool { return a.prefix == b.prefix })
	var out []element
	for len(targets) > 0 {
		n := nested(targets)
		out = append(out, carve(targets[0], targets[1:n])...)
		targets = targets[n:]
	}
	return out
}

// nested counts the targets at the start that lie in the first one's prefix.
func nested(targets []target) int {
	n := 1
	for n < len(targets) && targets[0].prefix.Overlaps(targets[n].prefix) {
		n++
	}
	return n
}

// carve is the ranges of inner and what they leave of outer around them.
func carve(outer target, inner []target) []element {
	next, last := outer.prefix.Addr(), lastAddr(outer.prefix)
	var out []element
	for _, e := range disjoint(inner) {
		if next.IsValid() && next.Less(e.first) {
			out = append(out, element{first: next, last: e.first.Prev(), chain: outer.chain})
		}
		out = append(out, e)
		next = e.last.Next()
	}
	if next.IsValid() && next.Compare(last) <= 0 {
		out = append(out, element{first: next, last: last, chain: outer.chain})
	}
	return out
}

// lastAddr is the highest address of a prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i, m := range mask(p.Bits(), len(b)) {
		b[i] |= ^m
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
