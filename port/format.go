package port

import "github.com/vnetmgr/vnetmgr/xmlnet"

// Format prints p byte for byte as "virsh net-port-dumpxml" of libvirt 11
// does.
func (p *Port) Format() []byte { return p.FormatAt(0) }

// FormatAt is Format for a port inside other elements, level deep.
func (p *Port) FormatAt(level int) []byte {
	out := xmlnet.NewPrinter(level)
	out.Block(func() { p.print(out) }, "networkport")
	return out.Bytes()
}

func (p *Port) print(out *xmlnet.Printer) {
	out.Text("uuid", p.UUID.String())
	out.Block(func() {
		out.Text("name", p.Owner)
		out.Text("uuid", p.OwnerUUID.String())
	}, "owner")
	out.Text("group", p.Group)
	out.Empty("mac", "address", p.MAC.String())
	out.VirtualPort(p.VirtualPort)
	out.Bandwidth(p.Bandwidth)
	out.VLAN(p.VLAN)
	if p.Isolated != xmlnet.Unset {
		out.Empty("port", "isolated", p.Isolated.String())
	}
	if p.TrustGuestRxFilters != xmlnet.Unset {
		out.Empty("rxfilters", "trustGuest", p.TrustGuestRxFilters.String())
	}
	p.Plug.print(out)
}

func (p *Plug) print(out *xmlnet.Printer) {
	kind := p.Kind.String()
	switch p.Kind {
	case NetworkPlug, BridgePlug:
		out.Empty("plug", "type", kind, "bridge", p.Bridge, "macTableManager", p.MACTableManager.String())
	case DirectPlug:
		out.Empty("plug", "type", kind, "dev", p.Dev, "mode", p.Mode.String())
	case HostdevPlug:
		out.Block(func() {
			if p.Driver != "" || p.DriverModel != "" {
				out.Empty("driver", "name", p.Driver, "model", p.DriverModel)
			}
			out.PCI(p.PCI)
		}, "plug", "type", kind, "managed", p.Managed.String())
	}
}
