package port

import (
	"slices"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Reclaim takes in the port of a domain that already runs with the plug in
// req, which the daemon knows nothing of any more. What the port inherited is
// in req as well and is not decided again: the port is req, save that a floor
// gets a new class if its own has gone to another port. An error is an
// *xmlnet.Error.
func Reclaim(n *xmlnet.Network, req Port, pool PoolState) (Port, error) {
	p := req.clone()
	switch p.Plug.Kind {
	case NoPlug:
		return Port{}, refuse(xmlnet.InvalidArgument, "Port reclaim requested but plug type is none")
	case DirectPlug:
		if !slices.Contains(n.Forward.Interfaces, p.Plug.Dev) {
			return Port{}, refuse(xmlnet.InternalError, "network '%s' doesn't have dev='%s' in use by domain", n.Name, p.Plug.Dev)
		}
	case HostdevPlug:
		if !slices.Contains(n.Forward.Addresses, p.Plug.PCI) {
			return Port{}, refuse(xmlnet.InternalError, "network '%s' doesn't have PCI device %s in use by domain", n.Name, p.Plug.PCI)
		}
	}
	if p.exclusive() && pool.Connections[p.Plug.Device()] > 0 {
		return Port{}, refuse(xmlnet.InternalError, "network '%s' claims dev='%s' is already in use by a different domain", n.Name, p.Plug.Device())
	}
	return p, p.keepClass(n, pool)
}

// keepClass makes the class of p one that no other port has. That the floors
// fit is not asked: the guest runs.
func (p *Port) keepClass(n *xmlnet.Network, pool PoolState) error {
	if p.Bandwidth == nil {
		return nil
	}
	if p.Floor() == 0 {
		p.Bandwidth.ClassID = 0
		return nil
	}
	if id := p.ClassID(); id >= firstClassID && id <= maxClassID && !pool.ClassIDs[id] {
		return nil
	}
	id, err := freeClass(n, pool)
	p.Bandwidth.ClassID = id
	return err
}
