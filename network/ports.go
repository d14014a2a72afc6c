package network

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/state"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// ports are the ports of one active network, in memory and as files. They have
// locks of their own, so that a call about a port waits neither for changes to
// networks nor for what goes on on other networks: virtqemud holds a domain's
// lock meanwhile. These locks are taken last; Manager's may be held.
//
// A nil *ports counts and lists none.
type ports struct {
	dir     state.Dir
	network string // its name

	// files is held while one port's file or the network's is written, floors
	// while the kernel is told of one. mu is taken inside them.
	files, floors sync.Mutex
	stored        *xmlnet.Network // the active definition on disk; guarded by files
	tainted       bool            // scripts have run for it; guarded by files

	mu     sync.Mutex                 // guards what follows, for moments
	closed bool                       // the network was stopped
	byID   map[xmlnet.UUID]*port.Port // the ports are never changed in place
	pool   port.PoolState             // the sum of byID
	// followed are ports that nobody asked us for: see SetGuests.
	followed map[xmlnet.UUID]*port.Port
}

// noPorts are those of a network that has just been started. What an earlier
// life of it left is removed.
func (m *Manager) noPorts(n *xmlnet.Network) *ports {
	p := &ports{dir: m.cfg.Dir, network: n.Name, stored: n, byID: make(map[xmlnet.UUID]*port.Port)}
	p.follow(m.guestPorts(n))
	if err := m.cfg.Dir.RemovePorts(n.Name); err != nil {
		m.log.Error("remove the ports of an earlier life", "network", n.Name, "err", err)
	}
	m.portsChanged(n)
	return p
}

// loadPorts are the ports that an active network had when the daemon last ran.
func (m *Manager) loadPorts(n *xmlnet.Network) *ports {
	p := &ports{dir: m.cfg.Dir, network: n.Name, stored: n, tainted: m.cfg.Dir.Tainted(n.Name), byID: make(map[xmlnet.UUID]*port.Port)}
	p.follow(m.guestPorts(n))
	found, err := m.cfg.Dir.Ports(n.Name)
	if err != nil {
		m.log.Error("some ports are not known any more", "network", n.Name, "err", err)
	}
	for i := range found {
		p.set(&found[i])
	}
	m.portsChanged(n)
	return p
}

// set makes one port what it is now; p.mu is held, or nobody else has p yet.
func (p *ports) set(now *port.Port) {
	if was := p.byID[now.UUID]; was != nil {
		p.pool.Remove(was)
	}
	p.byID[now.UUID] = now
	p.pool.Add(now)
}

// unset takes one port out; p.mu is held.
func (p *ports) unset(was *port.Port) {
	delete(p.byID, was.UUID)
	p.pool.Remove(was)
}

// add decides what a requested port gets on n and counts it from now on. It is
// not on disk before flush.
func (p *ports) add(n *xmlnet.Network, req port.Port, decide decision) (*port.Port, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, invalid("network '%s' is not active", p.network)
	}
	if p.byID[req.UUID] != nil {
		return nil, &Error{Kind: ErrPortExists, Text: fmt.Sprintf("Network port with UUID %s already exists", req.UUID)}
	}
	now, err := decide(n, req, p.pool)
	if err != nil {
		return nil, err
	}
	p.set(&now)
	return &now, nil
}

// decision is port.Assign or port.Reclaim.
type decision func(*xmlnet.Network, port.Port, port.PoolState) (port.Port, error)

// take takes a port out. It is on disk until flush.
func (p *ports) take(id xmlnet.UUID) (*port.Port, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.find(id)
	if was == nil {
		return nil, noPort(id)
	}
	if p.byID[id] != nil {
		p.unset(was)
	}
	delete(p.followed, id)
	return was, nil
}

// retune gives a port another bandwidth, if n can keep what it promises.
func (p *ports) retune(n *xmlnet.Network, id xmlnet.UUID, to *xmlnet.Bandwidth) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.byID[id]
	if was == nil {
		return noPort(id)
	}
	now, err := port.Retune(n, *was, to, p.pool)
	if err != nil {
		return err
	}
	p.set(&now)
	return nil
}

// flush makes a port's file what the port is now, whoever changed it last.
func (p *ports) flush(id xmlnet.UUID) error {
	p.files.Lock()
	defer p.files.Unlock()
	p.mu.Lock()
	now, closed := p.byID[id], p.closed
	p.mu.Unlock()
	switch {
	case closed:
		return nil // close removes all files, or has
	case now == nil:
		return p.dir.RemovePort(p.network, id)
	}
	return p.dir.SavePort(p.network, now)
}

// store makes n the active definition on disk, beside what the ports were
// promised. When that fails it is live that is written later.
func (p *ports) store(n, live *xmlnet.Network) error {
	p.files.Lock()
	defer p.files.Unlock()
	p.stored = n
	err := p.save()
	if err != nil {
		p.stored = live
	}
	return err
}

// storeFloors writes what the ports were promised.
func (p *ports) storeFloors() error {
	p.files.Lock()
	defer p.files.Unlock()
	return p.save()
}

// save writes the network's file; p.files is held.
func (p *ports) save() error {
	p.mu.Lock()
	pool, closed := p.pool, p.closed
	pool.ClassIDs = maps.Clone(pool.ClassIDs)
	p.mu.Unlock()
	if closed {
		return nil // the network is not active any more
	}
	return p.dir.SaveActive(p.stored, pool, p.tainted)
}

// taint notes that scripts have run for the network, and tells whether they had
// not before.
func (p *ports) taint() (bool, error) {
	p.files.Lock()
	defer p.files.Unlock()
	if p.tainted {
		return false, nil
	}
	p.tainted = true
	return true, p.save()
}

// close forgets all ports: the network stops.
func (p *ports) close() error {
	p.mu.Lock()
	p.closed = true
	p.byID, p.followed, p.pool = nil, nil, port.PoolState{}
	p.mu.Unlock()
	p.files.Lock()
	defer p.files.Unlock()
	return p.dir.RemovePorts(p.network)
}

// get finds a port (ErrNoPort).
func (p *ports) get(id xmlnet.UUID) (*port.Port, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if found := p.find(id); found != nil {
		return found, nil
	}
	return nil, noPort(id)
}

func noPort(id xmlnet.UUID) error {
	return &Error{Kind: ErrNoPort, Text: fmt.Sprintf("Network port with UUID %s does not exist", id)}
}

// all returns the ports, sorted by UUID.
func (p *ports) all() []*port.Port {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	all := make([]*port.Port, 0, len(p.byID)+len(p.followed))
	p.each(func(one *port.Port) { all = append(all, one) })
	p.mu.Unlock()
	slices.SortFunc(all, func(a, b *port.Port) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
	return all
}

func (p *ports) count() int {
	n, _ := p.connections()
	return n
}

// connections counts the ports, all of them and by device of the pool.
func (p *ports) connections() (int, map[string]int) {
	if p == nil {
		return 0, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	byDev := make(map[string]int, len(p.pool.Connections))
	for dev, n := range p.pool.Connections {
		byDev[dev] = n
	}
	n := 0
	p.each(func(*port.Port) { n++ })
	return n, byDev
}
