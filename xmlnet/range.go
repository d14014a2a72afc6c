package xmlnet

import "net/netip"

// checkRange checks, as libvirt does, that a range can be served in the subnet
// of ip. The gateway may be in it, and ranges may overlap.
func checkRange(got AddrRange, ip *IP) error {
	start, end, addr := got.Start, got.End, ip.Prefix.Addr()
	if is4(start) != is4(end) {
		return errf(InternalError, "mismatch of address family in range %s - %s", addrText(start), addrText(end))
	}
	if is4(start) != is4(addr) {
		return errf(InternalError, "mismatch of address family in range %s - %s for network %s", addrText(start), addrText(end), addrText(addr))
	}
	if ip.Text.BadNetmask {
		return errf(InternalError, "bad prefix -1 for network %s when checking range %s - %s", addrText(addr), addrText(start), addrText(end))
	}
	subnet := ip.Prefix.Masked()
	if !subnet.Contains(start) || !subnet.Contains(end) {
		return errf(InternalError, "range %s - %s is not entirely within network %s/%d", addrText(start), addrText(end), addrText(addr), subnet.Bits())
	}
	if is4(start) {
		if start == subnet.Addr() {
			return errf(InternalError, "start of range %s - %s in network %s is the network address", start, end, ip.Prefix)
		}
		if end == lastAddr(subnet) {
			return errf(InternalError, "end of range %s - %s in network %s is the broadcast address", start, end, ip.Prefix)
		}
	}
	return checkSpan(got)
}

// checkSpan checks that a range of one family has its ends in order and, as
// libvirt demands, that they differ in the last 16 bits only.
func checkSpan(got AddrRange) error {
	start, end := got.Start, got.End
	if netip.PrefixFrom(start, start.BitLen()-16).Masked() != netip.PrefixFrom(end, end.BitLen()-16).Masked() {
		return errf(InternalError, "range %s - %s is too large (> 65535)", addrText(start), addrText(end))
	}
	if end.Less(start) {
		return errf(InternalError, "range %s - %s is reversed", addrText(start), addrText(end))
	}
	return nil
}

// lastAddr returns the last address of an IPv4 subnet.
func lastAddr(subnet netip.Prefix) netip.Addr {
	b := subnet.Addr().As4()
	for i := subnet.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}
