package lease

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"time"
)

const (
	// maxHolds bounds the offers of a family that are held at once: a guest that asks in
	// many names only shortens how long each is held.
	maxHolds = 8192
	// patience is how long an offer stands when there is no other address
	// left; a client that wants it has answered by then.
	patience = 500 * time.Millisecond
)

// hold is an address promised to a client.
type hold struct {
	client Client
	key    string // of client
	since  time.Time
	until  time.Time
	place  *place[*slot]
}

// isFor tells whether an offer to one client is good for another that asks: if
// it is the same or, as in LookupClient, says less or more of itself now.
func (h *hold) isFor(c Client) bool {
	return h.key == c.key() ||
		(len(c.ID) == 0 || len(h.client.ID) == 0) && len(c.MAC) > 0 && h.client.macKey() == c.macKey()
}

// avoidance keeps an address from being chosen.
type avoidance struct {
	mac   net.HardwareAddr // who was seen to use it; nil if not known
	until time.Time
	port  int // of the client that declined it; 0: not known
	place *place[*slot]
}

// Choose returns an address for a client without a lease: the one it was
// offered, else the one it had last, else the first free one from where its
// hardware address hashes to, else the one whose lease ended longest ago, else
// the one that was offered longest ago to a client that never took it. There
// is none for a client whose bridge port has its share. Choose changes nothing
// but what has lapsed at now.
func (t *Table) Choose(c Client, now time.Time) (netip.Addr, bool) {
	return t.choose(&t.four, c, hashMAC(c.MAC), now, nil)
}

// Choose6 is Choose for an association of a DHCPv6 client: DUID and IAID say
// where the search begins, as in dnsmasq. None of the addresses in not is
// chosen: they are in the same reply already.
func (t *Table) Choose6(c Client, now time.Time, not []netip.Addr) (netip.Addr, bool) {
	return t.choose(&t.six, c, hashDUID(c.ID, c.IAID), now, not)
}

func (t *Table) choose(f *family, c Client, hash uint64, now time.Time, not []netip.Addr) (netip.Addr, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lapse(now)
	for _, s := range [...]*slot{lookUp(t.byHold, c), lookUpMAC(t.byHold, c), lookUp(t.byPast, c)} {
		if s != nil && t.choosable(s, c, now) && !slices.Contains(not, s.addr) {
			return s.addr, true
		}
	}
	if !f.shares.allow(c.Port) {
		return netip.Addr{}, false
	}
	if a, ok := f.pool.choose(hash, not); ok {
		return a, true
	}
	if a, ok := t.chooseEnded(f, c, now, not); ok {
		return a, true
	}
	return f.chooseOffered(now, not)
}

// chooseOffered returns the address whose offer is oldest, if it has stood
// for long enough.
func (f *family) chooseOffered(now time.Time, not []netip.Addr) (netip.Addr, bool) {
	s := f.holds.front()
	if s == nil || slices.Contains(not, s.addr) || now.Sub(s.hold.since) < patience || s.cur.live() || s.avoid != nil {
		return netip.Addr{}, false
	}
	_, reserved := f.pool.reserved[s.addr]
	return s.addr, !reserved && f.pool.spanOf(s.addr) != nil
}

// chooseEnded returns the address whose lease ended longest ago. Those that
// cannot be had stand at the back of the queue, so that a few tries tell.
func (t *Table) chooseEnded(f *family, c Client, now time.Time, not []netip.Addr) (netip.Addr, bool) {
	p := f.past.first
	for range 8 + len(not) {
		if p == nil {
			break
		}
		if t.choosable(p.value, c, now) && !slices.Contains(not, p.value.addr) {
			return p.value.addr, true
		}
		p = p.next
	}
	return netip.Addr{}, false
}

// putLast moves an ended lease to the back of the queue of those whose
// address may be given away.
func (t *Table) putLast(s *slot) {
	if s.pastPlace != nil {
		past := &t.family(s.addr).past
		past.remove(s.pastPlace)
		s.pastPlace = past.push(s)
	}
}

// choosable tells whether an address that is not simply free may be chosen.
func (t *Table) choosable(s *slot, c Client, now time.Time) bool {
	p := &t.family(s.addr).pool
	if p.spanOf(s.addr) == nil {
		return false
	}
	_, reserved := p.reserved[s.addr]
	return !reserved && t.available(s.addr, c, now)
}

// Available tells whether a client may have an address, as far as other
// clients are concerned: nobody else has it, was offered it or was seen to
// use it, and the client's bridge port has not got its share without it.
func (t *Table) Available(a netip.Addr, c Client, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lapse(now)
	return t.available(a, c, now)
}

