package network

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Run loads what is defined and active, makes the host so, calls ready, and
// serves until ctx ends. Networks stay up afterwards: stopping one is a
// request, not the end of the daemon.
func (m *Manager) Run(ctx context.Context, ready func(context.Context) error) (err error) {
	fresh := m.cfg.Dir.Fresh()
	if err := m.cfg.Dir.Make(); err != nil {
		return err
	}
	if m.leases, err = lease.OpenStore(m.cfg.LeaseFile, m.log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.leases.Close()) }()
	if err := m.loadDUID(); err != nil {
		return err
	}
	if err := m.openJournal(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.closeJournal()) }()

	group, ctx := errgroup.WithContext(ctx)
	m.ctx = ctx
	defer func() { err = errors.Join(err, m.bus.Close()) }()
	defer m.stopServers()
	group.Go(func() error { return m.resolver.Run(ctx) })
	group.Go(func() error { return m.heal(ctx) })
	group.Go(func() error { m.writeMACs(ctx); return nil })
	group.Go(func() error { m.watchPools(ctx); return nil })
	group.Go(func() error { m.forgetKept(ctx); return nil })
	group.Go(func() error { m.followFirewalld(ctx); return nil })
	group.Go(func() error { m.followResolved(ctx); return nil })
	group.Go(func() error { return m.followOthers(ctx) })
	group.Go(func() error {
		if err := m.boot(ctx, fresh); err != nil {
			return err
		}
		return ready(ctx)
	})
	return group.Wait()
}

// stopServers waits for the servers of all networks to end.
func (m *Manager) stopServers() {
	m.change.Lock()
	defer m.change.Unlock()
	m.unregister()
	for _, e := range m.byID {
		if e.services != nil {
			e.services.stop(nil)
		}
	}
}

// boot is the ordinary path with intent from disk: what was active is applied
// again, and once per boot of the host what is marked so is started.
func (m *Manager) boot(ctx context.Context, fresh bool) error {
	m.change.Lock()
	defer m.change.Unlock()
	if err := m.load(ctx); err != nil {
		return err
	}
	if m.cfg.Virtnetworkd {
		m.takeOver(ctx)
	}
	if err := m.adopt(ctx); err != nil {
		return err
	}
	if m.cfg.Virtnetworkd {
		m.endTakeOver(ctx)
	}
	if fresh {
		if err := m.defineDefault(ctx); err != nil {
			return fmt.Errorf("define network default: %w", err)
		}
	}
	first, err := m.cfg.Dir.FirstStart()
	if err != nil {
		return fmt.Errorf("mark the first start: %w", err)
	}
	if first {
		m.autostart(ctx)
	}
	return nil
}

// load reads definitions and active networks. Files that cannot be used are
// logged and left alone.
func (m *Manager) load(ctx context.Context) error {
	defs, err := m.cfg.Dir.Definitions()
	if err != nil {
		m.log.Error("some definitions are not usable", "err", err)
	}
	for _, d := range defs {
		if err := m.loadDefinition(ctx, d.Network, d.Autostart); err != nil {
			m.log.Error("definition is not usable", "network", d.Network.Name, "err", err)
		}
		for _, w := range d.Warnings {
			m.log.Warn("definition has what libvirt does not know; ignored", "network", d.Network.Name, "what", w.String())
		}
	}
	active, err := m.cfg.Dir.Active()
	if err != nil {
		m.log.Error("some active networks are not known any more", "err", err)
	}
	for _, n := range active {
		ports := m.loadPorts(n)
		m.mu.Lock()
		e := m.byID[n.UUID]
		if e == nil {
			e = m.add(n)
		}
		e.live, e.ports = n, ports
		m.mu.Unlock()
	}
	m.loadAttached(ctx)
	return nil
}

// loadDefinition takes in a definition file. One written by hand may lack
// UUID, MAC or bridge name: they are made now, and kept.
func (m *Manager) loadDefinition(ctx context.Context, n *xmlnet.Network, autostart bool) error {
	if _, err := m.clash(n); err != nil {
		return err
	}
	asWritten := n.Clone()
	if err := m.complete(ctx, n, nil); err != nil {
		return err
	}
	if string(asWritten.Format(xmlnet.FormatOptions{})) != string(n.Format(xmlnet.FormatOptions{})) {
		if err := m.cfg.Dir.SaveDefinition(n); err != nil {
			return err
		}
	}
	m.mu.Lock()
	e := m.add(n)
	e.config, e.autostart = n, autostart
	m.mu.Unlock()
	return nil
}

// adopt makes the host hold what is active. Rules come first and in one
// transaction, so that none is missing for a moment; a bridge that is there
// keeps its ports. What cannot be made right is logged, tried again by heal,
// and does not keep the other networks from working.
func (m *Manager) adopt(ctx context.Context) error {
	for _, e := range m.byID {
		if e.live == nil {
			continue
		}
		// Of an active network only what the definition says counts: a route
		// that collides today did not when it was started.
		p, err := m.makePlan(e.live, bridge.Host{})
		if err != nil {
			m.log.Error("active network cannot be adopted", "network", e.live.Name, "err", err)
			m.mu.Lock()
			if e.config == nil {
				delete(m.byID, e.live.UUID)
			}
			e.live, e.ports = nil, nil
			m.mu.Unlock()
			continue
		}
		live := m.adoptPool(e.live)
		m.mu.Lock()
		e.live, e.plan = live, p
		m.mu.Unlock()
		m.adoptKept(ctx, e)
	}
	if err := m.host.ApplyRules(ctx, m.ruleset(nil)); err != nil {
		m.log.Error("apply rules", "err", err)
	}
	if err := m.applyGuards(ctx); err != nil {
		m.log.Error("guard ports", "err", err)
	}
	for _, e := range m.byID {
		if e.live == nil {
			continue
		}
		if err := m.applyLinks(ctx, e.plan); err != nil {
			m.log.Error("apply bridge", "network", e.live.Name, "link", e.plan.Link(), "err", err)
		}
		m.adoptFloors(ctx, e)
		m.adoptZone(ctx, e)
		services := m.serveLater(e, e.live, e.plan)
		m.mu.Lock()
		e.services = services
		m.mu.Unlock()
		m.adoptRegistration(ctx, e)
		m.reattach(ctx, e)
		m.log.Info("network adopted", "network", e.live.Name, "link", e.plan.Link())
	}
	m.tellOwnAddrs()
	m.admitGuests(ctx)
	return nil
}

// autostart starts the networks marked so, by name; failures are logged.
func (m *Manager) autostart(ctx context.Context) {
	var todo []*entry
	for _, e := range m.byID {
		if e.autostart && e.live == nil {
			todo = append(todo, e)
		}
	}
	slices.SortFunc(todo, func(a, b *entry) int { return strings.Compare(a.config.Name, b.config.Name) })
	for _, e := range todo {
		if err := m.start(ctx, e, e.config.Clone()); err != nil {
			m.log.Error("autostart", "network", e.config.Name, "err", err)
		}
	}
}
