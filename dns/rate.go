package dns

import (
	"net/netip"
	"sync"
	"time"
)

// maxRated bounds the clients whose rate is known; when there are more, those
// that have been quiet for a second are forgotten, which changes nothing for
// them.
const maxRated = 4096

// rates bounds how fast each client has upstreams asked. A client may save up
// a second's worth.
type rates struct {
	mu   sync.Mutex               // guards below
	next map[netip.Addr]time.Time // when what the client asked for is paid off
}

// allow tells whether the client may ask now, and counts it if so. A rate of
// 0 allows all.
func (r *rates) allow(client netip.Addr, perSecond int, now time.Time) bool {
	if perSecond <= 0 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.next[client]
	if next.Before(now) {
		next = now
	}
	next = next.Add(time.Second / time.Duration(perSecond))
	if next.Sub(now) > time.Second {
		return false
	}
	if _, known := r.next[client]; !known && len(r.next) >= maxRated {
		r.forget(now)
	}
	if r.next == nil {
		r.next = make(map[netip.Addr]time.Time)
	}
	r.next[client] = next
	return true
}

// forget drops the clients that owe nothing, or all if each owes something:
// more than maxRated at once are addresses made up by one.
func (r *rates) forget(now time.Time) {
	for c, next := range r.next {
		if !next.After(now) {
			delete(r.next, c)
		}
	}
	if len(r.next) >= maxRated {
		clear(r.next)
	}
}
