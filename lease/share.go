package lease

import (
	"bytes"
	"net/netip"
	"time"
)

// shares counts what becomes of a pool's addresses. A bridge port may have
// another address as long as it has fewer than are free: one that asks in ever
// new names gets half, the next such one half of the rest, and one that has
// none yet gets one while there is any.
type shares struct {
	total    int // addresses of the pool
	busy     int // those that somebody has, was offered, or found in use
	ports    map[int]int
	unshared bool
}

func newShares(p *pool) shares {
	return shares{total: p.total, ports: make(map[int]int), unshared: p.unshared}
}

// allow tells whether a port may have one more address. That of an unknown
// port, 0, is nobody's.
func (s *shares) allow(port int) bool {
	if s.unshared || port == 0 || s.ports[port] == 0 {
		return true
	}
	return s.ports[port] < s.total-s.busy
}

// charge is what a slot counts for in its family's shares.
type charge struct {
	busy bool
	port int
}

func (s *shares) add(c charge, n int) {
	if !c.busy {
		return
	}
	s.busy += n
	if c.port == 0 {
		return
	}
	if s.ports[c.port] += n; s.ports[c.port] == 0 {
		delete(s.ports, c.port)
	}
}

// recount counts a slot as what it is now.
func (t *Table) recount(s *slot) {
	now := s.charged()
	if now == s.charge {
		return
	}
	f := t.family(s.addr)
	if !f.pool.chooses(s.addr) {
		return
	}
	f.shares.add(s.charge, -1)
	f.shares.add(now, 1)
	s.charge = now
}

// charged is what the slot counts for.
func (s *slot) charged() charge {
	switch {
	case s.cur.live():
		return charge{true, s.cur.Port}
	case s.hold != nil:
		return charge{true, s.hold.client.Port}
	case s.avoid != nil:
		return charge{true, s.avoid.port}
	}
	return charge{}
}

// mayTake tells whether a client's port may have an address that it does not
// have yet. What is not of the pool, as reserved addresses, is not shared.
func (t *Table) mayTake(a netip.Addr, c Client) bool {
	f := t.family(a)
	return f.shares.allow(c.Port) || !f.pool.chooses(a)
}

// HasShare tells whether a client's bridge port has as many addresses as it
// may, so that another is to be had by other ports only.
func (t *Table) HasShare(c Client) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.familyOf(c).shares.allow(c.Port)
}

// Use tells how many addresses of a family's pool there are, and how many of
// them somebody has, was offered or found in use.
func (t *Table) Use(six bool) (busy, total int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.familyOf(Client{Six: six}).shares
	return s.busy, s.total
}

func (t *Table) familyOf(c Client) *family {
	if c.Six {
		return &t.six
	}
	return &t.four
}

// Identify completes what a client says of itself with what is known: whether
// it is a clone, and the bridge port of its lease or offer. located tells that
// nobody needs to look for the port: it is known, or the pool is not shared.
func (t *Table) Identify(c Client) (_ Client, located bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if clone := c; len(c.ID) > 0 && len(c.MAC) > 0 {
		clone.Clone = true
		c.Clone = lookUp(t.byClient, clone) != nil || lookUp(t.byHold, clone) != nil
	}
	if s := t.ofClient(c); s != nil && s.cur.live() && bytes.Equal(s.cur.MAC, c.MAC) {
		c.Port = s.cur.Port
	} else if s := lookUp(t.byHold, c); s != nil && bytes.Equal(s.hold.client.MAC, c.MAC) {
		c.Port = s.hold.client.Port
	}
	return c, c.Port != 0 || t.familyOf(c).shares.unshared
}

// Rival returns who goes by a client's identifier with another MAC: a lease
// that has not ended, or an offer, which is a lease without times. heard is
// when it was last given, zero if that was before this process began.
func (t *Table) Rival(c Client, now time.Time) (l Lease, heard time.Time, ok bool) {
	if len(c.ID) == 0 || len(c.MAC) == 0 || c.Clone {
		return Lease{}, heard, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lapse(now)
	other := func(mac []byte) bool { return len(mac) > 0 && !bytes.Equal(mac, c.MAC) }
	if s := lookUp(t.byClient, c); s != nil && other(s.cur.MAC) && !s.cur.Expired(now) {
		return s.cur.Lease, s.heard, true
	}
	if s := lookUp(t.byHold, c); s != nil && other(s.hold.client.MAC) {
		h := s.hold
		return Lease{Addr: s.addr, MAC: h.client.MAC, HType: h.client.HType, ClientID: h.client.ID, IAID: h.client.IAID}, h.since, true
	}
	return Lease{}, heard, false
}
