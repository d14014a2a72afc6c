package network

import (
	"context"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Manager holds every network and is the only one to change the host.
type Manager struct{}

// List returns every network, sorted by name.
func (m *Manager) List() []Info { return nil }

// LookupName finds a network by its name (ErrNotFound).
func (m *Manager) LookupName(name string) (Info, error) { return Info{}, ErrNotFound }

// LookupUUID finds a network by its UUID (ErrNotFound).
func (m *Manager) LookupUUID(id xmlnet.UUID) (Info, error) { return Info{}, ErrNotFound }

// Define stores doc as a network's persistent definition; an active network
// keeps what it runs with until it is destroyed.
func (m *Manager) Define(ctx context.Context, doc []byte, validate bool) (Ref, error) {
	return Ref{}, ErrNotFound
}

// Create starts a network from doc without storing it.
func (m *Manager) Create(ctx context.Context, doc []byte, validate bool) (Ref, error) {
	return Ref{}, ErrNotFound
}

// Start starts an inactive network.
func (m *Manager) Start(ctx context.Context, id xmlnet.UUID) error { return ErrNotFound }

// Destroy stops an active network.
func (m *Manager) Destroy(ctx context.Context, id xmlnet.UUID) error { return ErrNotFound }

// Undefine removes a persistent definition; an active network becomes
// transient.
func (m *Manager) Undefine(ctx context.Context, id xmlnet.UUID) error { return ErrNotFound }

// SetAutostart sets whether the network starts with the host.
func (m *Manager) SetAutostart(ctx context.Context, id xmlnet.UUID, on bool) error {
	return ErrNotFound
}

// XML returns the definition in force, or with inactive the one on disk.
func (m *Manager) XML(id xmlnet.UUID, inactive bool) (string, error) { return "", ErrNotFound }

// Leases returns the live leases of a network, of one MAC address if mac is
// not empty (ErrInvalidMAC).
func (m *Manager) Leases(id xmlnet.UUID, mac string) ([]Lease, error) { return nil, ErrNotFound }

// Subscribe returns the events from now on, in order, until cancel is called.
// A subscriber that does not read loses nothing and delays nobody: events
// queue without bound for as long as it lives.
func (m *Manager) Subscribe() (events <-chan Event, cancel func()) { return nil, func() {} }
