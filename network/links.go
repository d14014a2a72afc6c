package network

import (
	"context"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/plan"
)

// applyLinks makes the network's bridge, or sets what is wanted on the one of
// the host's that it names. Networks without a bridge have nothing to apply.
func (m *Manager) applyLinks(ctx context.Context, p *plan.Plan) error {
	switch {
	case p.Bridge != nil:
		return m.host.ApplyBridge(ctx, *p.Bridge)
	case p.Named != nil && !p.Named.IsZero():
		// As with libvirt the bridge has to be there only if something is to
		// be set on it.
		return m.host.TuneBridge(ctx, *p.Named)
	}
	return nil
}

// changeLinks is applyLinks for a network that was as was says. What was set
// on the host's bridge is taken away if nothing is to be set on it any more.
func (m *Manager) changeLinks(ctx context.Context, was, p *plan.Plan) error {
	if was.Named != nil && !was.Named.IsZero() && (p.Named == nil || p.Named.IsZero()) {
		if err := m.removeLinks(ctx, was); err != nil {
			return err
		}
	}
	return m.applyLinks(ctx, p)
}

// removeLinks takes away what applyLinks made.
func (m *Manager) removeLinks(ctx context.Context, p *plan.Plan) error {
	switch {
	case p.Bridge != nil:
		return m.host.RemoveBridge(ctx, p.Bridge.Name, p.Bridge.Owner)
	case p.Named != nil && !p.Named.IsZero():
		return m.host.TuneBridge(ctx, bridge.Tuning{Name: p.Named.Name})
	}
	return nil
}
