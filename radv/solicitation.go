package radv

import "net/netip"

// Kinds of ICMPv6 message and option (RFC 4861 §4).
const (
	typeSolicitation = 133
	optionSourceLLA  = 1
	solicitationSize = 8 // without options
)

// solicits tells whether b, an ICMPv6 message whose checksum the kernel has
// found right, is a router solicitation that must not be discarded (RFC 4861
// §6.1.1). A hop limit below 255 says that it came over a router, so from
// anybody. Of the options only their lengths matter.
func solicits(b []byte, hops int, from netip.Addr) bool {
	if hops != ndpHops || len(b) < solicitationSize || b[0] != typeSolicitation || b[1] != 0 {
		return false
	}
	for options := b[solicitationSize:]; len(options) > 0; {
		if len(options) < 2 || options[1] == 0 || 8*int(options[1]) > len(options) {
			return false
		}
		if options[0] == optionSourceLLA && from.IsUnspecified() {
			return false
		}
		options = options[8*int(options[1]):]
	}
	return true
}
