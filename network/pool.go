package network

import (
	"fmt"

	"github.com/vnetmgr/vnetmgr/sriov"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// sysfs reads about SR-IOV cards.
func (m *Manager) sysfs() sriov.Sysfs {
	if m.cfg.Sysfs == "" {
		return "/sys"
	}
	return sriov.Sysfs(m.cfg.Sysfs)
}

// checkPool refuses a hostdev pool with a PCI device that cannot be given to a
// guest as one of several: it must be an SR-IOV virtual function.
func (m *Manager) checkPool(n *xmlnet.Network) error {
	if n.Forward.Mode != xmlnet.Hostdev {
		return nil
	}
	sys := m.sysfs()
	for _, pci := range n.Forward.Addresses {
		if a := sriov.Address(pci); !sys.IsVirtualFunction(a) {
			return &Error{Kind: ErrUnsupported, Text: fmt.Sprintf("device '%s' in network '%s' is not an SR-IOV Virtual Function", sys.DevicePath(a), n.Name)}
		}
	}
	return nil
}

// expandPool returns n with the virtual functions that its pf element stands
// for: by PCI address in mode hostdev, else by link, which those that serve a
// guest or have no driver lack. Networks of other pools are returned as they
// are, and so is the pf of a mode that has a bridge of its own: it means
// nothing there.
func (m *Manager) expandPool(n *xmlnet.Network) (*xmlnet.Network, error) {
	pf := n.Forward.PF
	if pf == "" || n.Forward.Mode.OwnBridge() {
		return n, nil
	}
	functions, err := m.sysfs().VirtualFunctions(pf)
	if err != nil {
		return nil, &Error{Kind: ErrInternal, Text: err.Error()}
	}
	n = n.Clone()
	n.Forward.Interfaces, n.Forward.Addresses = nil, nil
	for _, f := range functions {
		switch {
		case n.Forward.Mode == xmlnet.Hostdev:
			n.Forward.Addresses = append(n.Forward.Addresses, xmlnet.PCIAddress(f.Address))
		case f.Link != "":
			n.Forward.Interfaces = append(n.Forward.Interfaces, f.Link)
		default:
			m.log.Warn("virtual function is left out of the pool: it has no link on the host", "network", n.Name, "link", pf, "addr", f.Address)
		}
	}
	if len(n.Forward.Interfaces)+len(n.Forward.Addresses) == 0 {
		return nil, &Error{Kind: ErrInternal, Text: fmt.Sprintf("No usable Vf's present on SRIOV PF %s", pf)}
	}
	return n, nil
}

// adoptPool is expandPool for a network that is active already, and stays so
// with an empty pool if its card is gone.
func (m *Manager) adoptPool(n *xmlnet.Network) *xmlnet.Network {
	expanded, err := m.expandPool(n)
	if err != nil {
		m.log.Error("find the pool's devices", "network", n.Name, "err", err)
		return n
	}
	return expanded
}
