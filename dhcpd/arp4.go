package dhcpd

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// arpSize is the length of an ARP packet for IPv4 over Ethernet (RFC 826).
const arpSize = 28

// arpHeader is what such a packet begins with, up to the operation.
var arpHeader = []byte{0, 1, 8, 0, 6, 4}

// ARP's operations.
const (
	arpRequest = 1
	arpReply   = 2
)

// parseARP returns who sent an ARP packet. One without a sender address is a
// client's own check (RFC 5227) and says nothing.
func parseARP(b []byte) (sighting, bool) {
	if len(b) < arpSize || !bytes.Equal(b[:6], arpHeader) {
		return sighting{}, false
	}
	if op := binary.BigEndian.Uint16(b[6:]); op != arpRequest && op != arpReply {
		return sighting{}, false
	}
	s := sighting{mac: b[8:14], addr: addrOf(b[14:18])}
	return s, s.addr.IsValid() && s.mac[0]&1 == 0
}

// readARP waits for an ARP packet and returns it, in b.
func (c *Conn4) readARP(b []byte) ([]byte, error) {
	n, _, err := c.arp.ReadFrom(b)
	if err != nil {
		return nil, err
	}
	return b[:n], nil
}

// askARP asks all on the link who uses an address. It asks in our name, as any
// host does before it talks to another, because a request without a sender
// would look to a client that is just taking the address like another who
// wants it (RFC 5227 §2.1.1).
func (c *Conn4) askARP(a netip.Addr) error {
	b := append(make([]byte, 0, arpSize), arpHeader...)
	b = binary.BigEndian.AppendUint16(b, arpRequest)
	b = append(b, hardwareAddr(c.arp, c.mac)...)
	b = appendAddr(b, c.server)
	b = append(b, 0, 0, 0, 0, 0, 0)
	b = appendAddr(b, a)
	_, err := c.arp.WriteTo(b, &packet.Addr{HardwareAddr: net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}})
	return err
}

// hardwareAddr is the address now of the link that a socket is bound to: that
// of a bridge can change while we serve it. It was before if that is not known.
func hardwareAddr(c *packet.Conn, before net.HardwareAddr) net.HardwareAddr {
	mac := before
	raw, err := c.SyscallConn()
	if err != nil {
		return mac
	}
	err = control(raw, func(fd int) error {
		name, err := unix.Getsockname(fd)
		if ll, ok := name.(*unix.SockaddrLinklayer); ok && ll.Halen == 6 {
			mac = slices.Clone(ll.Addr[:6])
		}
		return err
	})
	if err != nil {
		return before
	}
	return mac
}

// readARP notes who uses which address, until reading fails. It reads no more
// than seeBurst packets at once and one every seeEvery; the kernel drops what
// is beyond.
func (x *exchange4) readARP(ctx context.Context) error {
	b := make([]byte, 2*arpSize)
	return x.watch(ctx, x.conn.waitUp, func() (sighting, bool, error) {
		got, err := x.conn.readARP(b)
		if err != nil {
			return sighting{}, false, err
		}
		s, ok := parseARP(got)
		return s, ok && x.concerns(s.addr), nil
	})
}

// concerns tells whether it matters who uses an address.
func (x *exchange4) concerns(a netip.Addr) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.of.service.subnet.Contains(a) && a != x.of.service.addr
}
