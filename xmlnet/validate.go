package xmlnet

import "strings"

// Validate makes the checks that libvirt makes only when a network is defined
// or created, not when it is loaded: those that need nothing but the network
// itself. That the bridge and the UUID are no other network's, and that PCI
// devices are virtual functions, is for the caller. An error is an *Error.
func (n *Network) Validate() error {
	if strings.Contains(n.Name, "\n") {
		return errf(XMLDetail, "invalid char in name: \\n")
	}
	for _, check := range []func() error{
		n.checkModeElements, n.checkDHCPSections, n.checkGateways, n.checkPool, n.checkPortGroups, n.checkVLANs,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkModeElements refuses what only a network with a bridge of its own can
// have.
func (n *Network) checkModeElements() error {
	mode := n.Forward.Mode
	if mode.OwnBridge() {
		return nil
	}
	for _, e := range []struct {
		name string
		has  bool
	}{
		{"<mac>", n.MAC != nil},
		{"<ip>", len(n.IPs) > 0},
		{"<dns>", len(n.DNS.TXT)+len(n.DNS.Hosts)+len(n.DNS.SRV) > 0},
		{"<domain>", n.Domain.Name != ""},
		{"network-wide <bandwidth>", n.Bandwidth != nil && !n.bandwidthAllowed()},
	} {
		if e.has {
			return errf(ConfigUnsupported, "Unsupported %s element in network %s with forward mode='%s'", e.name, n.Name, mode)
		}
	}
	return nil
}

// bandwidthAllowed tells whether the network, and its portgroups, may have
// limits.
func (n *Network) bandwidthAllowed() bool {
	return n.Forward.Mode.OwnBridge() || n.Forward.Mode == BridgeMode && n.Bridge.Name != ""
}

// checkDHCPSections allows DHCP on one address of each family.
func (n *Network) checkDHCPSections() error {
	seen := map[string]bool{}
	for i := range n.IPs {
		if !n.IPs[i].HasDHCP() {
			continue
		}
		family := "IPv6"
		if is4(n.IPs[i].Prefix.Addr()) {
			family = "IPv4"
		}
		if seen[family] {
			return errf(ConfigUnsupported, "Multiple %s dhcp sections found -- dhcp is supported only for a single %s address on each network", family, family)
		}
		seen[family] = true
	}
	return nil
}

// checkGateways demands that each route's gateway is in a subnet of the
// network.
func (n *Network) checkGateways() error {
	for _, r := range n.Routes {
		reachable := false
		for _, ip := range n.IPs {
			reachable = reachable || ip.Prefix.Masked().Contains(r.Gateway)
		}
		if !reachable {
			return errf(ConfigUnsupported, "unreachable static route gateway '%s' specified for network '%s'", addrText(r.Gateway), n.Name)
		}
	}
	return nil
}

// checkPool checks that the devices of the pool are named as the mode wants.
func (n *Network) checkPool() error {
	f := &n.Forward
	if f.Mode == Hostdev && len(f.Interfaces) > 0 {
		return errf(ConfigUnsupported, "hostdev network '%s' lists '%s' in the device pool, but hostdev networks require all devices to be listed by PCI address, not network device name", n.Name, f.Interfaces[0])
	}
	if f.Mode != Hostdev && len(f.Addresses) > 0 {
		return errf(ConfigUnsupported, "network '%s' has forward mode '%s' but lists a device by PCI address in the device pool. This is only supported for networks with forward mode 'hostdev'", n.Name, f.Mode)
	}
	return nil
}

// checkPortGroups checks what concerns several portgroups, and their limits.
func (n *Network) checkPortGroups() error {
	var byDefault *PortGroup
	names := map[string]bool{}
	for i := range n.PortGroups {
		g := &n.PortGroups[i]
		switch {
		case g.Default && byDefault != nil:
			return errf(ConfigUnsupported, "network '%s' has multiple default <portgroup> elements (%s and %s), but only one default is allowed", n.Name, byDefault.Name, g.Name)
		case names[g.Name]:
			return errf(ConfigUnsupported, "multiple <portgroup> elements with the same name (%s) in network '%s'", g.Name, n.Name)
		case g.Bandwidth != nil && !n.bandwidthAllowed():
			return errf(ConfigUnsupported, "Unsupported <bandwidth> element in network '%s' in portgroup '%s' with forward mode='%s'", n.Name, g.Name, n.Forward.Mode)
		}
		if g.Default {
			byDefault = g
		}
		names[g.Name] = true
	}
	return nil
}

// checkVLANs refuses <vlan> where nothing could tag: it takes SR-IOV devices,
// Open vSwitch, or (since libvirt 11.0) a plain bridge that exists. A network's
// vlan that its mode doesn't allow passes if a default portgroup always stands
// before it.
func (n *Network) checkVLANs() error {
	allowed := n.vlanAllowed()
	bad, hasDefault := false, false
	for i := range n.PortGroups {
		g := &n.PortGroups[i]
		hasDefault = hasDefault || g.Default
		if n.VLAN == nil && g.VLAN == nil {
			continue
		}
		if g.VirtualPort == nil {
			bad = bad || !allowed
		} else if n.Forward.Mode != BridgeMode || g.VirtualPort.Type != "openvswitch" {
			bad = true
		}
	}
	if bad || n.VLAN != nil && !allowed && !hasDefault {
		return errf(ConfigUnsupported, "<vlan> element specified for network %s, whose type doesn't support vlan configuration", n.Name)
	}
	return nil
}

func (n *Network) vlanAllowed() bool {
	switch n.Forward.Mode {
	case Hostdev, Passthrough:
		return true
	case BridgeMode:
		return n.VirtualPort == nil || n.VirtualPort.Type == "openvswitch"
	}
	return false
}
