package xmlnet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// modeNames are libvirt's names of the forward modes, by mode.
var modeNames = [...]string{"none", "nat", "route", "open", "bridge", "private", "vepa", "passthrough", "hostdev"}

// String returns libvirt's name of the mode; "none" for Isolated.
func (m ForwardMode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("ForwardMode(%d)", uint8(m))
}

// forward reads <forward>.
func (r *reader) forward() error {
	d := r.doc.Forward
	if d == nil {
		return nil
	}
	f := &r.n.Forward
	f.Mode = NAT
	if d.Mode != "" {
		i := slices.Index(modeNames[:], d.Mode)
		if i < 0 {
			return errf(ConfigUnsupported, "unknown forwarding type '%s'", d.Mode)
		}
		f.Mode = ForwardMode(i)
	}
	f.Managed = f.Mode == Hostdev && strings.EqualFold(d.Managed, "yes")
	for _, read := range []func(*forwardDoc) error{
		r.forwardDriver, r.forwardNAT, r.forwardPF, r.forwardInterfaces, r.forwardAddresses, r.forwardDev,
	} {
		if err := read(d); err != nil {
			return err
		}
	}
	if f.Mode == Isolated {
		// Nothing else of the element means anything; addresses stay for
		// Validate to refuse.
		*f = Forward{Addresses: f.Addresses}
	}
	return nil
}

func (r *reader) forwardDriver(d *forwardDoc) error {
	if d.Driver == nil {
		return nil
	}
	r.n.Forward.DriverModel = d.Driver.Model
	if name := d.Driver.Name; name != nil {
		switch *name {
		case "kvm", "vfio", "xen":
			r.n.Forward.Driver = *name
		default:
			return invalidValue("name", "driver", *name, "")
		}
	}
	return nil
}

func (r *reader) forwardNAT(d *forwardDoc) error {
	if len(d.NAT) == 0 {
		return nil
	}
	f, name := &r.n.Forward, r.n.Name
	nat := d.NAT[0]
	switch {
	case len(d.NAT) > 1:
		return errf(XMLError, "Only one <nat> element is allowed in <forward> of network %s", name)
	case f.Mode != NAT:
		return errf(XMLError, "The <nat> element can only be used when <forward> 'mode' is 'nat' in network %s", name)
	case len(nat.Addresses) > 1:
		return errf(XMLError, "Only one <address> element is allowed in <nat> in <forward> in network %s", name)
	case len(nat.Ports) > 1:
		return errf(XMLError, "Only one <port> element is allowed in <nat> in <forward> in network %s", name)
	}
	f.NATIPv6 = tristate(nat.IPv6)
	if len(nat.Addresses) == 1 {
		if err := r.natAddresses(nat.Addresses[0]); err != nil {
			return err
		}
	}
	if len(nat.Ports) == 1 {
		return r.natPorts(nat.Ports[0])
	}
	return nil
}

func (r *reader) natAddresses(d rangeDoc) error {
	start, err := r.natAddress(d.Start, "start")
	if err != nil {
		return err
	}
	end, err := r.natAddress(d.End, "end")
	if err != nil {
		return err
	}
	got := AddrRange{start, end}
	if err := checkSpan(got); err != nil {
		return err
	}
	r.n.Forward.NATAddrs = &got
	return nil
}

func (r *reader) natAddress(text *string, which string) (netip.Addr, error) {
	if text == nil {
		return netip.Addr{}, errf(XMLError, "missing '%s' attribute in <address> element in <nat> in <forward> in network %s", which, r.n.Name)
	}
	a, ok := parseAddr(*text)
	if !ok || !is4(a) {
		return a, errf(XMLError, "Bad ipv4 %s address '%s' in <nat> in <forward> in network '%s'", which, *text, r.n.Name)
	}
	return a, nil
}

func (r *reader) natPorts(d rangeDoc) error {
	bad := func(which string) error {
		return errf(XMLDetail, "Missing or invalid '%s' attribute in <port> in <nat> in <forward> in network %s", which, r.n.Name)
	}
	if d.Start == nil {
		return bad("start")
	}
	start, ok := number(*d.Start, 10, 65535)
	if !ok {
		return bad("start")
	}
	if d.End == nil {
		return bad("end")
	}
	end, ok := number(*d.End, 10, 65535)
	if !ok || end < start {
		return bad("end")
	}
	if start != 0 || end != 0 {
		r.n.Forward.NATPorts = &PortRange{uint16(start), uint16(end)}
	}
	return nil
}

