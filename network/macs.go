package network

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// macFiles are the files BRIDGE.macs, by which libvirt's NSS module
// libvirt_guest finds the MAC addresses of a domain. They are written behind
// the calls that change ports: a domain that starts does not wait for them.
type macFiles struct {
	mu    sync.Mutex // guards dirty
	dirty map[string]struct{}
	wake  chan struct{} // holds one token while dirty may not be empty
}

func newMACFiles() *macFiles {
	return &macFiles{dirty: make(map[string]struct{}), wake: make(chan struct{}, 1)}
}

// changed says that the file of a bridge is to be written again; "" is none.
func (f *macFiles) changed(bridge string) {
	if bridge == "" {
		return
	}
	f.mu.Lock()
	f.dirty[bridge] = struct{}{}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// portsChanged says that n's ports are not what they were.
func (m *Manager) portsChanged(n *xmlnet.Network) {
	if n.Forward.Mode.OwnBridge() {
		m.macs.changed(n.Bridge.Name)
		m.watch.changed(n.Bridge.Name)
	}
}

// take returns the bridges whose files are to be written.
func (f *macFiles) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	bridges := slices.Sorted(maps.Keys(f.dirty))
	clear(f.dirty)
	return bridges
}

// writeMACs keeps the files in step until ctx ends.
func (m *Manager) writeMACs(ctx context.Context) {
	if m.cfg.StatusDir == "" {
		return
	}
	for {
		select {
		case <-m.macs.wake:
			m.writeDirtyMACs()
		case <-ctx.Done():
			m.writeDirtyMACs()
			return
		}
	}
}

func (m *Manager) writeDirtyMACs() {
	for _, bridge := range m.macs.take() {
		if err := m.writeMACsOf(bridge); err != nil {
			m.log.Error("write the MAC addresses of domains", "link", bridge, "err", err)
		}
	}
}

// writeMACsOf makes a bridge's file what the ports are now. A bridge whose
// network is neither active nor defined any more, or has no addresses, has no
// file.
func (m *Manager) writeMACsOf(bridge string) error {
	path := filepath.Join(m.cfg.StatusDir, bridge+".macs")
	ports, wanted := m.portsOn(bridge)
	if !wanted {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
		return nil
	}
	return replaceMACs(path, macsJSON(ports))
}

// portsOn returns the ports of the network that has a bridge of that name, and
// whether there is one, with addresses.
func (m *Manager) portsOn(bridge string) (on []*port.Port, found bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, e := range m.byID {
		n := e.current()
		if n.Forward.Mode.OwnBridge() && n.Bridge.Name == bridge && len(n.IPs) > 0 {
			return e.ports.all(), true
		}
	}
	return nil, false
}

// macsJSON is libvirt's form of the file. A domain has each address once, as
// many ports as it has with it: it loses the address with the last of them.
func macsJSON(ports []*port.Port) []byte {
	type domain struct {
		Domain string   `json:"domain"`
		MACs   []string `json:"macs"`
	}
	byOwner := make(map[string][]string)
	for _, p := range ports {
		byOwner[p.Owner] = append(byOwner[p.Owner], p.MAC.String())
	}
	domains := make([]domain, 0, len(byOwner))
	for owner, macs := range byOwner {
		slices.Sort(macs)
		domains = append(domains, domain{owner, slices.Compact(macs)})
	}
	slices.SortFunc(domains, func(a, b domain) int { return cmp.Compare(a.Domain, b.Domain) })
	if len(domains) == 0 {
		return []byte("[\n]\n") // as libvirt prints an empty list
	}
	text, err := json.MarshalIndent(domains, "", "  ")
	if err != nil {
		panic(err) // strings can be marshalled
	}
	return append(text, '\n')
}

// replaceMACs replaces path with text; readers see the old text or the new.
// It is not synced: after a crash it is written again.
func replaceMACs(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, text, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(temp, path)
}
