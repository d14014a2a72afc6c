package rpc

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

var _ Networks = (*network.Manager)(nil)

// memory is Networks without a host: what Manager says, done in a map.
type memory struct {
	mu          sync.Mutex
	networks    map[xmlnet.UUID]*memoryNetwork
	subscribers []chan network.Event

	// startErr is what Start returns. A Start of a network called slow says
	// so on begun and waits for gate or its context.
	startErr error
	begun    chan struct{}
	gate     chan struct{}
}

type memoryNetwork struct {
	network.Info
	doc    string
	leases []network.Lease
	ports  map[xmlnet.UUID]port.Port
}

func newMemory(names ...string) *memory {
	m := &memory{
		networks: make(map[xmlnet.UUID]*memoryNetwork),
		begun:    make(chan struct{}, 100),
		gate:     make(chan struct{}),
	}
	for i, name := range names {
		m.add(network.Info{Ref: network.Ref{Name: name, UUID: id(i + 1)}, Bridge: fmt.Sprintf("virbr%d", i), Persistent: true})
	}
	return m
}

// id is the UUID of the n-th network of a test.
func id(n int) xmlnet.UUID { return xmlnet.UUID{0: 0xaa, 15: byte(n)} }

func (m *memory) add(i network.Info) *memoryNetwork {
	n := &memoryNetwork{Info: i, doc: fmt.Sprintf("<network>\n  <name>%s</name>\n  <uuid>%s</uuid>\n</network>\n", i.Name, i.UUID)}
	n.ports = make(map[xmlnet.UUID]port.Port)
	m.networks[i.UUID] = n
	return n
}

