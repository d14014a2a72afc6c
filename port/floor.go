package port

import (
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Traffic classes of floors on a bridge: the first two are the network's own.
const (
	firstClassID = 3
	maxClassID   = 1<<16 - 1
)

// takeFloor gives a port with a floor its class, if the network can keep the
// promise.
func (p *Port) takeFloor(n *xmlnet.Network, pool PoolState) error {
	if p.Bandwidth == nil {
		return nil
	}
	p.Bandwidth.ClassID = 0
	if p.Floor() == 0 {
		return nil
	}
	if err := p.checkFloor(n, pool.FloorSum); err != nil {
		return err
	}
	id, err := freeClass(n, pool)
	p.Bandwidth.ClassID = id
	return err
}

// checkFloor refuses p's floor if together with those of others it is more
// than the network has.
func (p *Port) checkFloor(n *xmlnet.Network, others uint64) error {
	if !n.Forward.Mode.OwnBridge() {
		return refuse(xmlnet.OperationUnsupported, "Invalid use of 'floor' on interface with MAC address %s - 'floor' is only supported for interface type 'network' with forward type 'nat', 'route', 'open' or none", p.MAC)
	}
	if n.Bandwidth == nil || n.Bandwidth.Inbound == nil {
		return refuse(xmlnet.OperationUnsupported, "Invalid use of 'floor' on interface with MAC address %s - network '%s' has no inbound QoS set", p.MAC, n.Name)
	}
	most, what := n.Bandwidth.Inbound.Peak, "peak"
	if most == 0 {
		most, what = n.Bandwidth.Inbound.Average, "average"
	}
	if f := p.Floor(); others > most || f > most-others {
		return refuse(xmlnet.OperationInvalid, "Cannot plug '%s' interface into '%s' because new combined inbound floor=%d would overcommit %s=%d on network '%s'",
			p.MAC, n.Bridge.Name, others+f, what, most, n.Name)
	}
	return nil
}

func freeClass(n *xmlnet.Network, pool PoolState) (uint32, error) {
	for id := uint32(firstClassID); id <= maxClassID; id++ {
		if !pool.ClassIDs[id] {
			return id, nil
		}
	}
	return 0, refuse(xmlnet.InternalError, "no free traffic class on network '%s'", n.Name)
}

// Retune returns p with another bandwidth, which may be nil. pool includes p.
// An error is an *xmlnet.Error.
func Retune(n *xmlnet.Network, p Port, to *xmlnet.Bandwidth, pool PoolState) (Port, error) {
	had, class := p.Floor(), p.ClassID()
	p = p.clone()
	p.Bandwidth = to.Clone()
	if p.Bandwidth != nil {
		p.Bandwidth.ClassID = 0
	}
	if p.Floor() == 0 {
		return p, nil
	}
	if err := p.checkFloor(n, pool.FloorSum-had); err != nil {
		return Port{}, err
	}
	if had == 0 {
		var err error
		if class, err = freeClass(n, pool); err != nil {
			return Port{}, err
		}
	}
	p.Bandwidth.ClassID = class
	return p, nil
}
