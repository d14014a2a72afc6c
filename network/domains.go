package network

import (
	"maps"
	"net"
	"sync"
)

// A DomainInterface is a network card of a domain of the host's libvirt, and
// the bridge that it is on.
type DomainInterface struct {
	Domain string
	MAC    net.HardwareAddr
	Bridge string
}

// domains are the interfaces of domains that have no port with us: those on
// facades, and those on bridges of ours by the bridge's name.
type domains struct {
	mu       sync.Mutex                   // guards byBridge
	byBridge map[string]map[macKey]string // domains by MAC address; replaced, never changed
}

// SetDomains takes all interfaces of domains that are known now. Their guests
// have the domains' names in DNS.
func (m *Manager) SetDomains(all []DomainInterface) {
	for _, bridge := range m.domains.set(all) {
		m.watch.changed(bridge)
	}
}

// set returns the bridges on which something has changed.
func (d *domains) set(all []DomainInterface) (changed []string) {
	byBridge := make(map[string]map[macKey]string)
	for _, i := range all {
		if i.Bridge == "" || !isLabel(i.Domain) {
			continue
		}
		if byBridge[i.Bridge] == nil {
			byBridge[i.Bridge] = make(map[macKey]string)
		}
		byBridge[i.Bridge][macKey(i.MAC)] = i.Domain
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for bridge, now := range byBridge {
		if !maps.Equal(now, d.byBridge[bridge]) {
			changed = append(changed, bridge)
		}
	}
	for bridge := range d.byBridge {
		if byBridge[bridge] == nil {
			changed = append(changed, bridge)
		}
	}
	d.byBridge = byBridge
	return changed
}

// on adds to owners the domains on a bridge that they lack, by MAC address.
func (d *domains) on(bridge string, owners map[macKey]string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for mac, domain := range d.byBridge[bridge] {
		if owners[mac] == "" {
			owners[mac] = domain
		}
	}
}
