package network

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/nat"
	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Start starts a defined network.
func (m *Manager) Start(ctx context.Context, id xmlnet.UUID) error {
	m.change.Lock()
	defer m.change.Unlock()
	e, err := m.lookup(id)
	if err != nil {
		return err
	}
	if e.live != nil {
		return invalid("network is already active")
	}
	if err := m.start(ctx, e, e.config.Clone()); err != nil {
		return err
	}
	m.events.publish(Event{Network: e.ref(), Kind: Started})
	return nil
}

// Create starts a network from doc without storing it. Over an inactive
// persistent network of the same name and UUID it runs doc, and the stored
// definition is back after Destroy.
func (m *Manager) Create(ctx context.Context, doc []byte, validate bool) (Ref, error) {
	n, err := m.parse(doc, validate)
	if err != nil {
		return Ref{}, err
	}
	m.change.Lock()
	defer m.change.Unlock()
	e, err := m.clash(n)
	if err != nil {
		return Ref{}, err
	}
	if e != nil && e.live != nil {
		return Ref{}, invalid("network is already active as '%s'", n.Name)
	}
	if err := m.complete(ctx, n, e); err != nil {
		return Ref{}, err
	}
	if err := m.createTransient(ctx, e, n); err != nil {
		return Ref{}, err
	}
	ref := Ref{Name: n.Name, UUID: n.UUID}
	m.events.publish(Event{Network: ref, Kind: Started})
	return ref, nil
}

// createTransient starts n as e, or as an entry of its own that exists only
// once it runs.
func (m *Manager) createTransient(ctx context.Context, e *entry, n *xmlnet.Network) error {
	if e != nil {
		return m.start(ctx, e, n)
	}
	e = &entry{leases: m.leases.Table(n.UUID.String())}
	if err := m.start(ctx, e, n); err != nil {
		return errors.Join(err, m.leases.Drop(n.UUID.String()))
	}
	return nil
}

// startUnhooked brings n up as e's live definition; m.change is held. When it
// fails, the host and the disk are as before.
func (m *Manager) startUnhooked(ctx context.Context, e *entry, n *xmlnet.Network) error {
	n, err := m.expandPool(n)
	if err != nil {
		return err
	}
	have, err := m.host.Observe(ctx)
	if err != nil {
		return fmt.Errorf("observe the host: %w", err)
	}
	p, err := m.makePlan(n, have)
	if err != nil {
		return err
	}
	if err := m.cfg.Dir.SaveActive(n, port.PoolState{}, false); err != nil {
		return err
	}
	services, err := m.bringUp(ctx, e, n, p)
	if err != nil {
		return errors.Join(hostError(p, err), m.cfg.Dir.RemoveActive(n.Name))
	}
	ports := m.noPorts(n)
	m.mu.Lock()
	e.live, e.plan, e.services, e.ports = n, p, services, ports
	m.byID[n.UUID] = e
	m.mu.Unlock()
	m.reattach(context.WithoutCancel(ctx), e)
	m.tellOwnAddrs()
	m.log.Info("network started", "network", n.Name, "link", p.Link())
	m.warnDroppers(ctx, n.Name, p, m.admitGuests(ctx))
	return nil
}

// bringUp applies p and starts its servers; on failure it applies the state
// without it. No guest is on the bridge before the rules are.
func (m *Manager) bringUp(ctx context.Context, e *entry, n *xmlnet.Network, p *plan.Plan) (*services, error) {
	hadStatus := m.hasStatus(n.Bridge.Name)
	s, err := m.build(ctx, e, n, p)
	if err == nil {
		return s, nil
	}
	if !hadStatus && n.Forward.Mode.OwnBridge() {
		err = errors.Join(err, m.removeStatus(n.Bridge.Name))
	}
	// The client may be gone by now, and its context with it.
	ctx = context.WithoutCancel(ctx)
	if errors.Is(err, bridge.ErrLinkExists) {
		return nil, err // nothing was made
	}
	return nil, errors.Join(err,
		m.removeLinks(ctx, p),
		m.removeZone(ctx, p),
		m.host.ApplyRules(ctx, m.ruleset(nil)))
}

