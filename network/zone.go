package network

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/vnetmgr/vnetmgr/firewalld"
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
	return err
}

// removeZone takes the network's bridge out of it.
func (m *Manager) removeZone(ctx context.Context, p *plan.Plan) error {
	if p.Zone == nil {
		return nil
	}
	return m.firewalld.Remove(ctx, p.Zone.Link)
}

// rezone is applyZone for a network that is active with the plan from.
func (m *Manager) rezone(ctx context.Context, from, to *plan.Plan) error {
	switch {
	case reflect.DeepEqual(from.Zone, to.Zone):
		return nil
	case to.Zone == nil:
		return m.removeZone(ctx, from)
	}
	return m.applyZone(ctx, to)
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
