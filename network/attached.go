package network

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Identity is who has a MAC address on a network, as far as it is known.
type Identity struct {
	Domain   string
	Addrs    []netip.Addr // by DHCP
	Hostname string       // that the guest sent
}

// Attached is a port of a network and who is behind it.
type Attached struct {
	Identity
	Port xmlnet.UUID
	MAC  net.HardwareAddr
	Link string // on the host, "" if it is not known
}

// Neighbour is an address in a bridge's forwarding database and who has it.
type Neighbour struct {
	Identity
	bridge.FDBEntry
}

// Attached lists the ports of an active network (ErrOperationInvalid), sorted
// by UUID.
func (m *Manager) Attached(id xmlnet.UUID) ([]Attached, error) {
	a, err := m.active(id)
	if err != nil {
		return nil, err
	}
	who, err := m.identities(a)
	if err != nil {
		return nil, err
	}
	links := make(map[string]string)
	for _, g := range m.guestsOn(a.n) {
		links[g.MAC.String()] = g.Link
	}
	for _, l := range m.attachedNow().of(a.n.UUID) {
		links[l.MAC.String()] = l.Link
	}
	var list []Attached
	for _, p := range a.ports.all() {
		mac := p.MAC.String()
		one := Attached{Identity: who[mac], Port: p.UUID, MAC: p.MAC, Link: links[mac]}
		one.Domain = p.Owner
		list = append(list, one)
	}
	return list, nil
}

// Neighbours lists what an active network's bridge has learned
// (ErrOperationInvalid), sorted by MAC address.
func (m *Manager) Neighbours(ctx context.Context, id xmlnet.UUID) ([]Neighbour, error) {
	a, err := m.active(id)
	if err != nil {
		return nil, err
	}
	if a.n.Bridge.Name == "" {
		return nil, invalid("network '%s' has no bridge", a.n.Name)
	}
	who, err := m.identities(a)
	if err != nil {
		return nil, err
	}
	entries, err := m.host.FDB(ctx, a.n.Bridge.Name)
	if err != nil {
		return nil, err
	}
	list := make([]Neighbour, len(entries))
	for i, e := range entries {
		list[i] = Neighbour{Identity: who[e.MAC.String()], FDBEntry: e}
	}
	return list, nil
}

// identities returns who has which MAC address on a network.
func (m *Manager) identities(a activeNet) (map[string]Identity, error) {
	leases, err := m.Leases(a.n.UUID, "")
	if err != nil {
		return nil, err
	}
	who := make(map[string]Identity)
	for _, l := range leases {
		i := who[l.MAC.String()]
		i.Addrs = append(i.Addrs, l.Addr)
		if i.Hostname == "" {
			i.Hostname = l.Hostname
		}
		who[l.MAC.String()] = i
	}
	name := func(mac net.HardwareAddr, domain string) {
		i := who[mac.String()]
		i.Domain = domain
		who[mac.String()] = i
	}
	for _, g := range m.guestsOn(a.n) {
		name(g.MAC, g.Domain)
	}
	for _, p := range a.ports.all() {
		name(p.MAC, p.Owner)
	}
	return who, nil
}

// AddrText lists the addresses, separated by commas.
func (i Identity) AddrText() string {
	texts := make([]string, len(i.Addrs))
	for n, a := range i.Addrs {
		texts[n] = a.String()
	}
	return strings.Join(texts, ",")
}

// AgeSeconds is the entry's age in whole seconds.
func (n Neighbour) AgeSeconds() uint32 { return uint32(n.Age / time.Second) }