// build does bringUp's steps. Forwarding comes last: once on it stays on, so
// it must not be the one trace of a start that failed.
func (m *Manager) build(ctx context.Context, e *entry, n *xmlnet.Network, p *plan.Plan) (*services, error) {
	if err := m.applyLinks(ctx, p.WithoutForwarding()); err != nil {
		return nil, err
	}
	if err := m.host.ApplyRules(ctx, m.ruleset(p.NAT)); err != nil {
		return nil, err
	}
	if err := m.applyZone(ctx, p); err != nil {
		return nil, err
	}
	s, err := m.serve(e, n, p)
	if err != nil {
		return nil, err
	}
	index, err := m.register(ctx, p, 0)
	if err == nil {
		err = m.applyLinks(ctx, p)
	}
	if err != nil {
		s.stop(errEnded)
		return nil, err
	}
	m.setRegistered(e, index)
	return s, nil
}

// ruleset is that of all active networks, and one more.
func (m *Manager) ruleset(more *nat.Network) nat.Ruleset {
	var rs nat.Ruleset
	for _, e := range m.byID {
		if e.live == nil {
			continue
		}
		if rules := e.rules(e.plan); rules != nil {
			rs.Networks = append(rs.Networks, *rules)
		}
	}
	if more != nil {
		rs.Networks = append(rs.Networks, *more)
	}
	return rs
}

// hostError gives the host's refusals libvirt's codes.
func hostError(p *plan.Plan, err error) error {
	switch {
	case errors.Is(err, bridge.ErrLinkExists):
		return &Error{Kind: ErrSystem, Errno: int(syscall.EEXIST), Text: fmt.Sprintf("error creating bridge interface %s: File exists", p.Bridge.Name)}
	case errors.Is(err, bridge.ErrNotInKernel) && errors.Is(err, syscall.EOPNOTSUPP): // VLAN filtering
		return &Error{Kind: ErrSystem, Errno: int(syscall.EOPNOTSUPP), Text: err.Error()}
	case errors.Is(err, bridge.ErrNotInKernel):
		return &Error{Kind: ErrInternal, Text: err.Error()}
	case errors.Is(err, bridge.ErrLinkNotFound) && p.Named != nil:
		return &Error{Kind: ErrSystem, Errno: int(syscall.ENODEV), Text: err.Error()}
	default:
		return err
	}
}

// Destroy stops an active network; guests lose it. A transient one is gone
// afterwards.
func (m *Manager) Destroy(ctx context.Context, id xmlnet.UUID) error {
	m.change.Lock()
	defer m.change.Unlock()
	e, err := m.lookup(id)
	if err != nil {
		return err
	}
	if e.live == nil {
		return invalid("network '%s' is not active", e.ref().Name)
	}
	ref := e.ref()
	err = m.stop(context.WithoutCancel(ctx), e)
	m.events.publish(Event{Network: ref, Kind: Stopped})
	return err
}

// stop takes down what start brought up, past errors: the network is inactive
// afterwards, and what could not be removed is in the error. That it is active
// is on disk until its links are gone, so that a daemon killed in between
// leaves no bridge behind that the next one does not know.
func (m *Manager) stop(ctx context.Context, e *entry) error {
	ref, n, p, s := e.ref(), e.live, e.plan, e.services
	s.stop(errEnded)
	errs := []error{m.removeLinks(ctx, p), m.removeZone(ctx, p), e.ports.close(), m.cfg.Dir.RemoveActive(ref.Name)}
	if e.config == nil {
		errs = append(errs, m.forget(e))
	}
	m.mu.Lock()
	e.live, e.plan, e.services, e.ports, e.registered, e.kept = nil, nil, nil, nil, 0, nil
	m.mu.Unlock()
	m.portsChanged(n)
	errs = append(errs, m.host.ApplyRules(ctx, m.ruleset(nil)), m.applyGuards(ctx))
	m.tellOwnAddrs()
	m.admitGuests(ctx)
	m.log.Info("network stopped", "network", ref.Name, "link", p.Link())
	m.hookStopped(n)
	return errors.Join(errs...)
}