func (m *memory) List() []network.Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []network.Info
	for _, n := range m.networks {
		all = append(all, n.Info)
	}
	slices.SortFunc(all, func(a, b network.Info) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (m *memory) LookupName(name string) (network.Info, error) {
	for _, i := range m.List() {
		if i.Name == name {
			return i, nil
		}
	}
	return network.Info{}, network.ErrNotFound
}

func (m *memory) LookupUUID(id xmlnet.UUID) (network.Info, error) {
	var i network.Info
	err := m.with(id, func(n *memoryNetwork) error { i = n.Info; return nil })
	return i, err
}

// with runs fn on a network under the lock.
func (m *memory) with(id xmlnet.UUID, fn func(*memoryNetwork) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.networks[id]
	if !ok {
		return &network.Error{Kind: network.ErrNotFound, Text: "gone"}
	}
	return fn(n)
}

func invalid(format string, args ...any) error {
	return &network.Error{Kind: network.ErrOperationInvalid, Text: fmt.Sprintf(format, args...)}
}

var nameElement = regexp.MustCompile(`<name>(.*)</name>`)

func (m *memory) Define(_ context.Context, doc []byte, validate bool) (network.Ref, error) {
	return m.store(doc, validate, network.Defined, func(n *memoryNetwork) { n.Persistent = true })
}

func (m *memory) Create(_ context.Context, doc []byte, validate bool) (network.Ref, error) {
	return m.store(doc, validate, network.Started, func(n *memoryNetwork) { n.Active = true })
}

func (m *memory) store(doc []byte, validate bool, kind network.EventKind, change func(*memoryNetwork)) (network.Ref, error) {
	name := nameElement.FindSubmatch(doc)
	switch {
	case name == nil:
		return network.Ref{}, &xmlnet.Error{Kind: xmlnet.NoName}
	case validate && strings.Contains(string(doc), "<bogus/>"):
		return network.Ref{}, &xmlnet.Error{Kind: xmlnet.XMLInvalidSchema, Text: "bogus"}
	}
	if i, err := m.LookupName(string(name[1])); err == nil {
		return network.Ref{}, &network.Error{Kind: network.ErrOperationFailed,
			Text: fmt.Sprintf("network '%s' already exists with uuid %s", i.Name, i.UUID)}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.add(network.Info{Ref: network.Ref{Name: string(name[1]), UUID: xmlnet.NewUUID()}, Bridge: "virbr9"})
	change(n)
	m.emit(n.Ref, kind)
	return n.Ref, nil
}

func (m *memory) Start(ctx context.Context, id xmlnet.UUID) error {
	if m.startErr != nil {
		return m.startErr
	}
	if i, err := m.LookupUUID(id); err == nil && i.Name == "slow" {
		m.begun <- struct{}{}
		select {
		case <-m.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return m.with(id, func(n *memoryNetwork) error {
		if n.Active {
			return invalid("network is already active")
		}
		n.Active = true
		m.emit(n.Ref, network.Started)
		return nil
	})
}

func (m *memory) Destroy(_ context.Context, id xmlnet.UUID) error {
	return m.with(id, func(n *memoryNetwork) error {
		if !n.Active {
			return invalid("network '%s' is not active", n.Name)
		}
		n.Active = false
		m.emit(n.Ref, network.Stopped)
		return nil
	})
}

func (m *memory) Undefine(_ context.Context, id xmlnet.UUID) error {
	return m.with(id, func(n *memoryNetwork) error {
		if !n.Persistent {
			return invalid("can't undefine transient network")
		}
		delete(m.networks, id)
		m.emit(n.Ref, network.Undefined)
		return nil
	})
}

func (m *memory) SetAutostart(_ context.Context, id xmlnet.UUID, on bool) error {
	return m.with(id, func(n *memoryNetwork) error {
		if !n.Persistent {
			return invalid("cannot set autostart for transient network")
		}
		n.Autostart = on
		return nil
	})
}

func (m *memory) XML(id xmlnet.UUID, inactive bool) (string, error) {
	var doc string
	err := m.with(id, func(n *memoryNetwork) error {
		if doc = n.doc; n.Active && !inactive {
			doc = strings.Replace(doc, "<network>", "<network connections='1'>", 1)
		}
		return nil
	})
	return doc, err
}

func (m *memory) Leases(id xmlnet.UUID, mac string) ([]network.Lease, error) {
	if mac != "" {
		if _, err := net.ParseMAC(mac); err != nil {
			return nil, fmt.Errorf("leases of %s: %w", mac, network.ErrInvalidMAC)
		}
	}
	var found []network.Lease
	err := m.with(id, func(n *memoryNetwork) error {
		for _, l := range n.leases {
			if mac == "" || strings.EqualFold(l.MAC.String(), mac) {
				found = append(found, l)
			}
		}
		return nil
	})
	return found, err
}

func (m *memory) Subscribe() (<-chan network.Event, func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ch := make(chan network.Event, 1<<16)
	m.subscribers = append(m.subscribers, ch)
	return ch, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.subscribers = slices.DeleteFunc(m.subscribers, func(c chan network.Event) bool { return c == ch })
	}
}

// emit needs the lock.
func (m *memory) emit(r network.Ref, kind network.EventKind) {
	m.tell(network.Event{Network: r, Kind: kind})
}

// tell needs the lock.
func (m *memory) tell(e network.Event) {
	for _, ch := range m.subscribers {
		ch <- e
	}
}

// Update changes the document as a Manager changes both definitions.
func (m *memory) Update(_ context.Context, id xmlnet.UUID, u xmlnet.Update, a network.Affect) error {
	return m.with(id, func(n *memoryNetwork) error {
		if a&network.AffectLive != 0 && !n.Active {
			return invalid("network is not running")
		}
		return n.change(func(def *xmlnet.Network) (*xmlnet.Network, error) {
			changed, _, err := def.Update(u)
			return changed, err
		})
	})
}

// change rewrites the document.
func (n *memoryNetwork) change(fn func(*xmlnet.Network) (*xmlnet.Network, error)) error {
	def, _, err := xmlnet.Parse([]byte(n.doc))
	if err != nil {
		return err
	}
	changed, err := fn(def)
	if err == nil {
		n.doc = string(changed.Format(xmlnet.FormatOptions{}))
	}
	return err
}

func (m *memory) DefineLive(_ context.Context, doc []byte, validate bool) (network.Ref, error) {
	return m.store(doc, validate, network.Defined, func(n *memoryNetwork) { n.Persistent = true })
}

func (m *memory) SetMetadata(id xmlnet.UUID, d network.Metadata, a network.Affect) error {
	err := m.with(id, func(n *memoryNetwork) error {
		return n.change(func(def *xmlnet.Network) (*xmlnet.Network, error) {
			switch {
			case d.Type == network.Title && d.Text != nil:
				return def.WithTitle(*d.Text)
			case d.Type == network.Element && d.Text == nil:
				return def.WithoutMetadata(*d.URI), nil
			case d.Type == network.Element:
				return def.WithMetadata(*d.Key, *d.URI, *d.Text)
			}
			return nil, network.ErrInvalidArg
		})
	})
	if err != nil {
		return err
	}
	change := network.MetadataChange{Type: d.Type}
	if d.URI != nil {
		change.URI = *d.URI
	}
	info, err := m.LookupUUID(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tell(network.Event{Network: info.Ref, Metadata: &change})
	return err
}

func (m *memory) Metadata(id xmlnet.UUID, kind network.MetadataType, uri string, a network.Affect) (string, error) {
	text := ""
	err := m.with(id, func(n *memoryNetwork) error {
		def, _, err := xmlnet.Parse([]byte(n.doc))
		if err != nil {
			return err
		}
		text = def.Title
		if kind == network.Element {
			text, _ = def.MetadataOf(uri)
		}
		if text == "" {
			return &network.Error{Kind: network.ErrNoMetadata, Text: "Requested metadata element is not present"}
		}
		return nil
	})
	return text, err
}

// portNet is the definition that a network's ports are made for.
func (n *memoryNetwork) portNet() *xmlnet.Network {
	return &xmlnet.Network{
		Name: n.Name, UUID: n.UUID, Bridge: xmlnet.Bridge{Name: n.Bridge},
		PortGroups: []xmlnet.PortGroup{{Name: "slow", TrustGuestRxFilters: xmlnet.Yes, Bandwidth: &xmlnet.Bandwidth{Outbound: &xmlnet.Rate{Average: 9}}}},
		Bandwidth:  &xmlnet.Bandwidth{Inbound: &xmlnet.Rate{Average: 100}},
	}
}

func (n *memoryNetwork) pool() port.PoolState {
	var s port.PoolState
	for _, p := range n.ports {
		s.Add(&p)
	}
	return s
}

func (m *memory) CreatePort(id xmlnet.UUID, doc []byte, o network.PortOptions) (ref network.Ref, portID xmlnet.UUID, err error) {
	err = m.with(id, func(n *memoryNetwork) error {
		req, _, err := port.Parse(doc, o.Validate)
		if err != nil {
			return err
		}
		if !n.Active {
			return invalid("network '%s' is not active", n.Name)
		}
		if _, taken := n.ports[req.UUID]; taken {
			return &network.Error{Kind: network.ErrPortExists, Text: fmt.Sprintf("Network port with UUID %s already exists", req.UUID)}
		}
		decide := port.Assign
		if o.Reclaim {
			decide = port.Reclaim
		}
		p, err := decide(n.portNet(), req, n.pool())
		if err == nil {
			ref, portID = n.Ref, p.UUID
			n.ports[p.UUID] = p
		}
		return err
	})
	return ref, portID, err
}

func (m *memory) ListPorts(id xmlnet.UUID) (list []port.Port, err error) {
	err = m.with(id, func(n *memoryNetwork) error {
		if !n.Active {
			return invalid("network '%s' is not active", n.Name)
		}
		for _, p := range n.ports {
			list = append(list, p)
		}
		slices.SortFunc(list, func(a, b port.Port) int { return strings.Compare(a.UUID.String(), b.UUID.String()) })
		return nil
	})
	return list, err
}

func (m *memory) Port(id, portID xmlnet.UUID) (p port.Port, err error) {
	err = m.with(id, func(n *memoryNetwork) (err error) { p, err = n.port(portID); return err })
	return p, err
}

func (n *memoryNetwork) port(id xmlnet.UUID) (port.Port, error) {
	p, ok := n.ports[id]
	if !ok {
		return p, &network.Error{Kind: network.ErrNoPort, Text: fmt.Sprintf("Network port with UUID %s does not exist", id)}
	}
	return p, nil
}

func (m *memory) SetPortBandwidth(id, portID xmlnet.UUID, to *xmlnet.Bandwidth) error {
	return m.with(id, func(n *memoryNetwork) error {
		p, err := n.port(portID)
		if err == nil {
			p, err = port.Retune(n.portNet(), p, to, n.pool())
		}
		if err == nil {
			n.ports[portID] = p
		}
		return err
	})
}

func (m *memory) Attached(id xmlnet.UUID) ([]network.Attached, error) {
	ports, err := m.ListPorts(id)
	var all []network.Attached
	for _, p := range ports {
		all = append(all, network.Attached{Port: p.UUID, MAC: p.MAC, Identity: network.Identity{Domain: p.Owner}})
	}
	return all, err
}

func (m *memory) Neighbours(_ context.Context, id xmlnet.UUID) ([]network.Neighbour, error) {
	all, err := m.Attached(id)
	var found []network.Neighbour
	for _, a := range all {
		found = append(found, network.Neighbour{Identity: a.Identity, FDBEntry: bridge.FDBEntry{MAC: a.MAC, Port: "vnet0"}})
	}
	return found, err
}

func (m *memory) DeletePort(id, portID xmlnet.UUID) error {
	return m.with(id, func(n *memoryNetwork) error {
		_, err := n.port(portID)
		delete(n.ports, portID)
		return err
	})
}
