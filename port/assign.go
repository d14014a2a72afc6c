package port

import (
	"slices"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// PoolState is what a network's ports have taken of it.
type PoolState struct {
	Connections map[string]int // ports on each device of the pool, by Plug.Device
	FloorSum    uint64         // KiB/s
	ClassIDs    map[uint32]bool
}

// Add counts p.
func (s *PoolState) Add(p *Port) { s.count(p, 1) }

// Remove counts p no longer.
func (s *PoolState) Remove(p *Port) { s.count(p, -1) }

func (s *PoolState) count(p *Port, by int) {
	if s.Connections == nil {
		s.Connections, s.ClassIDs = make(map[string]int), make(map[uint32]bool)
	}
	if dev := p.Plug.Device(); dev != "" {
		if s.Connections[dev] += by; s.Connections[dev] <= 0 {
			delete(s.Connections, dev)
		}
	}
	if p.Floor() == 0 {
		return
	}
	if by > 0 {
		s.FloorSum += p.Floor()
		s.ClassIDs[p.ClassID()] = true
	} else {
		s.FloorSum -= p.Floor()
		delete(s.ClassIDs, p.ClassID())
	}
}

// Assign decides what a new port on the active network n gets: the settings that
// it did not ask for, from its portgroup or the network, and its plug. pool is
// what the other ports have. An error is an *xmlnet.Error.
func Assign(n *xmlnet.Network, req Port, pool PoolState) (Port, error) {
	if req.Plug.Kind != NoPlug {
		return Port{}, refuse(xmlnet.InvalidArgument, "Port reclaim not requested but plug type is not none")
	}
	p := req.clone()
	group := n.PortGroup(p.Group)
	p.inherit(n, group)
	var err error
	if p.VirtualPort, err = mergeVirtualPorts(p.VirtualPort, n, group); err != nil {
		return Port{}, err
	}
	for _, decide := range []func(*xmlnet.Network, PoolState) error{
		p.choosePlug, p.checkVirtualPort, p.chooseDevice, p.completeVirtualPort, p.checkSettings, p.takeFloor,
	} {
		if err := decide(n, pool); err != nil {
			return Port{}, err
		}
	}
	return p, nil
}

func (p Port) clone() Port {
	p.MAC = slices.Clone(p.MAC)
	p.VirtualPort, p.Bandwidth, p.VLAN = p.VirtualPort.Clone(), p.Bandwidth.Clone(), p.VLAN.Clone()
	return p
}

// inherit fills in what p leaves open; group may be nil.
func (p *Port) inherit(n *xmlnet.Network, group *xmlnet.PortGroup) {
	if group == nil {
		group = &xmlnet.PortGroup{}
	}
	if p.Bandwidth == nil {
		p.Bandwidth = group.Bandwidth.Clone()
	}
	if p.VLAN == nil {
		p.VLAN = group.VLAN.Clone()
	}
	if p.VLAN == nil {
		p.VLAN = n.VLAN.Clone()
	}
	for _, from := range []xmlnet.Tristate{group.TrustGuestRxFilters, n.TrustGuestRxFilters} {
		if p.TrustGuestRxFilters == xmlnet.Unset {
			p.TrustGuestRxFilters = from
		}
	}
	if p.Isolated == xmlnet.Unset {
		p.Isolated = n.Isolated
	}
}

// choosePlug chooses the kind of plug by the forward mode.
func (p *Port) choosePlug(n *xmlnet.Network, _ PoolState) error {
	switch mode := n.Forward.Mode; {
	case mode.OwnBridge():
		p.Plug = Plug{Kind: NetworkPlug, Bridge: n.Bridge.Name, MACTableManager: n.Bridge.MACTableManager}
	case mode == xmlnet.BridgeMode && n.Bridge.Name != "":
		p.Plug = Plug{Kind: BridgePlug, Bridge: n.Bridge.Name, MACTableManager: n.Bridge.MACTableManager}
	case mode == xmlnet.Hostdev:
		managed := xmlnet.No
		if n.Forward.Managed {
			managed = xmlnet.Yes
		}
		p.Plug = Plug{Kind: HostdevPlug, Managed: managed, Driver: n.Forward.Driver, DriverModel: n.Forward.DriverModel}
	default:
		p.Plug = Plug{Kind: DirectPlug, Mode: mode}
	}
	return nil
}

// checkSettings refuses what the kind of plug cannot have.
func (p *Port) checkSettings(n *xmlnet.Network, _ PoolState) error {
	if p.VLAN != nil && !p.canTag() {
		return refuse(xmlnet.ConfigUnsupported, "an interface connecting to network '%s' is requesting a vlan tag, but that is not supported for this type of network", n.Name)
	}
	if p.Bandwidth != nil && p.Plug.Kind == HostdevPlug {
		return refuse(xmlnet.ConfigUnsupported, "bandwidth settings are not supported for hostdev interfaces")
	}
	return nil
}

// canTag tells whether the interface can have a VLAN: it is a device of its
// own, or on a bridge that somebody else made.
func (p *Port) canTag() bool {
	switch p.Plug.Kind {
	case HostdevPlug:
		return true
	case DirectPlug:
		return p.Plug.Mode == xmlnet.Passthrough
	case BridgePlug:
		return p.VirtualPort == nil || p.VirtualPort.Type == "openvswitch"
	}
	return false
}
