package dhcpd

import (
	"context"
	"errors"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A message that does not fit into one packet of the link, or into what the
// packet socket takes, comes in fragments. The kernel puts them together for
// the UDP socket, which takes these and no others; the hardware address that
// they came from is not known then. A reply that does not fit into one packet
// leaves that way, too.

// wholePackets is the longest packet that the packet socket takes on a link.
func wholePackets(mtu int) int { return min(mtu, snapLen-1) }

// largeFilter lets through the datagrams that wholePackets is too short for.
func largeFilter(mtu int) []bpf.Instruction {
	const ipHeader = 40
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: uint32(wholePackets(mtu) - ipHeader), SkipFalse: 1},
		bpf.RetConstant{Val: 1 << 17},
		bpf.RetConstant{Val: 0},
	}
}

// takeLarge has a UDP socket take large datagrams and tell whom they were sent
// to.
func takeLarge(fd, mtu int) error {
	raw, err := bpf.Assemble(largeFilter(mtu))
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return errors.Join(
		unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1),
	)
}

// receiveLarge waits for a large datagram.
func (c *Conn6) receiveLarge(b []byte) (datagram6, error) {
	var oob [128]byte
	n, oobn, _, from, err := c.relays.ReadMsgUDPAddrPort(b, oob[:])
	if err != nil {
		return datagram6{}, err
	}
	return datagram6{src: from.Addr().WithZone(""), dst: sentTo(oob[:oobn]), payload: b[:n]}, nil
}

// sentTo is whom a datagram was sent to, as its control message says.
func sentTo(oob []byte) netip.Addr {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.Addr{}
	}
	for _, m := range messages {
		if m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= 16 {
			return netip.AddrFrom16([16]byte(m.Data))
		}
	}
	return netip.Addr{}
}

// readLarge answers large messages until reading fails.
func (x *exchange6) readLarge(ctx context.Context) error {
	b := make([]byte, 1<<16)
	for {
		d, err := x.conn.receiveLarge(b)
		if err := x.conn.waitUp(ctx, err); err != nil {
			return err
		}
		if err == nil {
			x.counts.received.Add(1)
			x.handleDatagram(d, nil)
			x.flush()
		}
	}
}
