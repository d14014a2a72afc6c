package network

import (
	"context"

	"github.com/vnetmgr/vnetmgr/bridge"
)

// heal puts back what other programs take away: rules that were flushed, a
// bridge that was deleted or lost its address.
func (m *Manager) heal(ctx context.Context) error {
	rules, err := m.host.RulesChanged(ctx)
	if err != nil {
		return err
	}
	links, err := m.host.LinksChanged(ctx)
	if err != nil {
		return err
	}
	for rules != nil || links != nil {
		select {
		case _, ok := <-rules:
			if !ok {
				rules = nil
				continue
			}
			m.healRules(ctx)
		case event, ok := <-links:
			if !ok {
				links = nil
				continue
			}
			m.healLinks(ctx, event)
		}
	}
	return nil
}

func (m *Manager) healRules(ctx context.Context) {
	m.change.Lock()
	defer m.change.Unlock()
	if err := m.host.ApplyRules(ctx, m.ruleset(nil)); err != nil && ctx.Err() == nil {
		m.log.Error("put rules back", "err", err)
	}
	if err := m.applyGuards(ctx); err != nil && ctx.Err() == nil {
		m.log.Error("put rules of ports back", "err", err)
	}
}

// forwards tells whether an active network needs the host to forward; m.change
// is held.
func (m *Manager) forwards() bool {
	for _, e := range m.byID {
		if e.live != nil && e.plan.Forwards() {
			return true
		}
	}
	return false
}

// healLinks puts back our bridge that the event is about, or every one if it
// names none.
func (m *Manager) healLinks(ctx context.Context, event bridge.Event) {
	m.change.Lock()
	defer m.change.Unlock()
	if event.Kind == bridge.ForwardingOff && m.forwards() {
		m.log.Warn("forwarding was turned off; active networks need it, it is turned on again")
	}
	for _, e := range m.byID {
		if e.live == nil || event.Link != "" && e.plan.Link() != event.Link {
			continue
		}
		if e.services != nil && event.Kind == bridge.LinkGone {
			e.services.stale = true
		}
		err := m.applyLinks(ctx, e.plan)
		switch {
		case err != nil && ctx.Err() == nil:
			m.log.Error("put bridge back", "network", e.live.Name, "link", e.plan.Link(), "err", err)
		case err == nil && e.services != nil && e.services.stale:
			e.services.restart(e.plan)
		}
		m.adoptFloors(ctx, e)
		m.adoptRegistration(ctx, e)
	}
	m.healAttached(ctx, event)
}
