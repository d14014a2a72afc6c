package network

import (
	"context"
	"errors"
	"log/slog"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// reattach makes what is attached to a network that has become active its
// ports again: taps that we made are made again if they are gone, as after a
// boot; what was in a namespace that is gone is forgotten. Errors are logged,
// and tried again when something happens to the link. m.change is held.
func (m *Manager) reattach(ctx context.Context, e *entry) {
	some := m.attachedNow().of(e.live.UUID)
	if len(some) == 0 {
		return
	}
	if err := m.applyGuards(ctx); err != nil {
		m.log.Error("guard ports", "network", e.live.Name, "err", err)
	}
	for _, a := range some {
		if err := m.reattachOne(ctx, e, a); err != nil && ctx.Err() == nil {
			m.log.Error("attach link again", "network", e.live.Name, "link", a.Link, "err", err)
		}
	}
}

func (m *Manager) reattachOne(ctx context.Context, e *entry, a *port.Attachment) error {
	if err := attachable(e.live); err != nil {
		return err
	}
	got, err := e.ports.get(a.UUID)
	if err != nil {
		if got, err = m.addPort(activeNet{e.live, e.ports}, a.Port(), port.Assign); err != nil {
			return err
		}
	}
	if err := m.keepAddrs(e, e.live, a); err != nil {
		m.log.Error("keep the address of an attached link", "network", e.live.Name, "link", a.Link, "err", err)
	}
	err = m.host.ApplyPort(ctx, plan.PortLink(e.live, a, got))
	switch {
	case errors.Is(err, bridge.ErrBridgeNotFound):
		return nil // it is being put back, and this with it
	case !errors.Is(err, bridge.ErrLinkNotFound):
		return err
	case a.Netns != nil:
		m.log.Info("the namespace of an attached link is gone", "network", e.live.Name, "link", a.Link, "mac", a.MAC.String())
		return m.drop(ctx, e, a)
	}
	return nil // another's tap: it is attached when it is there again
}

// healAttached puts back what happened to attached links, or to the bridges
// that they are ports of; m.change is held.
func (m *Manager) healAttached(ctx context.Context, event bridge.Event) {
	for _, e := range m.byID {
		if e.live == nil {
			continue
		}
		if event.Kind == bridge.EventsLost || event.Kind == bridge.LinkGone && e.plan.Link() == event.Link {
			m.reattach(ctx, e)
		}
	}
	if event.Link == "" {
		return
	}
	a := m.attachedNow().find(func(a *port.Attachment) bool { return a.Link == event.Link })
	if a == nil {
		return
	}
	e := m.byID[a.Network]
	if e == nil || e.live == nil {
		return
	}
	if err := m.reattachOne(ctx, e, a); err != nil && ctx.Err() == nil {
		m.log.Error("put link back", "network", e.live.Name, "link", a.Link, "err", err)
	}
}

// followAttached keeps the addresses of attached links theirs, until ctx ends:
// a lease that a guest made of its own by DHCP ends, the link's does not.
func (m *Manager) followAttached(ctx context.Context, log *slog.Logger, e *entry) {
	feed := e.leases.Subscribe()
	defer feed.Close()
	for {
		changes, err := feed.Next(ctx)
		if err != nil {
			return
		}
		for _, c := range changes {
			if c.Kind != lease.Released && c.Kind != lease.Expired {
				continue
			}
			m.mu.RLock()
			n := e.current()
			m.mu.RUnlock()
			a := m.attachedAt(n.UUID, c.Lease.Addr)
			if a == nil {
				continue
			}
			if err := m.keepAddrs(e, n, a); err != nil && ctx.Err() == nil {
				log.Warn("keep the address of an attached link", "link", a.Link, "err", err)
			}
		}
	}
}

// retuneAttached has a link that was attached keep to a port's new limits.
func (m *Manager) retuneAttached(portID xmlnet.UUID, to *xmlnet.Bandwidth) error {
	if m.attachedNow()[portID] == nil {
		return nil
	}
	m.change.Lock()
	defer m.change.Unlock()
	was := m.attached[portID]
	if was == nil {
		return nil
	}
	now := *was
	now.Bandwidth = to.Clone()
	if err := m.cfg.Dir.SaveAttachment(&now); err != nil {
		return err
	}
	m.setAttached(portID, &now)
	e := m.byID[now.Network]
	if e == nil || e.live == nil {
		return nil
	}
	got, err := e.ports.get(portID)
	if err != nil {
		return err
	}
	link := plan.PortLink(e.live, &now, got)
	if link.Bandwidth == nil {
		link.Bandwidth = &bridge.Bandwidth{}
	}
	return m.host.ApplyPort(m.ctx, link)
}
