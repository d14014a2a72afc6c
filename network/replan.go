package network

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/nat"
	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// planLive plans n in place of was, which is active. Of what the host has only
// collisions with something new count: what was's subnets collide with today
// did not keep it from starting.
func (m *Manager) planLive(ctx context.Context, n, was *xmlnet.Network) (*plan.Plan, error) {
	have, err := m.host.Observe(ctx)
	if err != nil {
		return nil, fmt.Errorf("observe the host: %w", err)
	}
	added := n.Clone()
	added.IPs = slices.DeleteFunc(added.IPs, func(ip xmlnet.IP) bool {
		return slices.ContainsFunc(was.IPs, func(old xmlnet.IP) bool { return old.Prefix.Masked() == ip.Prefix.Masked() })
	})
	added.Routes = slices.DeleteFunc(added.Routes, func(r xmlnet.Route) bool {
		return slices.ContainsFunc(was.Routes, func(old xmlnet.Route) bool { return old.Dst == r.Dst })
	})
	if _, err := plan.Make(added, have); err != nil {
		return nil, err
	}
	return m.makePlan(n, bridge.Host{})
}

// replan makes an active network what n and its plan p say, as the difference
// to what it is: bridge ports stay, sockets that are still wanted stay open,
// there is no moment without rules, and established connections go on. When it
// fails, the host and the disk are as before. m.change is held.
func (m *Manager) replan(ctx context.Context, e *entry, n *xmlnet.Network, p *plan.Plan) error {
	// From here on what was begun is ended, whether the client waits or not.
	ctx = context.WithoutCancel(ctx)
	n, err := m.expandPool(n)
	if err != nil {
		return err
	}
	if err := e.ports.store(n, e.live); err != nil {
		return err
	}
	before := e.kept
	e.kept = m.keep(ctx, e, p)
	if err := m.apply(ctx, e, p); err != nil {
		e.kept = before
		return errors.Join(hostError(p, err), m.putBack(ctx, e, p))
	}
	m.mu.Lock()
	e.live, e.plan = n, p
	m.mu.Unlock()
	m.reattach(ctx, e)
	m.tellOwnAddrs()
	m.admitGuests(ctx)
	return nil
}

// apply makes the host hold p for e. The rules come first: they are for the
// bridge, whatever addresses it has, and so are there before a new subnet is.
// Sockets come last, when their addresses are there; only guests that lose their
// router are told while there is an address to tell them from.
func (m *Manager) apply(ctx context.Context, e *entry, p *plan.Plan) error {
	if err := m.host.ApplyRules(ctx, m.rulesetWith(e, p)); err != nil {
		return err
	}
	e.services.farewell(p)
	if err := m.changeLinks(ctx, e.plan, p); err != nil {
		return err
	}
	if err := m.applyFloors(ctx, p, e.ports); err != nil {
		return err
	}
	if err := m.changeZone(ctx, e.plan, p); err != nil {
		return err
	}
	if err := m.changeRegistration(ctx, e, e.plan, p); err != nil {
		return err
	}
	return e.services.change(p, part.start)
}

// putBack makes host and disk what e's live definition says, past errors, after
// p was applied as far as it got. Its servers have not changed, but for the one
// that said farewell: change is the last step and changes all or nothing.
func (m *Manager) putBack(ctx context.Context, e *entry, p *plan.Plan) error {
	err := errors.Join(
		m.host.ApplyRules(ctx, m.ruleset(nil)),
		m.changeLinks(ctx, p, e.plan),
		m.applyFloors(ctx, e.plan, e.ports),
		m.changeZone(ctx, p, e.plan),
		m.changeRegistration(ctx, e, p, e.plan),
		e.ports.store(e.live, e.live))
	e.services.greet(e.plan)
	return err
}

// rulesetWith is that of all active networks, with p in place of e's plan.
func (m *Manager) rulesetWith(e *entry, p *plan.Plan) nat.Ruleset {
	var rs nat.Ruleset
	for _, other := range m.byID {
		have := other.plan
		if other == e {
			have = p
		}
		if other.live == nil {
			continue
		}
		if rules := other.rules(have); rules != nil {
			rs.Networks = append(rs.Networks, *rules)
		}
	}
	return rs
}
