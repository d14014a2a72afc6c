package network

import "context"

// heal puts back what other programs take away: rules that were flushed, a
// bridge that was deleted or lost its address.
func (m *Manager) heal(ctx context.Context) {
	rules, links := m.host.RulesChanged(ctx), m.host.LinksChanged(ctx)
	for rules != nil || links != nil {
		select {
		case _, ok := <-rules:
			if !ok {
				rules = nil
				continue
			}
			m.healRules(ctx)
		case link, ok := <-links:
			if !ok {
				links = nil
				continue
			}
			m.healLink(ctx, link)
		}
	}
}

func (m *Manager) healRules(ctx context.Context) {
	m.change.Lock()
	defer m.change.Unlock()
	if err := m.host.ApplyRules(ctx, m.ruleset(nil)); err != nil && ctx.Err() == nil {
		m.log.Error("put rules back", "err", err)
	}
}

func (m *Manager) healLink(ctx context.Context, link string) {
	m.change.Lock()
	defer m.change.Unlock()
	for _, e := range m.byID {
		if e.live == nil || e.plan == nil || e.plan.Bridge.Name != link {
			continue
		}
		if err := m.host.ApplyBridge(ctx, *e.plan.Bridge); err != nil && ctx.Err() == nil {
			m.log.Error("put bridge back", "network", e.live.Name, "link", link, "err", err)
		}
	}
}
