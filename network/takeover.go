package network

import (
	"fmt"

	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// ImportLeases takes the leases in a lease file of libvirt's into a network
// that is taken over. Those it has already are kept; a missing file has none.
func (m *Manager) ImportLeases(id xmlnet.UUID, path string) error {
	m.change.Lock()
	defer m.change.Unlock()
	e, err := m.lookup(id)
	if err != nil {
		return err
	}
	leases, err := lease.ReadStatus(path)
	if err != nil {
		return fmt.Errorf("read leases: %w", err)
	}
	n, err := e.leases.Import(leases)
	if err != nil {
		return fmt.Errorf("import leases: %w", err)
	}
	m.log.Info("leases taken over", "network", e.ref().Name, "leases", n)
	return nil
}

// Exclusively calls f while no network is changed or healed: for changes to
// what is on a bridge that Manager would take for damage halfway.
func (m *Manager) Exclusively(f func() error) error {
	m.change.Lock()
	defer m.change.Unlock()
	return f()
}
