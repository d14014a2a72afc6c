package dns

import (
	"net/netip"
	"sync"
)

// An admission bounds what is under way at once, in all and for each client,
// so that one guest can't take everybody's share.
type admission struct {
	total, each int

	mu     sync.Mutex // guards below
	n      int
	client map[netip.Addr]int
}

func newAdmission(total, each int) *admission {
	return &admission{total: total, each: each, client: map[netip.Addr]int{}}
}

// enter tells whether the client may start one more; then leave must follow.
func (a *admission) enter(client netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n >= a.total || a.client[client] >= a.each {
		return false
	}
	a.n++
	a.client[client]++
	return true
}

func (a *admission) leave(client netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n--
	if a.client[client]--; a.client[client] == 0 {
		delete(a.client, client)
	}
}
