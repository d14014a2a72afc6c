package network

import (
	"context"
	"errors"
	"fmt"

	"github.com/vnetmgr/vnetmgr/firewalld"
	"github.com/vnetmgr/vnetmgr/internal/systembus"
	"github.com/vnetmgr/vnetmgr/plan"
)

// applyZone puts the network's bridge into its firewalld zone.
func (m *Manager) applyZone(ctx context.Context, p *plan.Plan) error {
	if p.Zone == nil {
		return nil
	}
	err := m.firewalld.Apply(ctx, *p.Zone)
	if errors.Is(err, firewalld.ErrInactive) {
		return &Error{Kind: ErrInternal, Text: fmt.Sprintf("zone %s requested for bridge %s but firewalld is not active", p.Zone.Zone, p.Zone.Link)}
	}
	var said *systembus.Error
	if errors.As(err, &said) { // as glib words it for libvirt
		return &Error{Kind: ErrService, Text: fmt.Sprintf("GDBus.Error:%s: %s", said.Name, said.Text)}
	}
	return err
}

// changeZone is applyZone for a network that was as was says.
func (m *Manager) changeZone(ctx context.Context, was, p *plan.Plan) error {
	if p.Zone == nil {
		return m.removeZone(ctx, was)
	}
	return m.applyZone(ctx, p)
}

// removeZone takes the network's bridge out of it.
func (m *Manager) removeZone(ctx context.Context, p *plan.Plan) error {
	if p.Zone == nil {
		return nil
	}
	return m.firewalld.Remove(ctx, p.Zone.Link)
}

// followFirewalld puts bridges back into their zones when firewalld has
// forgotten them.
func (m *Manager) followFirewalld(ctx context.Context) {
	if m.cfg.SystemBus == "" {
		return
	}
	m.firewalld.Watch(ctx, func() {
		m.change.Lock()
		defer m.change.Unlock()
		for _, e := range m.byID {
			if e.live != nil {
				m.adoptZone(ctx, e)
			}
		}
	})
}

// adoptZone is applyZone for an active network, which stays so if it fails.
func (m *Manager) adoptZone(ctx context.Context, e *entry) {
	if err := m.applyZone(ctx, e.plan); err != nil && ctx.Err() == nil {
		m.log.Error("put bridge into firewalld's zone", "network", e.live.Name, "link", e.plan.Link(), "err", err)
	}
}
