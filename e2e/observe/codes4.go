package observe

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
)

// name4 names DHCPv4's options as they are seen in the fixtures (RFC 2132).
var name4 = map[byte]string{
	1: "subnet mask", 3: "router", 6: "resolver", 12: "host name", 15: "domain", 26: "mtu", 28: "broadcast",
	42: "ntp", 43: "vendor options", 51: "lease time", 53: "message type", 54: "server", 56: "message", 58: "T1", 59: "T2",
	60: "vendor class", 66: "tftp server", 67: "boot file", 81: "fqdn", 82: "relay agent", 97: "machine", 119: "search",
	121: "routes",
}

// kinds4 are message types (RFC 2132 §9.6).
var kinds4 = []string{"BOOTREPLY", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM"}

// value4 is an option's value in words.
func value4(code byte, v []byte) string {
	switch code {
	case 1, 3, 6, 28, 42, 54:
		return addrs4(v)
	case 51, 58, 59:
		if len(v) == 4 {
			return fmt.Sprintf("%d s", binary.BigEndian.Uint32(v))
		}
	case 26:
		if len(v) == 2 {
			return fmt.Sprint(binary.BigEndian.Uint16(v))
		}
	case 53:
		if len(v) == 1 && int(v[0]) < len(kinds4) {
			return kinds4[v[0]]
		}
	}
	return text(v)
}

func addrs4(v []byte) string {
	var all []string
	for ; len(v) >= 4; v = v[4:] {
		all = append(all, netip.AddrFrom4([4]byte(v)).String())
	}
	return strings.Join(all, " ")
}

// text is bytes as text, if they are, else in hexadecimal. A zero byte at the
// end is shown, because clients differ about it.
func text(v []byte) string {
	for _, c := range strings.TrimSuffix(string(v), "\x00") {
		if !unicode.IsPrint(c) {
			return "0x" + hex.EncodeToString(v)
		}
	}
	return fmt.Sprintf("%q", v)
}