func (r *reader) forwardPF(d *forwardDoc) error {
	if len(d.PFs) == 0 {
		return nil
	}
	if len(d.PFs) > 1 {
		return errf(XMLError, "Only one <pf> element is allowed in <forward> of network %s", r.n.Name)
	}
	if d.PFs[0].Dev == "" {
		return errf(XMLError, "Missing required dev attribute in <pf> element of network '%s'", r.n.Name)
	}
	// With interfaces besides, libvirt drops it silently.
	if len(d.Interfaces) == 0 {
		r.n.Forward.PF = d.PFs[0].Dev
	}
	return nil
}

func (r *reader) forwardInterfaces(d *forwardDoc) error {
	f := &r.n.Forward
	seen := make(map[string]bool, len(d.Interfaces))
	for _, i := range d.Interfaces {
		if i.Dev == "" {
			return errf(XMLError, "Missing required dev attribute in <forward> <interface> element of network %s", r.n.Name)
		}
		if seen[i.Dev] {
			return errf(XMLError, "interface '%s' can only be listed once in network %s", i.Dev, r.n.Name)
		}
		seen[i.Dev] = true
		f.Interfaces = append(f.Interfaces, i.Dev)
	}
	return nil
}

// forwardAddresses reads the PCI addresses. With interfaces besides, libvirt
// doesn't read them.
func (r *reader) forwardAddresses(d *forwardDoc) error {
	if len(d.Interfaces) > 0 {
		return nil
	}
	f := &r.n.Forward
	seen := make(map[PCIAddress]bool, len(d.Addresses))
	for i, a := range d.Addresses {
		pci, err := r.forwardAddress(a)
		if err != nil {
			return in(err, "forward/address[%d]", i+1)
		}
		if seen[pci] {
			return errf(XMLError, "PCI device '%s' can only be listed once in network %s", pci, r.n.Name)
		}
		seen[pci] = true
		f.Addresses = append(f.Addresses, pci)
	}
	return nil
}

func (r *reader) forwardAddress(d addressDoc) (PCIAddress, error) {
	if d.Type == nil {
		return PCIAddress{}, errf(XMLError, "missing address type in network %s", r.n.Name)
	}
	switch *d.Type {
	case "pci":
		return pciAddress(d)
	case "none", "netdev":
		return PCIAddress{}, errf(XMLError, "unsupported address type '%s' in network %s", *d.Type, r.n.Name)
	}
	return PCIAddress{}, errf(ConfigUnsupported, "unknown address type '%s' in network %s", *d.Type, r.n.Name)
}

// pciAddress reads a PCI address; what is absent is 0.
func pciAddress(d addressDoc) (PCIAddress, error) {
	var got [4]uint64
	for i, part := range []struct {
		name string
		text *string
		most uint64
	}{
		{"domain", d.Domain, 0xffffffff}, {"bus", d.Bus, 0xff}, {"slot", d.Slot, 0x1f}, {"function", d.Function, 7},
	} {
		if part.text == nil {
			continue
		}
		n, err := numberAttr("address", part.name, *part.text, 0, 1<<32-1)
		if err != nil {
			return PCIAddress{}, err
		}
		if n > part.most {
			return PCIAddress{}, errf(XMLError, "Invalid PCI address %s='0x%x', must be <= 0x%X", part.name, n, part.most)
		}
		got[i] = n
	}
	return PCIAddress{uint32(got[0]), uint8(got[1]), uint8(got[2]), uint8(got[3])}, nil
}

// String returns the address as the kernel names the device: "0000:03:00.1".
func (p PCIAddress) String() string {
	return fmt.Sprintf("%04x:%02x:%02x.%x", p.Domain, p.Bus, p.Slot, p.Function)
}

// forwardDev reads forward/@dev, short for a first interface.
func (r *reader) forwardDev(d *forwardDoc) error {
	f, name := &r.n.Forward, r.n.Name
	switch {
	case d.Dev == "":
		return nil
	case len(d.Addresses) > 0 || len(d.PFs) > 0:
		return errf(XMLError, "the <forward> 'dev' attribute cannot be used when <address> or <pf> sub-elements are present in network %s", name)
	case len(f.Interfaces) == 0:
		f.Interfaces = []string{d.Dev}
	case f.Interfaces[0] != d.Dev:
		return errf(XMLError, "<forward dev='%s'> must match first <interface dev='%s'/> in network %s", d.Dev, f.Interfaces[0], name)
	}
	return nil
}
