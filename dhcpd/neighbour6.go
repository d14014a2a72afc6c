package dhcpd

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// What is read and sent of neighbour discovery (RFC 4861 §4.3, 4.4, 4.6.1).
const (
	neighbourSolicitation  = 135
	neighbourAdvertisement = 136
	neighbourSize          = 24
	sourceLinkLayer        = 1 // an option

	icmpAt = 40 // after the IPv6 header
)

// neighbourFilter lets through neighbour solicitations and advertisements from
// others.
var neighbourFilter = []bpf.Instruction{
	bpf.LoadExtension{Num: bpf.ExtType},
	bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: otherHost, SkipTrue: 6},
	bpf.LoadAbsolute{Off: 6, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_ICMPV6, SkipTrue: 4},
	bpf.LoadAbsolute{Off: icmpAt, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpLessThan, Val: neighbourSolicitation, SkipTrue: 2},
	bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: neighbourAdvertisement, SkipTrue: 1},
	bpf.RetConstant{Val: 256},
	bpf.RetConstant{Val: 0},
}

// parseNeighbour returns who uses an address, as an IPv6 packet of neighbour
// discovery that came from a hardware address says: the sender of a
// solicitation, or the target of an advertisement. A solicitation without
// source is a client's own check (RFC 4862 §5.4) and says nothing.
func parseNeighbour(b []byte, from net.HardwareAddr) (sighting, bool) {
	if len(b) < icmpAt+neighbourSize || b[0]>>4 != 6 || b[6] != unix.IPPROTO_ICMPV6 || b[7] != 255 || len(from) != 6 {
		return sighting{}, false
	}
	var a netip.Addr
	switch b[icmpAt] {
	case neighbourSolicitation:
		a = netip.AddrFrom16([16]byte(b[8:]))
	case neighbourAdvertisement:
		a = netip.AddrFrom16([16]byte(b[icmpAt+8:]))
	}
	return sighting{a, from}, a.IsValid() && !a.IsUnspecified() && !a.IsMulticast()
}

// appendSolicitation appends a packet that asks who uses an address, of a host
// with an address and hardware address of its own.
func appendSolicitation(b []byte, target, source netip.Addr, mac net.HardwareAddr) []byte {
	start := len(b)
	t, s, group := target.As16(), source.As16(), groupOf(target).As16()
	b = append(b, 0x60, 0, 0, 0, 0, neighbourSize+8, unix.IPPROTO_ICMPV6, 255)
	b = append(append(b, s[:]...), group[:]...)
	b = append(b, neighbourSolicitation, 0, 0, 0, 0, 0, 0, 0)
	b = append(b, t[:]...)
	b = append(b, sourceLinkLayer, 1)
	b = append(b, mac...)
	p := b[start:]
	sum := ^fold(sum16(p[icmpAt:], sum16(p[8:40], unix.IPPROTO_ICMPV6+uint32(len(p)-icmpAt))))
	binary.BigEndian.PutUint16(p[icmpAt+2:], sum)
	return b
}

// groupOf is the group that hosts with an address listen to (RFC 4291 §2.7.1).
func groupOf(a netip.Addr) netip.Addr {
	g, b := [16]byte{0xff, 2, 11: 1, 12: 0xff}, a.As16()
	copy(g[13:], b[13:])
	return netip.AddrFrom16(g)
}

// solicit asks all on the link who uses an address.
func (c *Conn6) solicit(a netip.Addr) error {
	g := groupOf(a).As16()
	to := net.HardwareAddr{0x33, 0x33, g[12], g[13], g[14], g[15]}
	_, err := c.nd.WriteTo(appendSolicitation(nil, a, c.source, hardwareAddr(c.nd, c.mac)), &packet.Addr{HardwareAddr: to})
	return err
}

// readNeighbours notes who uses which address, until reading fails.
func (x *exchange6) readNeighbours(ctx context.Context) error {
	b := make([]byte, 256)
	return x.watch(ctx, x.conn.waitUp, func() (sighting, bool, error) {
		n, from, err := x.conn.nd.ReadFrom(b)
		if err != nil {
			return sighting{}, false, err
		}
		link, ok := from.(*packet.Addr)
		if !ok {
			return sighting{}, false, nil
		}
		s, ok := parseNeighbour(b[:n], link.HardwareAddr)
		return s, ok && x.concerns(s.addr), nil
	})
}

// concerns tells whether it matters who uses an address.
func (x *exchange6) concerns(a netip.Addr) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.of.service.subnet.Contains(a) && a != x.of.service.addr
}
