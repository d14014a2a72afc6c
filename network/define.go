package network

import (
	"context"
	"fmt"
	"slices"

	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// parse reads and checks a document from a client.
func (m *Manager) parse(doc []byte, validate bool) (*xmlnet.Network, error) {
	if validate {
		if _, err := xmlnet.ParseStrict(doc); err != nil {
			return nil, err
		}
	}
	n, warnings, err := xmlnet.Parse(doc)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		m.log.Warn("network XML has what libvirt does not know; dropped", "network", n.Name, "what", w.String())
	}
	if err := n.Validate(); err != nil {
		return nil, err
	}
	if err := plan.CheckOptions(n); err != nil {
		return nil, err
	}
	if err := plan.CheckMetadata(n); err != nil {
		return nil, err
	}
	return n, m.checkPool(n)
}

// clash finds the network that n redefines, if any, and refuses one that has
// the bridge, the name or the UUID of another. Any number of networks may name
// a bridge that is not theirs.
func (m *Manager) clash(n *xmlnet.Network) (*entry, error) {
	if n.Forward.Mode.OwnBridge() && n.Bridge.Name != "" { // libvirt looks at this first
		if other := m.holder(n.Bridge.Name, m.find(n.Name)); other != nil {
			return nil, &xmlnet.Error{Kind: xmlnet.InternalError, Text: fmt.Sprintf("bridge name '%s' already in use.", n.Bridge.Name)}
		}
	}
	if e := m.byID[n.UUID]; e != nil && !n.UUID.IsZero() {
		if have := e.ref(); have.Name != n.Name {
			return nil, &Error{Kind: ErrOperationFailed, Text: fmt.Sprintf("network '%s' is already defined with uuid %s", have.Name, have.UUID)}
		}
		return e, nil
	}
	if e := m.find(n.Name); e != nil {
		return nil, &Error{Kind: ErrOperationFailed, Text: fmt.Sprintf("network '%s' already exists with uuid %s", n.Name, e.ref().UUID)}
	}
	return nil, nil
}

// complete fills in what a definition may leave to us. A redefinition that
// names no bridge or MAC keeps the ones it had.
func (m *Manager) complete(ctx context.Context, n *xmlnet.Network, old *entry) error {
	if old != nil && n.Forward.Mode.OwnBridge() {
		if was := old.current(); was.Forward.Mode.OwnBridge() {
			if n.Bridge.Name == "" {
				n.Bridge.Name = was.Bridge.Name
			}
			if n.MAC == nil {
				n.MAC = was.MAC
			}
		}
	}
	host, err := m.host.Observe(ctx)
	if err != nil {
		return fmt.Errorf("look for a free bridge name: %w", err)
	}
	links := make(map[string]bool)
	for _, l := range host.Links {
		links[l.Name] = true
	}
	return n.Complete(func(name string) bool { return links[name] || m.holder(name, nil) != nil })
}

// holder returns the network other than self that has a bridge name.
func (m *Manager) holder(bridge string, self *entry) *entry {
	for _, e := range m.byID {
		if e != self && slices.Contains(e.bridges(), bridge) {
			return e
		}
	}
	return nil
}

// Define makes doc a network's persistent definition. An active network goes
// on as it is; the definition takes effect when it next starts. With validate,
// what libvirt's schema does not know is refused rather than dropped.
func (m *Manager) Define(ctx context.Context, doc []byte, validate bool) (Ref, error) {
	n, err := m.parse(doc, validate)
	if err != nil {
		return Ref{}, err
	}
	m.change.Lock()
	defer m.change.Unlock()
	return m.define(ctx, n)
}

// define stores n; m.change is held.
func (m *Manager) define(ctx context.Context, n *xmlnet.Network) (Ref, error) {
	e, err := m.clash(n)
	if err != nil {
		return Ref{}, err
	}
	if err := m.complete(ctx, n, e); err != nil {
		return Ref{}, err
	}
	if err := m.cfg.Dir.SaveDefinition(n); err != nil {
		return Ref{}, err
	}
	m.mu.Lock()
	if e == nil {
		e = m.add(n)
	}
	e.config = n
	m.mu.Unlock()
	ref := Ref{Name: n.Name, UUID: n.UUID}
	m.events.publish(Event{Network: ref, Kind: Defined})
	return ref, nil
}

// Undefine removes a persistent definition. An active network goes on as a
// transient one.
func (m *Manager) Undefine(ctx context.Context, id xmlnet.UUID) error {
	m.change.Lock()
	defer m.change.Unlock()
	e, err := m.lookup(id)
	if err != nil {
		return err
	}
	if e.config == nil {
		return invalid("can't undefine transient network")
	}
	ref := e.ref()
	if err := m.cfg.Dir.RemoveDefinition(ref.Name); err != nil {
		return err
	}
	if e.live == nil {
		err = m.forget(e)
	}
	m.mu.Lock()
	e.config, e.autostart = nil, false
	m.mu.Unlock()
	m.events.publish(Event{Network: ref, Kind: Undefined})
	return err
}

// SetAutostart sets whether the network starts with the host.
func (m *Manager) SetAutostart(ctx context.Context, id xmlnet.UUID, on bool) error {
	m.change.Lock()
	defer m.change.Unlock()
	e, err := m.lookup(id)
	if err != nil {
		return err
	}
	if e.config == nil {
		return invalid("cannot set autostart for transient network")
	}
	if err := m.cfg.Dir.SetAutostart(e.config.Name, on); err != nil {
		return err
	}
	m.mu.Lock()
	e.autostart = on
	m.mu.Unlock()
	return nil
}

func invalid(format string, args ...any) error {
	return &Error{Kind: ErrOperationInvalid, Text: fmt.Sprintf(format, args...)}
}

func invalidArg(format string, args ...any) error {
	return &Error{Kind: ErrInvalidArg, Text: fmt.Sprintf(format, args...)}
}
