// Package port is about libvirt's network ports: a domain's interface on a
// network. It reads and writes their XML, and decides what an interface that
// asks for one gets. It is pure; package network keeps the ports.
package port

import (
	"net"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Port is one network port.
type Port struct {
	UUID      xmlnet.UUID
	Owner     string // the domain's name
	OwnerUUID xmlnet.UUID
	// Group is the portgroup that was asked for; "" is the network's default
	// one, and one that does not exist is none.
	Group               string
	MAC                 net.HardwareAddr // 6 bytes
	VirtualPort         *xmlnet.VirtualPort
	Bandwidth           *xmlnet.Bandwidth
	VLAN                *xmlnet.VLAN
	Isolated            xmlnet.Tristate
	TrustGuestRxFilters xmlnet.Tristate
	// Plug is what the interface is connected to: none in a request, always
	// one in an answer.
	Plug Plug
}

// PlugKind is the type of a Plug.
type PlugKind uint8

// The types of plugs.
const (
	NoPlug PlugKind = iota
	NetworkPlug
	BridgePlug
	DirectPlug
	HostdevPlug
)

// plugNames are libvirt's names of the plug types, by kind.
var plugNames = [...]string{"none", "network", "bridge", "direct", "hostdev-pci"}

// String returns libvirt's name of k.
func (k PlugKind) String() string { return plugNames[k] }

// Plug says to what a domain's interface is to be connected. Which fields
// count depends on the kind.
type Plug struct {
	Kind PlugKind
	// NetworkPlug and BridgePlug: a tap on this bridge.
	Bridge          string
	MACTableManager xmlnet.MACTableManager
	// DirectPlug: a macvtap on this link, in the mode of that name.
	Dev  string
	Mode xmlnet.ForwardMode // VEPA, Private, BridgeMode or Passthrough
	// HostdevPlug: the PCI device itself.
	PCI         xmlnet.PCIAddress
	Managed     xmlnet.Tristate
	Driver      string
	DriverModel string
}

// Device names the device of the network's pool that the plug takes, as
// xmlnet.FormatOptions.IfConnections does; "" if it takes none.
func (p Plug) Device() string {
	switch p.Kind {
	case DirectPlug:
		return p.Dev
	case HostdevPlug:
		return p.PCI.String()
	}
	return ""
}

// Floor is the inbound rate in KiB/s that the port is guaranteed, 0 if none.
func (p *Port) Floor() uint64 { return floor(p.Bandwidth) }

func floor(b *xmlnet.Bandwidth) uint64 {
	if b == nil || b.Inbound == nil {
		return 0
	}
	return b.Inbound.Floor
}

// ClassID is the traffic class on the bridge that holds the port's floor, 0
// if it has none.
func (p *Port) ClassID() uint32 {
	if p.Bandwidth == nil {
		return 0
	}
	return p.Bandwidth.ClassID
}
