package network

import (
	"context"
	"fmt"

	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/virtnetworkd"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// takeOver makes ours what virtnetworkd left of the active networks, so that
// they can be adopted: bridges, and the leases and sockets of its dnsmasq. What
// cannot be taken over is logged, and keeps nothing else from working.
// m.change is held.
func (m *Manager) takeOver(ctx context.Context) {
	for _, e := range m.byID {
		if m.cfg.StatusDir != "" && e.current().Forward.Mode.OwnBridge() {
			m.takeOverLeases(ctx, e)
		}
		if e.live == nil || !e.live.Forward.Mode.OwnBridge() {
			continue
		}
		if err := m.host.ClaimBridge(ctx, e.live.Bridge.Name, e.live.UUID.String()); err != nil {
			m.log.Error("take over bridge", "network", e.live.Name, "link", e.live.Bridge.Name, "err", err)
		}
	}
}

// takeOverLeases ends the network's dnsmasq, if there is one, and takes the
// leases in libvirt's lease file, where there may be some of an earlier one.
func (m *Manager) takeOverLeases(ctx context.Context, e *entry) {
	name := e.ref().Name
	stopped, err := virtnetworkd.StopDNSMasq(ctx, m.cfg.Dir.Run, name)
	if err != nil {
		m.log.Error("take over from dnsmasq", "network", name, "err", err)
	}
	leases, err := lease.ReadStatus(m.statusPath(e.current().Bridge.Name))
	n := 0
	if err == nil {
		n, err = e.leases.TakeOver(leases)
	}
	if err != nil {
		m.log.Error("take over leases", "network", name, "err", err)
	}
	if stopped || n > 0 {
		m.log.Info("taken over from virtnetworkd", "network", name, "leases", n)
	}
}

// endTakeOver removes virtnetworkd's rules, now that ours are there. Their
// being gone already is as good.
func (m *Manager) endTakeOver(ctx context.Context) {
	for _, e := range m.byID {
		if e.live == nil {
			continue
		}
		if err := virtnetworkd.RemoveRules(ctx, m.cfg.Dir.Run, e.live.Name); err != nil {
			m.log.Warn("some rules of libvirt's were not removed", "network", e.live.Name, "err", err)
		}
		if err := e.ports.store(e.live, e.live); err != nil {
			m.log.Error("store what is active", "network", e.live.Name, "err", err)
		}
	}
}

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
