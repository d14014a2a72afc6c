package xmlnet

// bridge reads <bridge>. What of it the forward mode allows is for modeRules.
func (r *reader) bridge() error {
	d := r.doc.Network.Bridge
	if d == nil {
		return nil
	}
	b := &r.n.Bridge
	b.Name, b.Zone = d.Name, d.Zone
	b.STPOff = d.STP == "off" // anything else means on
	if d.Delay != "" {
		delay, ok := number(d.Delay, 10, 1<<32-1)
		if !ok {
			return errf(XMLError, "Invalid delay value in network '%s'", r.n.Name)
		}
		b.Delay = uint32(delay)
	}
	switch d.MACTableManager {
	case "":
	case "kernel":
		b.MACTableManager = MACTableKernel
	case "libvirt":
		b.MACTableManager = MACTableLibvirt
	default:
		return errf(XMLError, "Invalid macTableManager setting '%s' in network '%s'", d.MACTableManager, r.n.Name)
	}
	return nil
}

// modeRules checks what a forward mode needs and forbids.
func (r *reader) modeRules() error {
	n, mode := r.n, r.n.Forward.Mode
	devs := len(n.Forward.Interfaces) + len(n.Forward.Addresses)
	switch {
	case mode == Isolated:
		return nil
	case mode == NAT || mode == RouteMode:
		if len(n.IPs) == 0 {
			return errf(XMLError, "%s forwarding requested, but no IP address provided for network '%s'", mode, n.Name)
		}
		if devs > 1 {
			return errf(XMLError, "multiple forwarding interfaces specified for network '%s', only one is supported", n.Name)
		}
		return nil
	case mode == Open:
		if devs > 0 {
			return errf(XMLError, "forward dev not allowed for network '%s' with forward mode='%s'", n.Name, mode)
		}
		return nil
	}
	return r.noOwnBridge()
}

// noOwnBridge checks that a network without a bridge of its own doesn't
// configure one.
func (r *reader) noOwnBridge() error {
	n, mode := r.n, r.n.Forward.Mode
	if mode != BridgeMode {
		for _, item := range []struct {
			name string
			has  bool
		}{
			{"name", n.Bridge.Name != ""},
			{"zone", n.Bridge.Zone != ""},
			{"macTableManager setting", n.Bridge.MACTableManager != MACTableUnset},
		} {
			if item.has {
				return errf(XMLError, "bridge %s not allowed in %s mode (network '%s')", item.name, mode, n.Name)
			}
		}
	}
	stp := r.doc.Network.Bridge != nil && r.doc.Network.Bridge.STP != ""
	if stp || n.Bridge.Delay != 0 || n.Bridge.Zone != "" {
		return errf(XMLError, "bridge delay/stp/zone options only allowed in open, route, nat, and isolated mode, not in %s (network '%s')", mode, n.Name)
	}
	if n.Bridge.Name != "" && (len(n.Forward.Interfaces) > 0 || len(n.Forward.Addresses) > 0 || n.Forward.PF != "") {
		return errf(XMLError, "A network with forward mode='%s' can specify a bridge name or a forward dev, but not both (network '%s')", mode, n.Name)
	}
	if n.MTU != 0 {
		return errf(XMLError, "mtu size only allowed in open, route, nat, and isolated mode, not in %s (network '%s')", mode, n.Name)
	}
	return nil
}
