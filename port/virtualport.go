package port

import (
	"slices"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// mergeVirtualPorts returns what the interface, its network and its portgroup
// (which may be nil) say together, nil if nobody says anything. They must not
// contradict each other.
func mergeVirtualPorts(own *xmlnet.VirtualPort, n *xmlnet.Network, group *xmlnet.PortGroup) (*xmlnet.VirtualPort, error) {
	merged := xmlnet.VirtualPort{}
	parts := []*xmlnet.VirtualPort{own, n.VirtualPort, nil}
	if group != nil {
		parts[2] = group.VirtualPort
	}
	for _, part := range parts {
		if part == nil {
			continue
		}
		if err := mergeInto(&merged, *part.Clone()); err != nil {
			return nil, err
		}
	}
	if merged == (xmlnet.VirtualPort{}) {
		return nil, nil
	}
	return &merged, merged.Check()
}

func mergeInto(to *xmlnet.VirtualPort, from xmlnet.VirtualPort) error {
	if to.Type != "" && from.Type != "" && to.Type != from.Type {
		return refuse(xmlnet.XMLError, "attempt to merge virtualports with mismatched types (%s and %s)", to.Type, from.Type)
	}
	if to.Type == "" {
		to.Type = from.Type
	}
	for _, merge := range []func() error{
		func() error { return mergeValue(&to.ManagerID, from.ManagerID, "managerids") },
		func() error { return mergeValue(&to.TypeID, from.TypeID, "typeids") },
		func() error { return mergeValue(&to.TypeIDVersion, from.TypeIDVersion, "typeidversions") },
		func() error { return mergeValue(&to.InstanceID, from.InstanceID, "instanceids") },
		func() error { return mergeValue(&to.InterfaceID, from.InterfaceID, "interfaceids") },
		func() error { return mergeValue(&to.ProfileID, from.ProfileID, "profileids") },
	} {
		if err := merge(); err != nil {
			return err
		}
	}
	return nil
}

// mergeValue sets *to if it is unset; what names it for the refusal.
func mergeValue[T comparable](to **T, from *T, what string) error {
	switch {
	case from == nil:
	case *to == nil:
		*to = from
	case **to != *from:
		return refuse(xmlnet.XMLError, "attempt to merge virtualports with mismatched %s ('%v' and '%v')", what, **to, *from)
	}
	return nil
}

// checkVirtualPort refuses types of virtual ports that the kind of plug cannot
// be.
func (p *Port) checkVirtualPort(n *xmlnet.Network, _ PoolState) error {
	if p.VirtualPort == nil {
		return nil
	}
	allowed, how := []string{"802.1Qbg", "802.1Qbh"}, "uses a macvtap device"
	switch p.Plug.Kind {
	case NetworkPlug:
		allowed, how = nil, "uses IP forwarding"
	case BridgePlug:
		allowed, how = []string{"openvswitch"}, "uses a bridge device"
	case HostdevPlug:
		how = "uses an SR-IOV Virtual Function via PCI passthrough"
	}
	if !slices.Contains(allowed, p.VirtualPort.Type) {
		return refuse(xmlnet.ConfigUnsupported, "<virtualport type='%s'> not supported for network '%s' which %s", p.VirtualPort.Type, n.Name, how)
	}
	return nil
}

// completeVirtualPort makes the identities that may be left open, and refuses
// a virtual port that still lacks something.
func (p *Port) completeVirtualPort(*xmlnet.Network, PoolState) error {
	v := p.VirtualPort
	if v == nil {
		return nil
	}
	missing := ""
	switch v.Type {
	case "802.1Qbg":
		switch {
		case v.ManagerID == nil:
			missing = "managerid"
		case v.TypeID == nil:
			missing = "typeid"
		case v.TypeIDVersion == nil:
			missing = "typeidversion"
		case v.InstanceID == nil:
			id := xmlnet.NewUUID()
			v.InstanceID = &id
		}
	case "802.1Qbh":
		if v.ProfileID == nil {
			missing = "profileid"
		}
	case "openvswitch":
		if v.InterfaceID == nil {
			id := xmlnet.NewUUID()
			v.InterfaceID = &id
		}
	}
	if missing != "" {
		return refuse(xmlnet.ConfigUnsupported, "missing %s in <virtualport type='%s'>", missing, v.Type)
	}
	return nil
}
