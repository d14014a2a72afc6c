package dhcpd

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// reply6 is a reply before it goes into an envelope for its relays.
type reply6 struct {
	kind    dhcpv6.MessageType
	xid     [3]byte
	options options6
	relays  []relay6
}

// newReply6 returns a reply to r with both DUIDs (RFC 8415 §18.3.9, 18.3.10).
func (s *service6) newReply6(kind dhcpv6.MessageType, r *request6) *reply6 {
	p := &reply6{kind: kind, xid: r.xid, relays: r.relays, options: make(options6, 0, 256)}
	if len(r.clientID) > 0 {
		p.options.put(dhcpv6.OptionClientID, r.clientID...)
	}
	p.options.put(dhcpv6.OptionServerID, s.DUID...)
	return p
}

// appendTo appends the reply's bytes to b, in a Relay-reply for each relay
// that it goes back through (RFC 8415 §19.3).
func (p *reply6) appendTo(b []byte) []byte {
	o := options6(b)
	var open []int
	for _, r := range p.relays {
		link, peer := r.link.As16(), r.peer.As16()
		o = append(o, byte(dhcpv6.MessageTypeRelayReply), r.hops)
		o = append(append(o, link[:]...), peer[:]...)
		if r.hasID {
			o.put(dhcpv6.OptionInterfaceID, r.interfaceID...)
		}
		open = append(open, o.open(dhcpv6.OptionRelayMsg))
	}
	o = append(append(o, byte(p.kind)), p.xid[:]...)
	o = append(o, p.options...)
	for _, at := range open {
		o.close(at)
	}
	return o
}

// The UDP ports of DHCPv6 and the address of all its servers (RFC 8415 §7).
const (
	serverPort6 = 547
	clientPort6 = 546
)

var allServers6 = netip.MustParseAddr("ff02::1:2")

// headers6 is the length of the IPv6 and UDP headers.
const headers6 = 48

// datagram6 is an IPv6 packet with a UDP datagram.
type datagram6 struct {
	src, dst netip.Addr
	payload  []byte
}

// parseDatagram6 takes apart an IPv6 packet that came off the link. What is
// not a whole UDP datagram to the DHCP server port, without extension
// headers, is refused. The checksum is not looked at: a guest on this host
// leaves it to hardware that does not exist.
func parseDatagram6(b []byte) (datagram6, bool) {
	if len(b) < headers6 || b[0]>>4 != 6 || b[6] != 17 {
		return datagram6{}, false
	}
	total := 40 + int(binary.BigEndian.Uint16(b[4:]))
	if total > len(b) || total < headers6 {
		return datagram6{}, false
	}
	udp := b[40:total]
	length := int(binary.BigEndian.Uint16(udp[4:]))
	if binary.BigEndian.Uint16(udp[2:]) != serverPort6 || length < 8 || length > len(udp) {
		return datagram6{}, false
	}
	return datagram6{
		src:     netip.AddrFrom16([16]byte(b[8:24])),
		dst:     netip.AddrFrom16([16]byte(b[24:40])),
		payload: udp[8:length],
	}, true
}

// sealDatagram6 writes the IPv6 and UDP headers into the first 48 bytes of b,
// whose rest is the payload.
func sealDatagram6(b []byte, src, dst netip.Addr, srcPort, dstPort uint16) {
	s, d := src.As16(), dst.As16()
	ip, udp := b[:40], b[40:]
	clear(b[:headers6])
	ip[0] = 0x6c // traffic class CS6, as dnsmasq sets it
	binary.BigEndian.PutUint16(ip[4:], uint16(len(udp)))
	ip[6], ip[7] = 17, 64
	copy(ip[8:], s[:])
	copy(ip[24:], d[:])
	binary.BigEndian.PutUint16(udp[0:], srcPort)
	binary.BigEndian.PutUint16(udp[2:], dstPort)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	check := ^fold(sum16(udp, sum16(ip[8:40], 17+uint32(len(udp)))))
	if check == 0 {
		check = 0xffff // 0 would say that there is none
	}
	binary.BigEndian.PutUint16(udp[6:], check)
}

// newFrame6 encodes a reply for whom the request came from: the client, at
// the hardware address that it used, or a relay. By UDP goes what is for a
// relay, for a client whose hardware address is not known, or longer than mtu.
func newFrame6(p *reply6, us, to netip.Addr, mac net.HardwareAddr, mtu int) *frame {
	f := framePool.Get().(*frame)
	f.b = p.appendTo(append(f.b[:0], make([]byte, headers6)...))
	f.mac, f.relay = append(net.HardwareAddr(nil), mac...), netip.Addr{}
	switch {
	case len(p.relays) > 0:
		f.relay, f.port = to, serverPort6
		return f
	case len(mac) == 0 || len(f.b) > mtu:
		f.relay, f.port = to, clientPort6
		return f
	}
	sealDatagram6(f.b, us, to, serverPort6, clientPort6)
	return f
}
