package network

import (
	"context"
	"errors"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Detach undoes Attach of a network's port (ErrNoPort): what we made goes, and
// what was there stays. The network need not be active.
func (m *Manager) Detach(ctx context.Context, id, portID xmlnet.UUID) error {
	m.change.Lock()
	defer m.change.Unlock()
	e, err := m.lookup(id)
	if err != nil {
		return err
	}
	a := m.attached[portID]
	if a == nil || a.Network != id {
		return noPort(portID)
	}
	err = m.drop(context.WithoutCancel(ctx), e, a)
	m.log.Info("link detached", "network", e.ref().Name, "link", a.Link, "mac", a.MAC.String())
	return err
}

// drop takes away what attach made, past errors, the record last: a daemon that
// is killed in between leaves it attached. m.change is held.
func (m *Manager) drop(ctx context.Context, e *entry, a *port.Attachment) error {
	errs := []error{m.removeLink(ctx, a, e.current().Bridge.Name), m.removeResolvConf(a)}
	m.setAttached(a.UUID, nil)
	if e.live != nil {
		errs = append(errs, m.replanAttached(e), m.applyGuards(ctx))
		if p, err := m.dropPort(activeNet{e.live, e.ports}, a.UUID); p != nil {
			errs = append(errs, err)
			m.logHook(e.live, m.runHook(e.live, "port-deleted", "begin", p.FormatAt(1)))
		}
	}
	errs = append(errs, m.releaseAddrs(e, a), m.cfg.Dir.RemoveAttachment(a.UUID))
	return errors.Join(errs...)
}

// removeLink deletes the link if we made it, else it takes it off the bridge.
func (m *Manager) removeLink(ctx context.Context, a *port.Attachment, bridgeName string) error {
	link := plan.PortLink(&xmlnet.Network{}, a, &port.Port{})
	link.Bridge = bridgeName
	if a.Bandwidth != nil && a.Tap == nil && a.Netns == nil {
		link.Bandwidth = &bridge.Bandwidth{}
	}
	return m.host.RemovePort(ctx, link)
}

// dropAttached drops all that is attached to a network that is no more;
// m.change is held.
func (m *Manager) dropAttached(ctx context.Context, e *entry) error {
	var errs []error
	for _, a := range m.attachedNow().of(e.ref().UUID) {
		errs = append(errs, m.drop(ctx, e, a))
	}
	return errors.Join(errs...)
}
