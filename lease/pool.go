package lease

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
)

// maxSpan bounds what is remembered of one range; addresses beyond are not
// chosen. libvirt allows 65,536 addresses in a range.
const maxSpan = 1 << 20

// Pool says which addresses a table may choose.
type Pool struct {
	Ranges []Range
	// Reserved addresses are never chosen.
	Reserved []netip.Addr
	// Unshared: one bridge port may have all the addresses. Otherwise it has
	// its share once it has as many as are free.
	Unshared bool
}

// Range is an inclusive range of addresses of one family.
type Range struct {
	Start, End netip.Addr
}

// pool is the set of addresses that are free and that nobody is remembered
// to have had.
type pool struct {
	spans    []span
	reserved map[netip.Addr]struct{}
	total    int // addresses that may be chosen, free or not
	unshared bool
}

// span is one range with its free addresses, numbered from its start.
type span struct {
	start netip.Addr
	size  int
	free  *bitTree
}

// newPool returns a pool with every address of p free. An address in two
// ranges belongs to the first.
func newPool(p Pool) pool {
	np := pool{reserved: make(map[netip.Addr]struct{}, len(p.Reserved)), unshared: p.Unshared}
	for _, a := range p.Reserved {
		np.reserved[a] = struct{}{}
	}
	for _, r := range p.Ranges {
		np.addRange(r)
	}
	return np
}

// addRange appends a range, without what is reserved or in an earlier one.
func (p *pool) addRange(r Range) {
	size := distance(r.Start, r.End) + 1
	if size <= 0 {
		return
	}
	s := span{start: r.Start, size: min(size, maxSpan)}
	s.free = newBitTree(s.size)
	a := r.Start
	for i := range s.size {
		if _, taken := p.reserved[a]; !taken && p.spanOf(a) == nil {
			s.free.add(i)
			p.total++
		}
		a = a.Next()
	}
	p.spans = append(p.spans, s)
}

// size is the number of addresses of all ranges.
func (p *pool) size() int {
	n := 0
	for i := range p.spans {
		n += p.spans[i].size
	}
	return n
}

// spanOf returns the range that a belongs to, or nil.
func (p *pool) spanOf(a netip.Addr) *span {
	for i := range p.spans {
		if s := &p.spans[i]; s.has(a) {
			return s
		}
	}
	return nil
}

// chooses tells whether a may be chosen when it is free.
func (p *pool) chooses(a netip.Addr) bool {
	_, reserved := p.reserved[a]
	return !reserved && p.spanOf(a) != nil
}

// mark sets whether a may be chosen. Addresses outside the pool and reserved
// ones are left alone.
func (p *pool) mark(a netip.Addr, free bool) {
	s := p.spanOf(a)
	if s == nil {
		return
	}
	if _, reserved := p.reserved[a]; free && !reserved {
		s.free.add(distance(s.start, a))
	} else {
		s.free.remove(distance(s.start, a))
	}
}

// choose returns the first free address at or after the place that hash gives
// in each range, as dnsmasq does, so that a client finds the address it had.
// The few addresses in not are passed over.
func (p *pool) choose(hash uint64, not []netip.Addr) (netip.Addr, bool) {
	for i := range p.spans {
		s := &p.spans[i]
		at := int(hash % uint64(s.size))
		for range 1 + len(not) {
			n := s.free.next(at)
			if n < 0 {
				n = s.free.next(0)
			}
			if n < 0 {
				break
			}
			if a := addTo(s.start, n); !slices.Contains(not, a) {
				return a, true
			}
			at = n + 1
		}
	}
	return netip.Addr{}, false
}

// has tells whether a lies in the range.
func (s *span) has(a netip.Addr) bool {
	d := distance(s.start, a)
	return d >= 0 && d < s.size
}

// hashMAC is the hash by which dnsmasq spreads clients over a range: sdbm's,
// in 32 bits. Keeping to it gives a network that moves here the addresses it
// had.
func hashMAC(mac net.HardwareAddr) uint64 {
	var h uint32
	for _, b := range mac {
		h = uint32(b) + h<<6 + h<<16 - h
	}
	return uint64(max(h, 1))
}

// hashDUID is dnsmasq's hash for DHCPv6: sdbm's of the DUID in 64 bits, begun
// with the IAID.
func hashDUID(duid []byte, iaid uint32) uint64 {
	h := uint64(iaid)
	for _, b := range duid {
		h = uint64(b) + h<<6 + h<<16 - h
	}
	return h
}

// distance is b - a, or negative when b is below a, of another family, or too
// far to count.
func distance(a, b netip.Addr) int {
	if a.BitLen() != b.BitLen() || b.Less(a) {
		return -1
	}
	ab, bb := a.As16(), b.As16()
	if [8]byte(ab[:8]) != [8]byte(bb[:8]) {
		return -1
	}
	d := binary.BigEndian.Uint64(bb[8:]) - binary.BigEndian.Uint64(ab[8:])
	if d > 1<<32 {
		return 1 << 32
	}
	return int(d)
}

// addTo is a + n.
func addTo(a netip.Addr, n int) netip.Addr {
	b := a.As16()
	binary.BigEndian.PutUint64(b[8:], binary.BigEndian.Uint64(b[8:])+uint64(n))
	sum := netip.AddrFrom16(b)
	if a.Is4() {
		return sum.Unmap()
	}
	return sum
}
