package network

import (
	"net"
	"slices"
	"sync"

	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Guest is a running domain's interface, as the host's libvirt tells of it.
type Guest struct {
	Domain     string
	DomainUUID xmlnet.UUID
	MAC        net.HardwareAddr
	Link       string // on the host: vnet0
	Network    string // the network's name, "" if it is on a bridge of no network's name
	Bridge     string
	// Port is the UUID that libvirt knows the interface's port by, zero for
	// none.
	Port     xmlnet.UUID
	Isolated bool
}

// guests are the interfaces of running domains that libvirt last told of.
type guests struct {
	mu  sync.Mutex // guards all
	all []Guest
}

// SetGuests takes the interfaces of all running domains. Those on a network of
// ours count among its ports, if the libvirt that has them did not ask us for
// ports itself: one with a network driver of its own, which shows our networks
// as facades. Domains' names are known to DNS from then on.
func (m *Manager) SetGuests(all []Guest) {
	m.guests.mu.Lock()
	m.guests.all = slices.Clone(all)
	m.guests.mu.Unlock()
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, e := range m.byID {
		if e.live == nil {
			continue
		}
		e.ports.follow(m.guestPorts(e.live))
		m.portsChanged(e.live)
	}
}

// guestsOn returns the guests on a network, or by no network's name on its
// bridge.
func (m *Manager) guestsOn(n *xmlnet.Network) []Guest {
	return m.guestsWhere(func(g Guest) bool {
		return g.Network == n.Name || g.Network == "" && g.Bridge == n.Bridge.Name && g.Bridge != ""
	})
}

func (m *Manager) guestsWhere(ok func(Guest) bool) (found []Guest) {
	m.guests.mu.Lock()
	defer m.guests.mu.Unlock()
	for _, g := range m.guests.all {
		if ok(g) {
			found = append(found, g)
		}
	}
	return found
}

// guestPorts are the ports that the guests on a network stand for.
func (m *Manager) guestPorts(n *xmlnet.Network) []*port.Port {
	var list []*port.Port
	for _, g := range m.guestsOn(n) {
		if g.Port == (xmlnet.UUID{}) || g.Link == "" || !n.Forward.Mode.OwnBridge() {
			continue
		}
		p := &port.Port{
			UUID: g.Port, Owner: g.Domain, OwnerUUID: g.DomainUUID, MAC: g.MAC,
			Plug: port.Plug{Kind: port.NetworkPlug, Bridge: n.Bridge.Name},
		}
		if g.Isolated {
			p.Isolated = xmlnet.Yes
		}
		list = append(list, p)
	}
	return list
}

// follow takes the ports that running domains stand for, in place of those it
// took before. They are not on disk: libvirt tells of them again.
func (p *ports) follow(all []*port.Port) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.followed = make(map[xmlnet.UUID]*port.Port, len(all))
	for _, one := range all {
		p.followed[one.UUID] = one
	}
}

// find finds a port, nil if there is none; p.mu is held. One that was asked
// for goes before what libvirt tells of it.
func (p *ports) find(id xmlnet.UUID) *port.Port {
	if found := p.byID[id]; found != nil {
		return found
	}
	return p.followed[id]
}

// each calls f with every port; p.mu is held.
func (p *ports) each(f func(*port.Port)) {
	for _, one := range p.byID {
		f(one)
	}
	for id, one := range p.followed {
		if p.byID[id] == nil {
			f(one)
		}
	}
}
