package network

import (
	"context"
	"errors"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// applyFloors makes the network's bridge guarantee its ports what they were
// promised. Only a bridge with an inbound limit has anything to promise.
func (m *Manager) applyFloors(ctx context.Context, p *plan.Plan, ports *ports) error {
	if ports == nil || p.Bridge == nil || p.Bridge.Bandwidth == nil || p.Bridge.Bandwidth.Inbound == nil {
		return nil
	}
	// The ports are read inside, so that of two calls the last one knows all.
	ports.floors.Lock()
	defer ports.floors.Unlock()
	var floors []bridge.Floor
	for _, one := range ports.all() {
		if one.Floor() > 0 {
			floors = append(floors, floorOf(one))
		}
	}
	return m.host.SetFloors(ctx, p.Bridge.Name, *p.Bridge.Bandwidth.Inbound, floors)
}

// floorOf is a port's promise in the bridge's terms.
func floorOf(p *port.Port) bridge.Floor {
	in := p.Bandwidth.Inbound
	return bridge.Floor{
		Class: uint16(p.ClassID()), MAC: p.MAC,
		Rate: in.Floor * plan.RateUnit, Weight: in.Average * plan.RateUnit,
	}
}

// floorsChanged is applyFloors after the ports of n, which is active, changed;
// the network's file says so too.
func (m *Manager) floorsChanged(n *xmlnet.Network, ports *ports) error {
	m.mu.RLock()
	e := m.byID[n.UUID]
	if e == nil || e.plan == nil {
		m.mu.RUnlock()
		return nil
	}
	p := e.plan
	m.mu.RUnlock()
	return errors.Join(m.applyFloors(m.ctx, p, ports), ports.storeFloors())
}

// adoptFloors is applyFloors for an active network, which stays so if it
// fails.
func (m *Manager) adoptFloors(ctx context.Context, e *entry) {
	if err := m.applyFloors(ctx, e.plan, e.ports); err != nil && ctx.Err() == nil {
		m.log.Error("guarantee ports their rates", "network", e.live.Name, "link", e.plan.Link(), "err", err)
	}
}