func (t *Table) available(a netip.Addr, c Client, now time.Time) bool {
	s := t.slots[a]
	if s == nil {
		return t.mayTake(a, c)
	}
	own := s.cur.live() && t.ofClient(c) == s
	if s.cur.live() && !s.cur.Expired(now) && !own {
		return false
	}
	if s.hold != nil && !s.hold.isFor(c) {
		return false
	}
	if s.avoid != nil && (len(c.MAC) == 0 || !bytes.Equal(s.avoid.mac, c.MAC)) {
		return false
	}
	return own || s.hold != nil || t.mayTake(a, c)
}

// Hold keeps an address for a client until then, in place of any other that
// is held for it. All holds should be equally long.
func (t *Table) Hold(a netip.Addr, c Client, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := c.key()
	t.dropHold(t.byHold[key])
	f := t.family(a)
	if f.holds.len() >= maxHolds {
		t.dropHold(f.holds.front())
	}
	s := t.slotOf(a)
	t.dropHoldOf(s)
	s.hold = &hold{client: c, key: key, since: time.Now(), until: until, place: f.holds.push(s)}
	t.byHold[key] = s
	t.putLast(s)
	t.recount(s)
}

// Unhold drops what is held for a client.
func (t *Table) Unhold(c Client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropHold(lookUp(t.byHold, c))
}

// dropHold ends the offer of an address, if there is one.
func (t *Table) dropHold(s *slot) {
	if s != nil && s.hold != nil {
		t.dropHoldOf(s)
		t.tidy(s)
	}
}

// dropHoldOf is dropHold for a slot that stays in use.
func (t *Table) dropHoldOf(s *slot) {
	if s.hold != nil {
		t.family(s.addr).holds.remove(s.hold.place)
		deleteIf(t.byHold, s.hold.key, s)
		s.hold = nil
	}
}

// Sighting is what seeing an address in use means.
type Sighting int

// What Seen finds.
const (
	Rightful Sighting = iota // by the client that has or had it, or of no concern
	Stranger                 // by one who was not given it; it is now avoided
	Conflict                 // by another than the one who has it
)

// Seen notes that mac was seen to use an address. A free or offered address
// of the pool is avoided until then; a reserved one is the administrator's
// word against a guest's.
func (t *Table) Seen(a netip.Addr, mac net.HardwareAddr, until time.Time) Sighting {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, p := t.slots[a], &t.family(a).pool
	if _, reserved := p.reserved[a]; reserved || s == nil && p.spanOf(a) == nil || t.closed {
		return Rightful
	}
	if s != nil {
		if s.cur != nil && bytes.Equal(s.cur.MAC, mac) || s.hold != nil && bytes.Equal(s.hold.client.MAC, mac) {
			return Rightful
		}
		if s.cur.live() {
			return Conflict
		}
	}
	t.keepOff(t.slotOf(a), avoidance{mac: bytes.Clone(mac), until: until})
	return Stranger
}

// keepOff keeps s from being chosen. At most half of the pool is: a guest
// that claims every address does not leave the others without.
func (t *Table) keepOff(s *slot, why avoidance) {
	t.dropAvoidanceOf(s)
	f := t.family(s.addr)
	if f.avoided.len() > 0 && f.avoided.len() >= f.pool.size()/2 {
		t.dropAvoidance(f.avoided.front())
	}
	why.place = f.avoided.push(s)
	s.avoid = &why
	t.putLast(s)
	t.recount(s)
}

// dropAvoidance lets an address be chosen again.
func (t *Table) dropAvoidance(s *slot) {
	if s != nil && s.avoid != nil {
		t.dropAvoidanceOf(s)
		t.tidy(s)
	}
}

// dropAvoidanceOf is dropAvoidance for a slot that stays in use.
func (t *Table) dropAvoidanceOf(s *slot) {
	if s.avoid != nil {
		t.family(s.addr).avoided.remove(s.avoid.place)
		s.avoid = nil
	}
}

// lapse ends the holds and avoidances whose time has come.
func (t *Table) lapse(now time.Time) {
	for _, f := range [...]*family{&t.four, &t.six} {
		for s := f.holds.front(); s != nil && !now.Before(s.hold.until); s = f.holds.front() {
			t.dropHold(s)
		}
		for s := f.avoided.front(); s != nil && !now.Before(s.avoid.until); s = f.avoided.front() {
			t.dropAvoidance(s)
		}
	}
}
