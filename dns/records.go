package dns

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"unsafe"
)

// Records is what a network knows by itself: the addresses of names and the
// names of addresses. It is immutable; With makes a changed one at a cost
// that hardly grows with its size.
type Records struct {
	domain string // folded wire form, "" if none
	shown  string // domain as it was written
	seed   maphash.Seed
	names  trie[string, *owner] // by folded wire name
	addrs  trie[netip.Addr, []pointer]
}

// An owner is a name that exists: it has addresses, or names below it do.
type owner struct {
	given []given
	below int // names with addresses under this one
}

// target returns the i-th address given, of a family; ok is false if it is of
// the other, or was given before.
func (o *owner) target(i int, six bool) (t target, ok bool) {
	t = o.given[i].target
	if t.addr.Is4() == six {
		return t, false
	}
	for _, g := range o.given[:i] {
		if g.addr == t.addr {
			return t, false
		}
	}
	return t, true
}

// given is one source's statement about a name.
type given struct {
	target
	source string
}

type target struct {
	addr netip.Addr
	ttl  uint32
}

// A pointer is one source's name for an address.
type pointer struct {
	name   string // wire form, letters as given
	ttl    uint32
	source string
}

// NewRecords returns the records of names, with cfg's domain appended to the
// bare ones as well (dnsmasq's expand-hosts). Names that DNS can't carry are
// left out.
func NewRecords(cfg Config, names []Name) *Records {
	r := &Records{seed: maphash.MakeSeed()}
	if domain, ok := wireName(cfg.Domain); ok && cfg.Domain != "" {
		r.domain, r.shown = fold(domain), domain
	}
	return r.With(names, nil)
}

// With returns r without del and with set. A deletion takes away what the
// same source gave for the same address and name, and nothing else; setting
// what the source has given already replaces its TTL.
func (r *Records) With(set, del []Name) *Records {
	c := *r
	for _, n := range del {
		c.delete(n)
	}
	for _, n := range set {
		c.add(n)
	}
	return &c
}

// With's steps below change their receiver, which is not shared yet.

func (r *Records) add(n Name) {
	addr := n.Addr.Unmap().WithZone("")
	for _, name := range r.expand(n) {
		r.give(fold(name), given{target{addr, n.TTL}, n.Source})
	}
	if name, ok := r.pointerName(n); ok {
		r.point(addr, pointer{name, n.TTL, n.Source})
	}
}

func (r *Records) delete(n Name) {
	addr := n.Addr.Unmap().WithZone("")
	for _, name := range r.expand(n) {
		r.take(fold(name), addr, n.Source)
	}
	if name, ok := r.pointerName(n); ok {
		r.unpoint(addr, name, n.Source)
	}
}

// expand returns the names in wire form, the bare ones also with the domain.
func (r *Records) expand(n Name) []string {
	var all []string
	for _, name := range n.Names {
		wire, ok := wireName(name)
		if !ok || isRoot(wire) {
			continue
		}
		all = append(all, wire)
		if n.Exact {
			continue
		}
		if full, ok := r.qualified(wire); ok && full != wire {
			all = append(all, full)
		}
	}
	return all
}

// qualified returns a bare name with the domain, any other as it is.
func (r *Records) qualified(wire string) (full string, ok bool) {
	if r.shown == "" || !isPlain(wire) {
		return wire, true
	}
	return joined(wire, r.shown)
}

func (r *Records) pointerName(n Name) (wire string, ok bool) {
	if len(n.Names) == 0 {
		return "", false
	}
	wire, ok = wireName(n.Names[0])
	if !ok || isRoot(wire) {
		return "", false
	}
	if n.Exact {
		return wire, true
	}
	return r.qualified(wire)
}

func (r *Records) give(name string, g given) {
	o := r.owner(name)
	next := owner{given: withoutGiven(o.given, g.addr, g.source), below: o.below}
	next.given = append(next.given, g)
	r.put(name, next)
	if len(o.given) == 0 {
		r.countAbove(name, 1)
	}
}

func (r *Records) take(name string, addr netip.Addr, source string) {
	o := r.owner(name)
	next := owner{given: withoutGiven(o.given, addr, source), below: o.below}
	if len(next.given) == len(o.given) {
		return
	}
	r.put(name, next)
	if len(next.given) == 0 {
		r.countAbove(name, -1)
	}
}

// withoutGiven always copies.
func withoutGiven(all []given, addr netip.Addr, source string) []given {
	kept := make([]given, 0, len(all)+1)
	for _, g := range all {
		if g.addr != addr || g.source != source {
			kept = append(kept, g)
		}
	}
	return kept
}

// countAbove keeps count of the names under each ancestor: such a name
// exists, and has no data (RFC 8020).
func (r *Records) countAbove(name string, n int) {
	for name = parent(name); !isRoot(name); name = parent(name) {
		o := r.owner(name)
		o.below += n
		r.put(name, o)
	}
}

func (r *Records) owner(name string) owner {
	if o, ok := r.names.get(maphash.String(r.seed, name), name); ok {
		return *o
	}
	return owner{}
}

func (r *Records) put(name string, o owner) {
	hash := maphash.String(r.seed, name)
	if len(o.given) == 0 && o.below == 0 {
		r.names = r.names.without(hash, name)
		return
	}
	r.names = r.names.with(hash, name, &o)
}

func (r *Records) point(addr netip.Addr, p pointer) {
	old := r.pointers(addr)
	same := func(q pointer) bool { return q.source == p.source && fold(q.name) == fold(p.name) }
	next := slices.Clone(old)
	if i := slices.IndexFunc(old, same); i >= 0 {
		next[i] = p
	} else {
		next = append(next, p)
	}
	r.addrs = r.addrs.with(r.hashAddr(addr), addr, next)
}

func (r *Records) unpoint(addr netip.Addr, name, source string) {
	next := slices.DeleteFunc(slices.Clone(r.pointers(addr)), func(q pointer) bool {
		return q.source == source && fold(q.name) == fold(name)
	})
	if len(next) == 0 {
		r.addrs = r.addrs.without(r.hashAddr(addr), addr)
		return
	}
	r.addrs = r.addrs.with(r.hashAddr(addr), addr, next)
}

func (r *Records) hashAddr(addr netip.Addr) uint64 {
	b := addr.As16()
	return maphash.Bytes(r.seed, b[:])
}

// pointers returns the names of an address, the oldest first.
func (r *Records) pointers(addr netip.Addr) []pointer {
	p, _ := r.addrs.get(r.hashAddr(addr), addr)
	return p
}

// find returns what is known of a folded name, nil if nothing. It allocates
// nothing.
func (r *Records) find(name []byte) *owner {
	// The key is compared, never kept.
	key := unsafe.String(unsafe.SliceData(name), len(name))
	o, _ := r.names.get(maphash.Bytes(r.seed, name), key)
	return o
}
