package network

import (
	"context"
	"errors"
	"fmt"
	"reflect"

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
	index, err := m.linkIndex(ctx, p.Register.Link)
	if err != nil || index == known {
		return index, err
	}
	if err := m.resolved.Register(ctx, index, *p.Register); err != nil {
		return 0, registerError(err)
	}
	return index, nil
}

// reregister is register for a network that is active with the plan from, for
// the link with the index known.
func (m *Manager) reregister(ctx context.Context, from, to *plan.Plan, known int) (int, error) {
	switch {
	case reflect.DeepEqual(from.Register, to.Register):
		return known, nil
	case to.Register != nil:
		return m.register(ctx, to, 0)
	}
	index, err := m.linkIndex(ctx, from.Register.Link)
	if err != nil {
		return known, err
	}
	return 0, m.resolved.Unregister(ctx, index)
}

func (m *Manager) linkIndex(ctx context.Context, name string) (int, error) {
	host, err := m.host.Observe(ctx)
	if err != nil {
		return 0, fmt.Errorf("find the bridge to register: %w", err)
	}
	for _, l := range host.Links {
		if l.Name == name {
			return l.Index, nil
		}
	}
	return 0, fmt.Errorf("find the bridge to register: no link %s", name)
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
	m.mu.Lock()
	e.registered = index
	m.mu.Unlock()
}
