package network

import (
	"context"
	"strings"
	"sync"

	"github.com/vnetmgr/vnetmgr/port"
)

// portWatch wakes those who follow the ports on a bridge.
type portWatch struct {
	mu    sync.Mutex // guards wakes
	wakes map[chan struct{}]string
}

// on returns a channel that holds a token whenever the ports on the bridge may
// have changed since one was taken, until cancel is called.
func (w *portWatch) on(bridge string) (wake <-chan struct{}, cancel func()) {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wakes == nil {
		w.wakes = make(map[chan struct{}]string)
	}
	w.wakes[c] = bridge
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.wakes, c)
	}
}

// changed wakes those on a bridge, or all if it is "".
func (w *portWatch) changed(bridge string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c, on := range w.wakes {
		if bridge != "" && on != bridge {
			continue
		}
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// followOwners keeps names in step with the domains that have ports on a
// bridge, until ctx ends.
func (m *Manager) followOwners(ctx context.Context, bridge string, n *names) {
	wake, cancel := m.watch.on(bridge)
	defer cancel()
	for {
		ports, _ := m.portsOn(bridge)
		byMAC := owners(ports)
		for _, g := range m.guestsWhere(func(g Guest) bool { return g.Bridge == bridge && isLabel(g.Domain) }) {
			byMAC[macKey(g.MAC)] = g.Domain
		}
		n.setOwners(byMAC, m.hostsRead.Load())
		select {
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

// owners returns the domains of ports by MAC address, those whose names can be
// one label of DNS: a domain called "www.example.org" must not take that name.
func owners(ports []*port.Port) map[macKey]string {
	byMAC := make(map[macKey]string, len(ports))
	for _, p := range ports {
		if isLabel(p.Owner) {
			byMAC[macKey(p.MAC)] = p.Owner
		}
	}
	return byMAC
}

// isLabel tells whether name is a host name without dots (RFC 1123 §2.1), or
// one but for underscores, which domains often have in their names.
func isLabel(name string) bool {
	const alnum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return name != "" && len(name) <= 63 && strings.Trim(name, alnum+"-_") == "" && strings.Trim(name, "-_") == name
}
