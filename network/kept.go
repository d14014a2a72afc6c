package network

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/vnetmgr/vnetmgr/nat"
	"github.com/vnetmgr/vnetmgr/plan"
)

// kept are connections that a network translated before it was changed, and
// would not now: they go on until they end by themselves.
type kept struct {
	from  []netip.Prefix // the subnets that they come from
	flows []nat.Flow
}

// keptInterval is how often it is looked whether kept connections have ended.
// Until then the kernel tracks the network's connections, and a rule more is
// asked.
const keptInterval = 30 * time.Second

// keep finds the connections that would end by the change of e's rules to p's,
// besides those that are kept already; nil: none.
func (m *Manager) keep(ctx context.Context, e *entry, p *plan.Plan) *kept {
	from := losing(e.plan.NAT, p.NAT)
	if len(from) == 0 {
		return e.kept
	}
	flows, err := m.host.Translated(ctx, from)
	if err != nil {
		m.log.Warn("connections that are translated will end", "network", e.live.Name, "err", err)
		return e.kept
	}
	if len(flows) == 0 {
		return e.kept
	}
	all := &kept{from: from, flows: flows}
	if e.kept != nil {
		all.from, all.flows = append(slices.Clone(e.kept.from), from...), append(slices.Clone(e.kept.flows), flows...)
	}
	m.log.Info("connections that are translated go on as they are", "network", e.live.Name)
	return all
}

// losing are the subnets that old rules translate and new ones do not, or not
// by the same device.
func losing(old, now *nat.Network) []netip.Prefix {
	var lost []netip.Prefix
	for _, s := range translated(old) {
		if now == nil || now.Dev != "" && now.Dev != old.Dev || !slices.Contains(translated(now), s) {
			lost = append(lost, s)
		}
	}
	return lost
}

// translated are the subnets that rules translate.
func translated(rules *nat.Network) []netip.Prefix {
	if rules == nil || rules.Mode != nat.NAT {
		return nil
	}
	var all []netip.Prefix
	for _, s := range rules.Subnets {
		if s.NAT {
			all = append(all, s.Prefix)
		}
	}
	return all
}

// rules are what the ruleset holds for e, which is active by plan p; nil: none.
func (e *entry) rules(p *plan.Plan) *nat.Network {
	if e.kept == nil || p.Bridge == nil {
		return p.NAT
	}
	rules := nat.Network{ID: p.Bridge.Owner, Name: e.live.Name, Bridge: p.Bridge.Name, Mode: nat.OpenMode}
	if p.NAT != nil {
		rules = *p.NAT
	}
	rules.Keep = true
	return &rules
}

// forgetKept looks again and again whether kept connections have ended, until
// ctx does.
func (m *Manager) forgetKept(ctx context.Context) {
	tick := time.NewTicker(keptInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.dropEnded(ctx)
		}
	}
}

// dropEnded takes the rules away that kept connections which have all ended.
func (m *Manager) dropEnded(ctx context.Context) {
	m.change.Lock()
	defer m.change.Unlock()
	changed := false
	for _, e := range m.byID {
		if e.kept != nil && !m.someGoOn(ctx, e) {
			e.kept, changed = nil, true
			m.log.Info("the last translated connection of before has ended", "network", e.live.Name)
		}
	}
	if !changed {
		return
	}
	if err := m.host.ApplyRules(ctx, m.ruleset(nil)); err != nil && ctx.Err() == nil {
		m.log.Error("remove the rule for connections of before", "err", err)
	}
}

// someGoOn tells whether one of e's kept connections has not ended.
func (m *Manager) someGoOn(ctx context.Context, e *entry) bool {
	flows, err := m.host.Translated(ctx, e.kept.from)
	return err != nil || slices.ContainsFunc(flows, func(f nat.Flow) bool { return slices.Contains(e.kept.flows, f) })
}

// adoptKept takes over, after a restart, what the rules in the kernel keep for
// e, which is active: the connections of its subnets.
func (m *Manager) adoptKept(ctx context.Context, e *entry) {
	if e.plan.Bridge == nil {
		return
	}
	is, err := m.host.Kept(ctx, e.plan.Bridge.Owner, e.live.Name)
	if err != nil || !is {
		return
	}
	var from []netip.Prefix
	for _, ip := range e.live.IPs {
		from = append(from, ip.Prefix.Masked())
	}
	if flows, err := m.host.Translated(ctx, from); err == nil && len(flows) > 0 {
		e.kept = &kept{from: from, flows: flows}
	}
}
