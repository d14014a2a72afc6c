package network

import (
	"context"
	"fmt"
	"slices"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// DefineLive makes doc the definition of an active network, on disk and in
// force: what Define does, without waiting for the next start. A document
// without a UUID means the network of its name. What a network is known by, its
// name, UUID and bridge, cannot change while it is active, nor whether it has a
// bridge of its own (ErrOperationInvalid). When it fails, nothing has changed.
func (m *Manager) DefineLive(ctx context.Context, doc []byte, validate bool) (Ref, error) {
	n, err := m.parse(doc, validate)
	if err != nil {
		return Ref{}, err
	}
	m.change.Lock()
	defer m.change.Unlock()
	e, err := m.activeLike(n)
	if err != nil {
		return Ref{}, err
	}
	n.UUID = e.live.UUID
	if err := m.complete(ctx, n, e); err != nil {
		return Ref{}, err
	}
	if err := sameBridge(n, e.live); err != nil {
		return Ref{}, err
	}
	live, err := m.expandPool(n.Clone())
	if err != nil {
		return Ref{}, err
	}
	if err := e.ports.stay(live); err != nil {
		return Ref{}, err
	}
	p, err := m.planLive(ctx, live, e.live)
	if err != nil {
		return Ref{}, err
	}
	if err := m.commit(ctx, e, edit{live: live, plan: p, config: n}); err != nil {
		return Ref{}, err
	}
	m.log.Info("network redefined live", "network", n.Name)
	m.events.publish(Event{Network: e.ref(), Kind: Defined})
	return e.ref(), m.hookUpdated(e, AffectLive)
}

// activeLike returns the active network that n would change.
func (m *Manager) activeLike(n *xmlnet.Network) (*entry, error) {
	e := m.find(n.Name)
	if e == nil {
		if other := m.byID[n.UUID]; other != nil && !n.UUID.IsZero() {
			return nil, invalid("the name of network '%s' cannot change, to '%s', while it is active", other.ref().Name, n.Name)
		}
		return nil, &Error{Kind: ErrNotFound, Text: fmt.Sprintf("no network with matching name '%s'", n.Name)}
	}
	if have := e.ref().UUID; !n.UUID.IsZero() && n.UUID != have {
		return nil, invalid("the uuid of network '%s' cannot change from %s to %s while it is active", n.Name, have, n.UUID)
	}
	if e.live == nil {
		return nil, invalid("network '%s' is not active", n.Name)
	}
	return e, nil
}

// sameBridge refuses to move an active network to another bridge: its guests
// are on this one.
func sameBridge(n, live *xmlnet.Network) error {
	if to, from := n.Forward.Mode, live.Forward.Mode; to.OwnBridge() != from.OwnBridge() || !to.OwnBridge() && to != from {
		return invalid("the forward mode of network '%s' cannot change from %s to %s while it is active", live.Name, from, to)
	}
	if n.Bridge.Name != live.Bridge.Name {
		return invalid("the bridge name of network '%s' cannot change from '%s' to '%s' while it is active", live.Name, live.Bridge.Name, n.Bridge.Name)
	}
	return nil
}

// stay refuses n in place of the network's definition if a port would lose what
// it has: its device of the pool, or the rate that it is guaranteed.
func (p *ports) stay(n *xmlnet.Network) error {
	_, used := p.connections()
	for dev, count := range used {
		has := slices.Contains(n.Forward.Interfaces, dev) ||
			slices.ContainsFunc(n.Forward.Addresses, func(a xmlnet.PCIAddress) bool { return a.String() == dev })
		if !has {
			return invalid("unable to delete interface '%s' in network '%s'. It is currently being used by %d domains.", dev, n.Name, count)
		}
	}
	var most uint64
	if b := n.Bandwidth; b != nil && b.Inbound != nil {
		most = max(b.Inbound.Peak, b.Inbound.Average)
	}
	if floors := p.floorSum(); floors > most {
		return invalid("the inbound bandwidth of network '%s' is less than what its ports are guaranteed: %d of %d", n.Name, most, floors)
	}
	return nil
}

// floorSum is the rate in KiB/s that the ports are guaranteed together.
func (p *ports) floorSum() uint64 {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pool.FloorSum
}
