package network

import (
	"cmp"
	"errors"

	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// PortOptions say how CreatePort reads its document.
type PortOptions struct {
	// Reclaim takes in the port of a domain that runs already, with its plug.
	Reclaim bool
	// Validate refuses what libvirt's schema does not know.
	Validate bool
}

// CreatePort makes a domain's interface a port of a network, from port XML,
// and returns the network and the port's UUID. The network must be active
// (ErrOperationInvalid); two ports may have one owner and MAC address, as when
// an interface is updated, but not one UUID (ErrPortExists).
//
// Other errors are *xmlnet.Error: of the document, or of what the network
// cannot give (see package port).
func (m *Manager) CreatePort(id xmlnet.UUID, doc []byte, o PortOptions) (Ref, xmlnet.UUID, error) {
	a, err := m.active(id)
	if err != nil && !errors.Is(err, ErrOperationInvalid) {
		return Ref{}, xmlnet.UUID{}, err
	}
	req, warnings, parseErr := port.Parse(doc, o.Validate)
	if err = cmp.Or(parseErr, err); err != nil {
		return Ref{}, xmlnet.UUID{}, err
	}
	for _, w := range warnings {
		m.log.Warn("port XML has what libvirt does not know; dropped", "network", a.n.Name, "what", w.String())
	}
	decide := port.Assign
	if o.Reclaim {
		decide = port.Reclaim
	}
	p, err := m.addPort(a, req, decide)
	if err != nil {
		return Ref{}, xmlnet.UUID{}, err
	}
	m.log.Info("port created", "network", a.n.Name, "domain", p.Owner, "mac", p.MAC.String())
	return Ref{Name: a.n.Name, UUID: a.n.UUID}, p.UUID, nil
}

// addPort adds a port in memory, on the bridge and on disk, or not at all. The
// scripts that want to know of it may refuse it.
func (m *Manager) addPort(a activeNet, req port.Port, decide decision) (*port.Port, error) {
	p, err := a.ports.add(a.n, req, decide)
	if err != nil {
		return nil, err
	}
	if p.Floor() > 0 {
		err = m.floorsChanged(a.n, a.ports)
	}
	if err == nil {
		err = m.runHook(a.n, "port-created", "begin", p.FormatAt(1))
	}
	if err == nil {
		err = a.ports.flush(p.UUID)
	}
	if err != nil {
		_, undoErr := m.dropPort(a, p.UUID)
		return nil, errors.Join(err, undoErr)
	}
	m.portsChanged(a.n)
	return p, nil
}

// dropPort takes a port out of memory, and then off the bridge and the disk.
func (m *Manager) dropPort(a activeNet, id xmlnet.UUID) (*port.Port, error) {
	p, err := a.ports.take(id)
	if err != nil {
		return nil, err
	}
	m.portsChanged(a.n)
	err = a.ports.flush(id)
	if p.Floor() > 0 {
		err = errors.Join(err, m.floorsChanged(a.n, a.ports))
	}
	return p, err
}

// activeNet is an active network as a call about its ports needs it. It may
// stop meanwhile: then its ports are closed.
type activeNet struct {
	n     *xmlnet.Network
	ports *ports
}

// active finds an active network (ErrNotFound, ErrOperationInvalid).
func (m *Manager) active(id xmlnet.UUID) (activeNet, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	e, err := m.lookup(id)
	if err != nil {
		return activeNet{}, err
	}
	if e.ports == nil {
		return activeNet{}, invalid("network '%s' is not active", e.ref().Name)
	}
	return activeNet{e.live, e.ports}, nil
}

// withPort finds an active network that may have a port. A port of a network
// that is not active does not exist (ErrNoPort).
func (m *Manager) withPort(id, portID xmlnet.UUID) (activeNet, error) {
	a, err := m.active(id)
	if errors.Is(err, ErrOperationInvalid) {
		return a, noPort(portID)
	}
	return a, err
}

// ListPorts returns the ports of an active network (ErrOperationInvalid),
// sorted by UUID.
func (m *Manager) ListPorts(id xmlnet.UUID) ([]port.Port, error) {
	a, err := m.active(id)
	if err != nil {
		return nil, err
	}
	var list []port.Port
	for _, p := range a.ports.all() {
		list = append(list, *p)
	}
	return list, nil
}

// Port returns a port of a network (ErrNoPort). What it points to must not be
// changed.
func (m *Manager) Port(id, portID xmlnet.UUID) (port.Port, error) {
	a, err := m.withPort(id, portID)
	if err != nil {
		return port.Port{}, err
	}
	p, err := a.ports.get(portID)
	if err != nil {
		return port.Port{}, err
	}
	return *p, nil
}

// SetPortBandwidth replaces a port's limits; nil has none. Package port says
// what is refused.
func (m *Manager) SetPortBandwidth(id, portID xmlnet.UUID, to *xmlnet.Bandwidth) error {
	a, err := m.withPort(id, portID)
	if err != nil {
		return err
	}
	if err := a.ports.retune(a.n, portID, to); err != nil {
		return err
	}
	return errors.Join(m.floorsChanged(a.n, a.ports), a.ports.flush(portID), m.retuneAttached(portID, to))
}

// DeletePort removes a port (ErrNoPort); one that Attach made is detached.
func (m *Manager) DeletePort(id, portID xmlnet.UUID) error {
	if a := m.attachedNow()[portID]; a != nil && a.Network == id {
		return m.Detach(m.ctx, id, portID)
	}
	a, err := m.withPort(id, portID)
	if err != nil {
		return err
	}
	p, err := m.dropPort(a, portID)
	if p == nil {
		return err
	}
	m.log.Info("port deleted", "network", a.n.Name, "domain", p.Owner, "mac", p.MAC.String())
	m.logHook(a.n, m.runHook(a.n, "port-deleted", "begin", p.FormatAt(1)))
	return err
}
