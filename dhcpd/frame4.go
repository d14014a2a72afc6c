package dhcpd

import (
	"encoding/binary"
	"net/netip"
)

// The UDP ports of DHCPv4.
const (
	serverPort4 = 67
	clientPort4 = 68
)

// datagram4 is an IPv4 packet with a UDP datagram.
type datagram4 struct {
	src, dst netip.Addr
	payload  []byte
}

// parseDatagram4 takes apart an IPv4 packet that came off the link. What is
// not a whole UDP datagram to the DHCP server port is refused. The checksums
// are not looked at: a guest on this host leaves them to hardware that does
// not exist.
func parseDatagram4(b []byte) (datagram4, bool) {
	if len(b) < ipUDPHeader || b[0]>>4 != 4 || b[9] != 17 {
		return datagram4{}, false
	}
	header := int(b[0]&0xf) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	fragment := binary.BigEndian.Uint16(b[6:]) & 0x3fff // MF and offset
	if header < 20 || total > len(b) || total < header+8 || fragment != 0 {
		return datagram4{}, false
	}
	udp := b[header:total]
	length := int(binary.BigEndian.Uint16(udp[4:]))
	if binary.BigEndian.Uint16(udp[2:]) != serverPort4 || length < 8 || length > len(udp) {
		return datagram4{}, false
	}
	return datagram4{
		src:     netip.AddrFrom4([4]byte(b[12:16])),
		dst:     netip.AddrFrom4([4]byte(b[16:20])),
		payload: udp[8:length],
	}, true
}

// sealDatagram4 writes the IPv4 and UDP headers, with full checksums, into
// the first 28 bytes of b, whose rest is the payload.
func sealDatagram4(b []byte, src, dst netip.Addr) {
	s, d := src.As4(), dst.As4()
	ip, udp := b[:20], b[20:]
	clear(b[:ipUDPHeader])
	ip[0] = 0x45
	ip[1] = 0xc0 // precedence internetwork control, as dnsmasq sets it
	binary.BigEndian.PutUint16(ip[2:], uint16(len(b)))
	ip[6] = 0x40 // don't fragment
	ip[8], ip[9] = 64, 17
	copy(ip[12:], s[:])
	copy(ip[16:], d[:])
	binary.BigEndian.PutUint16(ip[10:], ^fold(sum16(ip, 0)))

	binary.BigEndian.PutUint16(udp[0:], serverPort4)
	binary.BigEndian.PutUint16(udp[2:], clientPort4)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	pseudo := sum16(ip[12:20], 17+uint32(len(udp)))
	check := ^fold(sum16(udp, pseudo))
	if check == 0 {
		check = 0xffff // 0 would say that there is none
	}
	binary.BigEndian.PutUint16(udp[6:], check)
}

// sum16 adds b to sum as 16-bit words.
func sum16(b []byte, sum uint32) uint32 {
	for len(b) >= 2 {
		sum += uint32(b[0])<<8 | uint32(b[1])
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

// fold brings a sum of 16-bit words to 16 bits (RFC 1071).
func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
