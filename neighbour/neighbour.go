// Package neighbour learns which IPv6 addresses the guests of a network have
// made themselves (RFC 4862, and of these the ones that nobody can compute:
// RFC 7217, RFC 8981), by listening to neighbour discovery (RFC 4861) on the
// bridge. What a guest claims is asked back before it counts, and asked again
// now and then: an address that answers no more is forgotten.
//
// A guest is a MAC address here, as in DHCP. The package knows no names and no
// leases; it is told which MAC addresses matter.
package neighbour

import (
	"net"
	"net/netip"
)

// MAC is an Ethernet address.
type MAC [6]byte

// String is the address as it is written: 52:54:00:00:00:01.
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// ParseMAC returns an address of six bytes; ok is false for other lengths.
func ParseMAC(hw net.HardwareAddr) (m MAC, ok bool) {
	if len(hw) != len(m) {
		return m, false
	}
	return MAC(hw), true
}

// unicast tells whether m can be one station's.
func (m MAC) unicast() bool { return m[0]&1 == 0 && m != MAC{} }

// A Neighbour is an address and who has it.
type Neighbour struct {
	Addr netip.Addr
	MAC  MAC
}

// Config is what one network learns.
type Config struct {
	Link string // the bridge
	// Prefixes hold what is learned; other addresses are nobody's business.
	Prefixes []netip.Prefix
}

// holds tells whether the configuration is about an address.
func (c *Config) holds(addr netip.Addr) bool {
	for _, p := range c.Prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// guesses returns the addresses that a station makes of its MAC address
// (RFC 4291 appendix A): it need not have any of them.
func (c *Config) guesses(m MAC) []netip.Addr {
	var all []netip.Addr
	for _, p := range c.Prefixes {
		if p.Bits() != 64 {
			continue
		}
		b := p.Masked().Addr().As16()
		copy(b[8:], []byte{m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
		all = append(all, netip.AddrFrom16(b))
	}
	return all
}
