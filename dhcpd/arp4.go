package dhcpd

import (
	"bytes"
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

// sighting is somebody using an address.
type sighting struct {
	addr netip.Addr
	mac  net.HardwareAddr // valid until the next read
}

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
	b = append(b, c.hardwareAddr()...)
	b = appendAddr(b, c.server)
	b = append(b, 0, 0, 0, 0, 0, 0)
	b = appendAddr(b, a)
	_, err := c.arp.WriteTo(b, &packet.Addr{HardwareAddr: net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}})
	return err
}

// hardwareAddr is the link's address now: that of a bridge can change while we
// serve it.
func (c *Conn4) hardwareAddr() net.HardwareAddr {
	mac := c.mac
	raw, err := c.arp.SyscallConn()
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
		return c.mac
	}
	return mac
}
