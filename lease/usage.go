package lease

import "net/netip"

// Usage says how full a pool is.
type Usage struct {
	Size   int // addresses that clients without a reservation can have
	Leased int // of these, those with a live lease
	Kept   int // addresses kept off, because somebody uses them without a lease
}

// Taken is how many addresses nobody else can have now.
func (u Usage) Taken() int { return u.Leased + u.Kept }

// Usage returns how full the IPv4 pool is.
func (t *Table) Usage() Usage { return t.usage(&t.four) }

// Usage6 is Usage for IPv6.
func (t *Table) Usage6() Usage { return t.usage(&t.six) }

func (t *Table) usage(f *family) Usage {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Usage{Size: f.pool.capacity, Leased: f.leased, Kept: f.avoided.len()}
}

// tally adds d to what is leased, if the lease in s is of the pool.
func (t *Table) tally(s *slot, d int) {
	if !s.cur.live() {
		return
	}
	if f := t.family(s.addr); f.pool.gives(s.addr) {
		f.leased += d
	}
}

// recount counts what is leased of a new pool.
func (t *Table) recount(f *family) {
	f.leased = 0
	for _, s := range t.slots {
		if t.family(s.addr) == f {
			t.tally(s, 1)
		}
	}
}

// gives tells whether a may be chosen when nobody has it.
func (p *pool) gives(a netip.Addr) bool {
	_, reserved := p.reserved[a]
	return !reserved && p.spanOf(a) != nil
}
