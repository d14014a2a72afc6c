package port

import "github.com/vnetmgr/vnetmgr/xmlnet"

// chooseDevice takes a device of the pool for the plugs that need one: the
// first of those with the fewest ports, or if it must be alone on it the first
// that has none.
func (p *Port) chooseDevice(n *xmlnet.Network, pool PoolState) error {
	switch p.Plug.Kind {
	case HostdevPlug:
		i, err := choose(n, pool, n.Forward.Addresses, xmlnet.PCIAddress.String, true)
		if err != nil {
			return err
		}
		p.Plug.PCI = n.Forward.Addresses[i]
	case DirectPlug:
		i, err := choose(n, pool, n.Forward.Interfaces, func(dev string) string { return dev }, p.exclusive())
		if err != nil {
			return err
		}
		p.Plug.Dev = n.Forward.Interfaces[i]
	}
	return nil
}

// exclusive tells whether the port must be alone on its device.
func (p *Port) exclusive() bool {
	switch p.Plug.Kind {
	case HostdevPlug:
		return true
	case DirectPlug:
		bh := p.VirtualPort != nil && p.VirtualPort.Type == "802.1Qbh"
		return p.Plug.Mode == xmlnet.Passthrough || p.Plug.Mode == xmlnet.Private && bh
	}
	return false
}

// choose returns the index of the device to use.
func choose[D any](n *xmlnet.Network, pool PoolState, devs []D, name func(D) string, exclusive bool) (int, error) {
	if len(devs) == 0 {
		return 0, refuse(xmlnet.InternalError, "network '%s' uses a direct mode, but has no forward dev and no interface pool", n.Name)
	}
	best := 0
	for i, d := range devs {
		if pool.Connections[name(d)] < pool.Connections[name(devs[best])] {
			best = i
		}
	}
	if exclusive && pool.Connections[name(devs[best])] > 0 {
		return 0, refuse(xmlnet.InternalError, "network '%s' requires exclusive access to interfaces, but none are available", n.Name)
	}
	return best, nil
}
