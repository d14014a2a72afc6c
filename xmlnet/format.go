package xmlnet

import (
	"fmt"
	"strconv"
)

// FormatOptions are what a description shows besides the definition.
type FormatOptions struct {
	// Connections is the number of ports of an active network.
	Connections int
	// IfConnections is the same for each device of the pool, by the name of
	// the link or PCIAddress.String.
	IfConnections map[string]int
	// Inactive asks for what is stored: no connections, and of a pool that
	// a physical function stands for, nothing but that function.
	Inactive bool
	// Level is how deep in another document the network is printed.
	Level int
}

// Format prints n byte for byte as "virsh net-dumpxml" of libvirt 11 does,
// save that it also escapes where libvirt forgets to.
func (n *Network) Format(o FormatOptions) []byte {
	if o.Inactive {
		o.Connections, o.IfConnections = 0, nil
	}
	p := &printer{level: o.Level}
	root := newTag("network")
	if len(n.DNSMasqOptions) > 0 {
		root.attr("xmlns:dnsmasq", dnsmasqURI)
	}
	root.num("connections", uint64(max(o.Connections, 0)))
	if n.IPv6 {
		root.attr("ipv6", "yes")
	}
	root.state("trustGuestRxFilters", n.TrustGuestRxFilters)
	p.block(root, func() {
		n.printIdentity(p)
		n.printForward(p, o)
		n.printBridge(p)
		n.DNS.print(p)
		n.VLAN.print(p)
		n.Bandwidth.print(p)
		if n.Isolated != Unset {
			p.empty(newTag("port").state("isolated", n.Isolated))
		}
		for i := range n.IPs {
			n.IPs[i].print(p)
		}
		for i := range n.Routes {
			n.Routes[i].print(p)
		}
		n.VirtualPort.print(p)
		for i := range n.PortGroups {
			n.PortGroups[i].print(p)
		}
		n.printOptions(p)
	})
	return []byte(p.b.String())
}

func (n *Network) printIdentity(p *printer) {
	p.text("name", n.Name)
	if !n.UUID.IsZero() {
		p.text("uuid", n.UUID.String())
	}
	p.text("title", n.Title)
	p.text("description", n.Description)
	if n.Metadata == nil {
		return
	}
	p.blockIf(len(n.Metadata) > 0, newTag("metadata"), func() {
		for _, m := range n.Metadata {
			p.metadata(m)
		}
	})
}

// metadata prints an element of another program, which is stored unindented.
func (p *printer) metadata(m Metadata) {
	p.indent()
	root, err := readNodes([]byte(m.XML))
	if err != nil {
		// Never so for what Parse kept.
		p.b.WriteString(m.XML + "\n")
		return
	}
	for _, c := range root.children {
		c.write(&p.b, p.level, true)
	}
	p.b.WriteByte('\n')
}

func (n *Network) printForward(p *printer, o FormatOptions) {
	f := &n.Forward
	if f.Mode == Isolated {
		return
	}
	t := newTag("forward")
	if f.PF == "" && len(f.Interfaces) > 0 {
		t.attr("dev", f.Interfaces[0])
	}
	t.attr("mode", f.Mode.String())
	if f.Mode == Hostdev {
		managed := No
		if f.Managed {
			managed = Yes
		}
		t.state("managed", managed)
	}
	pool := f.PF == "" || !o.Inactive
	has := f.Driver != "" || f.DriverModel != "" || f.hasNAT() || f.PF != "" || len(f.Interfaces)+len(f.Addresses) > 0
	p.blockIf(has, t, func() {
		if f.Driver != "" || f.DriverModel != "" {
			p.empty(newTag("driver").attr("name", f.Driver).attr("model", f.DriverModel))
		}
		f.printNAT(p)
		if f.PF != "" {
			p.empty(newTag("pf").attr("dev", f.PF).num("connections", uint64(o.IfConnections[f.PF])))
		}
		if pool {
			f.printPool(p, o)
		}
	})
}

func (f *Forward) hasNAT() bool {
	return f.NATIPv6 != Unset || f.NATAddrs != nil || f.NATPorts != nil
}

func (f *Forward) printNAT(p *printer) {
	if !f.hasNAT() {
		return
	}
	p.blockIf(f.NATAddrs != nil || f.NATPorts != nil, newTag("nat").state("ipv6", f.NATIPv6), func() {
		if a := f.NATAddrs; a != nil {
			p.empty(newTag("address").attr("start", a.Start.String()).attr("end", a.End.String()))
		}
		if r := f.NATPorts; r != nil {
			p.empty(newTag("port").always("start", strconv.Itoa(int(r.Start))).always("end", strconv.Itoa(int(r.End))))
		}
	})
}

func (f *Forward) printPool(p *printer, o FormatOptions) {
	for _, dev := range f.Interfaces {
		p.empty(newTag("interface").attr("dev", dev).num("connections", uint64(o.IfConnections[dev])))
	}
	for _, a := range f.Addresses {
		p.empty(newTag("address").attr("type", "pci").pci(a).
			num("connections", uint64(o.IfConnections[a.String()])))
	}
}

// pci adds the attributes of a PCI address.
func (t *tag) pci(a PCIAddress) *tag {
	return t.attr("domain", fmt.Sprintf("0x%04x", a.Domain)).
		attr("bus", fmt.Sprintf("0x%02x", a.Bus)).
		attr("slot", fmt.Sprintf("0x%02x", a.Slot)).
		attr("function", fmt.Sprintf("0x%x", a.Function))
}

// printBridge prints what describes the bridge: <bridge>, <mtu>, <mac> and
// <domain>.
func (n *Network) printBridge(p *printer) {
	b := &n.Bridge
	t := newTag("bridge").attr("name", b.Name).attr("zone", b.Zone)
	if n.Forward.Mode.OwnBridge() {
		stp := "on"
		if b.STPOff {
			stp = "off"
		}
		t.attr("stp", stp).always("delay", strconv.FormatUint(uint64(b.Delay), 10))
	}
	t.attr("macTableManager", b.MACTableManager.String())
	if len(t.attrs) > 0 {
		p.empty(t)
	}
	if n.MTU != 0 {
		p.empty(newTag("mtu").num("size", uint64(n.MTU)))
	}
	if n.MAC != nil {
		p.empty(newTag("mac").attr("address", n.MAC.String()))
	}
	if d := n.Domain; d.Name != "" {
		p.empty(newTag("domain").attr("name", d.Name).state("localOnly", d.LocalOnly).state("register", d.Register))
	}
}

// String returns libvirt's name of m, "" if unset.
func (m MACTableManager) String() string {
	switch m {
	case MACTableKernel:
		return "kernel"
	case MACTableLibvirt:
		return "libvirt"
	}
	return ""
}

func (n *Network) printOptions(p *printer) {
	if len(n.DNSMasqOptions) == 0 {
		return
	}
	p.block(newTag("dnsmasq:options"), func() {
		for _, o := range n.DNSMasqOptions {
			p.empty(newTag("dnsmasq:option").always("value", o))
		}
	})
}
