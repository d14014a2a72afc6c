package network

import (
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
	n, ports, err := m.livePorts(id)
	if err != nil {
		return Ref{}, xmlnet.UUID{}, err
	}
	req, warnings, err := port.Parse(doc, o.Validate)
	if err != nil {
		return Ref{}, xmlnet.UUID{}, err
	}
	if ports == nil {
		return Ref{}, xmlnet.UUID{}, invalid("network '%s' is not active", n.Name)
	}
	for _, w := range warnings {
		m.log.Warn("port XML has what libvirt does not know; dropped", "network", n.Name, "what", w.String())
	}
	decide := port.Assign
	if o.Reclaim {
		decide = port.Reclaim
	}
	p, err := m.addPort(n, ports, req, decide)
	if err != nil {
		return Ref{}, xmlnet.UUID{}, err
	}
	m.log.Info("port created", "network", n.Name, "domain", p.Owner, "mac", p.MAC.String())
	return Ref{Name: n.Name, UUID: n.UUID}, p.UUID, nil
}

// addPort adds a port in memory and on disk, or not at all. The scripts that
// want to know of it may refuse it.
func (m *Manager) addPort(n *xmlnet.Network, ports *ports, req port.Port, decide decision) (*port.Port, error) {
	p, err := ports.add(n, req, decide)
	if err != nil {
		return nil, err
	}
	if err = m.runHook(n, "port-created", "begin", p.FormatAt(1)); err == nil {
		err = ports.flush(p.UUID)
	}
	if err != nil {
		return nil, ports.undo(p.UUID, err)
	}
	m.portsChanged(n)
	return p, nil
}

// livePorts returns a network's definition and its ports, nil if it is not
// active (ErrNotFound).
func (m *Manager) livePorts(id xmlnet.UUID) (*xmlnet.Network, *ports, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	e, err := m.lookup(id)
	if err != nil {
		return nil, nil, err
	}
	return e.current(), e.ports, nil
}

// ListPorts returns the ports of an active network (ErrOperationInvalid),
// sorted by UUID.
func (m *Manager) ListPorts(id xmlnet.UUID) ([]port.Port, error) {
	n, ports, err := m.livePorts(id)
	if err != nil {
		return nil, err
	}
	if ports == nil {
		return nil, invalid("network '%s' is not active", n.Name)
	}
	var list []port.Port
	for _, p := range ports.all() {
		list = append(list, *p)
	}
	return list, nil
}

// Port returns a port of a network (ErrNoPort). What it points to must not be
// changed.
func (m *Manager) Port(id, portID xmlnet.UUID) (port.Port, error) {
	_, ports, err := m.livePorts(id)
	if err != nil {
		return port.Port{}, err
	}
	p, err := ports.get(portID)
	if err != nil {
		return port.Port{}, err
	}
	return *p, nil
}

// SetPortBandwidth replaces a port's limits; nil has none. Package port says
// what is refused.
func (m *Manager) SetPortBandwidth(id, portID xmlnet.UUID, to *xmlnet.Bandwidth) error {
	n, ports, err := m.livePorts(id)
	if err != nil {
		return err
	}
	if err := ports.retune(n, portID, to); err != nil {
		return err
	}
	return ports.flush(portID)
}

// DeletePort removes a port (ErrNoPort).
func (m *Manager) DeletePort(id, portID xmlnet.UUID) error {
	n, ports, err := m.livePorts(id)
	if err != nil {
		return err
	}
	p, err := ports.take(portID)
	if err != nil {
		return err
	}
	m.portsChanged(n)
	m.log.Info("port deleted", "network", n.Name, "domain", p.Owner, "mac", p.MAC.String())
	err = ports.flush(portID)
	m.logHook(n, m.runHook(n, "port-deleted", "begin", p.FormatAt(1)))
	return err
}
