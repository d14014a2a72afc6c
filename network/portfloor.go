package network

import (
	"context"
	"errors"

	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/port"
)

// applyFloor makes a traffic class of an active network's bridge hold what the
// port that has the class now is promised, or removes it if none has. It looks
// at who has the class only when its turn comes, so that calls that overtake
// each other end with what is true. Class 0 is none.
//
// Only this part of a port is in the kernel: the domain's own interface is its
// hypervisor's.
func (m *Manager) applyFloor(ctx context.Context, a activeNet, class uint32) error {
	if class == 0 || a.plan.Bridge == nil || a.plan.Bridge.Bandwidth == nil || a.plan.Bridge.Bandwidth.Inbound == nil {
		return nil
	}
	limit := *a.plan.Bridge.Bandwidth.Inbound
	a.ports.floors.Lock()
	defer a.ports.floors.Unlock()
	if p := a.ports.byClass(class); p != nil {
		return m.host.SetFloor(ctx, a.plan.Bridge.Name, limit, plan.Floor(p))
	}
	return m.host.RemoveFloor(ctx, a.plan.Bridge.Name, limit, uint16(class))
}

// applyFloors is applyFloor for every port of an active network, whose bridge
// may be new.
func (m *Manager) applyFloors(ctx context.Context, a activeNet) error {
	var errs []error
	for _, p := range a.ports.all() {
		errs = append(errs, m.applyFloor(ctx, a, p.ClassID()))
	}
	return errors.Join(errs...)
}

// byClass returns the port with a traffic class, nil if none has it.
func (p *ports) byClass(class uint32) *port.Port {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.byID {
		if one.ClassID() == class {
			return one
		}
	}
	return nil
}
