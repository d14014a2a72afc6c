package xmlnet

import (
	"net/netip"
)

// ips reads the <ip> elements.
func (r *reader) ips() error {
	for i, d := range r.doc.IPs {
		ip, err := r.ip(d)
		if err != nil {
			return in(err, "ip[%d]", i+1)
		}
		r.n.IPs = append(r.n.IPs, ip)
	}
	return nil
}

func (r *reader) ip(d ipDoc) (IP, error) {
	ip := IP{Local: tristate(d.LocalPtr)}
	if d.Address == "" {
		return ip, errf(XMLError, "Missing required address attribute in network '%s'", r.n.Name)
	}
	addr, ok := parseAddr(d.Address)
	if !ok {
		return ip, errf(XMLError, "Invalid address '%s' in network '%s'", d.Address, r.n.Name)
	}
	ip.Text.Family = d.Family
	if err := r.ipFamily(d, addr); err != nil {
		return ip, err
	}
	bits, err := r.ipBits(d, addr, &ip.Text)
	if err != nil {
		return ip, err
	}
	ip.Prefix = netip.PrefixFrom(addr, bits)
	if d.TFTP != nil {
		if !is4(addr) {
			return ip, errf(ConfigUnsupported, "Unsupported <tftp> element in an IPv6 element in network '%s'", r.n.Name)
		}
		ip.TFTPRoot = d.TFTP.Root
	}
	if d.DHCP == nil {
		return ip, nil
	}
	return ip, r.dhcp(d.DHCP, &ip)
}

// ipFamily checks that ip/@family goes with the address.
func (r *reader) ipFamily(d ipDoc, addr netip.Addr) error {
	switch {
	case d.Family != "" && d.Family != "ipv4" && d.Family != "ipv6":
		return errf(XMLError, "Unrecognized family '%s' in network '%s'", d.Family, r.n.Name)
	case d.Family == "" && !is4(addr):
		return errf(ConfigUnsupported, "no family specified for non-IPv4 address '%s' in network '%s'", d.Address, r.n.Name)
	case d.Family == "ipv4" && !is4(addr):
		return errf(ConfigUnsupported, "IPv4 family specified for non-IPv4 address '%s' in network '%s'", d.Address, r.n.Name)
	case d.Family == "ipv6" && is4(addr):
		return errf(ConfigUnsupported, "Family 'ipv6' specified for non-IPv6 address '%s' in network '%s'", d.Address, r.n.Name)
	}
	return nil
}

// ipBits returns the prefix length that the netmask or prefix attribute says,
// or that goes with the address, and notes in text how it was written.
func (r *reader) ipBits(d ipDoc, addr netip.Addr, text *IPText) (int, error) {
	var prefix uint64
	if d.Prefix != nil {
		var err error
		if prefix, err = numberAttr("ip", "prefix", *d.Prefix, 10, 1<<32-1); err != nil {
			return 0, err
		}
	}
	family := "IPv6"
	if is4(addr) {
		family = "IPv4"
	}
	switch {
	case prefix > 0 && d.Netmask != "":
		return 0, errf(ConfigUnsupported, "Network '%s' IP address cannot have both a prefix and a netmask", r.n.Name)
	case d.Netmask != "" && !is4(addr):
		return 0, errf(ConfigUnsupported, "netmask not allowed for IPv6 address '%s' in network '%s'", d.Address, r.n.Name)
	case prefix > uint64(addr.BitLen()):
		return 0, errf(ConfigUnsupported, "Invalid %s prefix '%d' in network '%s'", family, prefix, r.n.Name)
	case d.Netmask != "":
		return r.ipNetmask(d, text)
	case prefix > 0: // 0 is the same as absent
		text.HasPrefix = true
		return int(prefix), nil
	}
	return classBits(addr), nil
}

func (r *reader) ipNetmask(d ipDoc, text *IPText) (int, error) {
	mask, ok := parseAddr(d.Netmask)
	if !ok {
		return 0, errf(XMLError, "Invalid netmask '%s' in network '%s'", d.Netmask, r.n.Name)
	}
	if !is4(mask) {
		return 0, errf(ConfigUnsupported, "Invalid netmask '%s' for address '%s' in network '%s' (both must be IPv4)", d.Netmask, d.Address, r.n.Name)
	}
	text.Netmask = mask.String()
	bits, ok := maskBits(mask)
	if !ok {
		text.BadNetmask = true
		return mask.BitLen(), nil
	}
	return bits, nil
}
