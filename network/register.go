package network

import (
	"context"
	"errors"
	"fmt"

	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/resolved"
)

// register tells the host's resolver of the network's domain, if the
// definition asks for it, and returns the index of the link that it told it
// for. The link forgets when it goes. A link that was told already, index
// known, is not told again.
func (m *Manager) register(ctx context.Context, p *plan.Plan, known int) (int, error) {
	if p.Register == nil {
		return 0, nil
	}
	host, err := m.host.Observe(ctx)
	if err != nil {
		return 0, fmt.Errorf("find the bridge to register: %w", err)
	}
	for _, l := range host.Links {
		if l.Name != p.Register.Link {
			continue
		}
		if l.Index == known {
			return known, nil
		}
		if err := m.resolved.Register(ctx, l.Index, *p.Register); err != nil {
			return 0, registerError(err)
		}
		return l.Index, nil
	}
	return 0, fmt.Errorf("find the bridge to register: no link %s", p.Register.Link)
}

// changeRegistration is register for an active network that was as was says.
func (m *Manager) changeRegistration(ctx context.Context, e *entry, was, p *plan.Plan) error {
	if was.Register.Equal(p.Register) {
		return nil
	}
	if p.Register == nil && e.registered == 0 {
		return nil // it was to be registered, and could not be
	}
	if p.Register == nil {
		return m.setRegistered(e, 0, m.resolved.Revert(ctx, e.registered))
	}
	index, err := m.register(ctx, p, 0)
	return m.setRegistered(e, index, err)
}

// setRegistered notes where the network's domain is registered; it returns
// err.
func (m *Manager) setRegistered(e *entry, index int, err error) error {
	m.mu.Lock()
	e.registered = index
	m.mu.Unlock()
	return err
}

func registerError(err error) error {
	if errors.Is(err, resolved.ErrAbsent) {
		return invalid("failed to register name server: %s", err)
	}
	return err
}

// adoptRegistration is register for an active network, which stays so if it
// fails.
func (m *Manager) adoptRegistration(ctx context.Context, e *entry) {
	index, err := m.register(ctx, e.plan, e.registered)
	if err != nil && ctx.Err() == nil {
		m.log.Error("register the network's domain", "network", e.live.Name, "err", err)
	}
	_ = m.setRegistered(e, index, nil) // logged
}
