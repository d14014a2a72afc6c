package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/resolved"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// planDefined is plan.Make, with the domain of every network registered if the
// settings say so. As libvirt demands of a registered domain it is then local
// to the network: the host's resolver would only ask us again.
func (m *Manager) planDefined(n *xmlnet.Network, have bridge.Host) (*plan.Plan, error) {
	if !m.cfg.RegisterDomains || n.Domain.Register == xmlnet.Yes {
		return plan.Make(n, have)
	}
	registered := n.Clone()
	registered.Domain.Register, registered.Domain.LocalOnly = xmlnet.Yes, xmlnet.Yes
	p, err := plan.Make(registered, have)
	if err == nil && p.Register != nil {
		p.Register.Optional = true
	}
	return p, err
}

// register tells the host's resolver of the network's domain, if the
// definition asks for it, and returns the index of the link that it told it
// for. The link forgets when it goes. A link that was told already, index
// known, is not told again.
func (m *Manager) register(ctx context.Context, p *plan.Plan, known int) (int, error) {
	index, err := m.tell(ctx, p, known)
	switch {
	case err != nil && p.Register.Optional && ctx.Err() == nil:
		m.notRegistered(p.Register, err)
		return 0, nil
	case errors.Is(err, resolved.ErrAbsent):
		return 0, invalid("failed to register name server: %s", resolved.ErrAbsent)
	case err != nil:
		return 0, err
	}
	return index, nil
}

// tell is register without an opinion of errors.
func (m *Manager) tell(ctx context.Context, p *plan.Plan, known int) (int, error) {
	if p.Register == nil {
		return 0, nil
	}
	host, err := m.host.Observe(ctx)
	if err != nil {
		return 0, fmt.Errorf("find the bridge to register: %w", err)
	}
	for _, l := range host.Links {
		switch {
		case l.Name != p.Register.Link:
		case l.Index == known:
			return known, nil
		default:
			return l.Index, m.resolved.Register(ctx, l.Index, *p.Register)
		}
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
		err := m.resolved.Revert(ctx, e.registered)
		m.setRegistered(e, 0)
		return err
	}
	index, err := m.register(ctx, p, 0)
	m.setRegistered(e, index)
	return err
}

// setRegistered notes where the network's domain is registered.
func (m *Manager) setRegistered(e *entry, index int) {
	m.mu.Lock()
	e.registered = index
	m.mu.Unlock()
}

// notRegistered says that the host does without the names of a network. A host
// without systemd-resolved is like most.
func (m *Manager) notRegistered(r *resolved.Registration, err error) {
	level := slog.LevelWarn
	if errors.Is(err, resolved.ErrAbsent) {
		level = slog.LevelDebug
	}
	m.log.Log(context.Background(), level, "the host's resolver does not know the network's names", "link", r.Link, "err", err)
}

// adoptRegistration is register for an active network, which stays so if it
// fails.
func (m *Manager) adoptRegistration(ctx context.Context, e *entry) {
	index, err := m.register(ctx, e.plan, e.registered)
	if err != nil && ctx.Err() != nil {
		return // what was told before is still to be taken back
	}
	if err != nil {
		m.log.Error("register the network's domain", "network", e.live.Name, "err", err)
	}
	m.setRegistered(e, index)
}

// A systemd-resolved that has begun may not know of all links yet: then it is
// told again.
const (
	tellAgain = 500 * time.Millisecond
	tellTimes = 10
)

// followResolved registers domains again when systemd-resolved, begun later or
// anew, does not know of them.
func (m *Manager) followResolved(ctx context.Context) {
	if m.cfg.SystemBus == "" {
		return
	}
	m.resolved.Watch(ctx, func() {
		for range tellTimes {
			if m.registerAll(ctx) {
				return
			}
			select {
			case <-time.After(tellAgain):
			case <-ctx.Done():
				return
			}
		}
	})
}

// registerAll registers every network that is to be, and tells whether that was
// all that could be done: where there is no resolver, nothing can.
func (m *Manager) registerAll(ctx context.Context) (done bool) {
	m.change.Lock()
	defer m.change.Unlock()
	done = true
	for _, e := range m.byID {
		if e.live == nil || e.plan.Register == nil {
			continue
		}
		index, err := m.tell(ctx, e.plan, 0)
		switch {
		case err == nil:
			m.setRegistered(e, index)
		case ctx.Err() != nil:
			return true // what was told before is still to be taken back
		case errors.Is(err, resolved.ErrAbsent):
			m.notRegistered(e.plan.Register, err)
			m.setRegistered(e, 0)
		default:
			m.notRegistered(e.plan.Register, err)
			m.setRegistered(e, 0)
			done = false
		}
	}
	return done
}

// farewell is how long the host's resolver has, when the daemon ends, to forget
// all networks.
const farewell = 2 * time.Second

// unregister makes the host's resolver forget all networks, whose servers end:
// it would ask in vain. m.change is held.
func (m *Manager) unregister() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	for _, e := range m.byID {
		if e.registered == 0 {
			continue
		}
		if err := m.resolved.Revert(ctx, e.registered); err != nil {
			m.log.Warn("take names back from the host's resolver", "network", e.ref().Name, "err", err)
		}
		m.setRegistered(e, 0)
	}
}
