package xmlnet

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// parseAddr reads a literal address: IPv6, or IPv4 in any form inet_aton
// takes ("10.1" is 10.0.0.1, "0x0a.1.2.3", "010.0.0.1" is 8.0.0.1). Zones are
// not taken, since no address of a network has one.
func parseAddr(text string) (netip.Addr, bool) {
	if strings.ContainsRune(text, ':') {
		a, err := netip.ParseAddr(text)
		return a, err == nil && a.Zone() == ""
	}
	return parseIPv4(text)
}

// parseIPv4 reads an IPv4 address as inet_aton does, but for blanks after it.
func parseIPv4(text string) (netip.Addr, bool) {
	parts := strings.Split(text, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var sum uint64
	for i, part := range parts {
		most := uint64(0xff)
		if i == len(parts)-1 {
			most = 0xffffffff >> (8 * i) // the last one fills the rest
		}
		if part == "" || part[0] < '0' || part[0] > '9' {
			return netip.Addr{}, false
		}
		n, ok := number(part, 0, most)
		if !ok {
			return netip.Addr{}, false
		}
		if i == len(parts)-1 {
			sum |= n
		} else {
			sum |= n << (24 - 8*i)
		}
	}
	return addrFrom(uint32(sum)), true
}

func addrFrom(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// addrText prints an address as libc does: unlike netip, "::1.2.3.4".
func addrText(a netip.Addr) string {
	if !a.Is6() || a.Is4In6() {
		return a.String()
	}
	b := a.As16()
	for _, x := range b[:12] {
		if x != 0 {
			return a.String()
		}
	}
	if b[12] == 0 && b[13] == 0 {
		return a.String()
	}
	return "::" + netip.AddrFrom4([4]byte(b[12:])).String()
}

// is4 tells whether a is an IPv4 address. One mapped into IPv6 is not.
func is4(a netip.Addr) bool { return a.Is4() }

// maskBits returns the length of a netmask; ok is false when its ones are not
// all in front.
func maskBits(mask netip.Addr) (bits int, ok bool) {
	m := mask.As4()
	ones, size := net.IPMask(m[:]).Size()
	return ones, size != 0
}

// classBits returns the prefix length that an address has when none is
// written: IPv4 by its class, IPv6 64.
func classBits(a netip.Addr) int {
	switch {
	case !is4(a):
		return 64
	case a.As4()[0] < 128:
		return 8
	case a.As4()[0] < 192:
		return 16
	}
	return 24
}

// parseMAC reads a MAC address as libvirt does: six hexadecimal numbers of one
// or two digits between colons. Blanks may follow.
func parseMAC(text string) (net.HardwareAddr, bool) {
	parts := strings.Split(strings.TrimRight(text, " \t\n\v\f\r"), ":")
	if len(parts) != 6 {
		return nil, false
	}
	mac := make(net.HardwareAddr, 6)
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 16, 8)
		if err != nil || len(part) > 2 {
			return nil, false
		}
		mac[i] = byte(n)
	}
	return mac, true
}

// multicast tells whether mac is a group's address.
func multicast(mac net.HardwareAddr) bool { return mac[0]&1 != 0 }
