package dns

import "net/netip"

const (
	arpa4 = "\x07in-addr\x04arpa\x00"
	arpa6 = "\x03ip6\x04arpa\x00"
)

// reversed reads a folded name under in-addr.arpa or ip6.arpa (RFC 1035 §3.5,
// RFC 3596 §2.5) and returns the prefix that it stands for: a whole address,
// or a zone above one. ok is false for other names.
func reversed(name []byte) (p netip.Prefix, ok bool) {
	switch {
	case within(name, arpa4):
		return reversed4(name[:len(name)-len(arpa4)])
	case within(name, arpa6):
		return reversed6(name[:len(name)-len(arpa6)])
	}
	return p, false
}

// reversed4 reads up to four decimal labels, the last octet first.
func reversed4(labels []byte) (p netip.Prefix, ok bool) {
	var octets [4]byte
	n := 0
	for ; len(labels) > 0; n++ {
		size := int(labels[0])
		if n == len(octets) {
			return p, false
		}
		v, ok := decimal(labels[1 : 1+size])
		if !ok {
			return p, false
		}
		copy(octets[1:], octets[:3])
		octets[0] = v
		labels = labels[1+size:]
	}
	return netip.PrefixFrom(netip.AddrFrom4(octets), 8*n), true
}

func decimal(b []byte) (v byte, ok bool) {
	if len(b) == 0 || len(b) > 3 || (b[0] == '0' && len(b) > 1) {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return byte(n), n < 256
}

// reversed6 reads up to 32 nibbles, the last first.
func reversed6(labels []byte) (p netip.Prefix, ok bool) {
	nibbles := len(labels) / 2
	if len(labels)%2 != 0 || nibbles > 32 {
		return p, false
	}
	var addr [16]byte
	for i := range nibbles {
		v := hexDigit(labels[2*i+1])
		if labels[2*i] != 1 || v < 0 {
			return p, false
		}
		at := nibbles - 1 - i
		addr[at/2] |= byte(v) << (4 * (1 - at%2))
	}
	return netip.PrefixFrom(netip.AddrFrom16(addr), 4*nibbles), true
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
