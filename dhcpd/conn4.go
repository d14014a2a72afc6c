package dhcpd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/vnetmgr/vnetmgr/internal/holder"
)

// Conn4 is what a DHCPv4 server listens and talks through on one link:
//
//   - A packet socket receives every datagram to port 67 that the link gets,
//     whatever address it is sent to. A UDP socket gets broadcasts only if it
//     is bound to the wildcard address, and then collides with other servers
//     on the host. It also hears clients that a host firewall would silence.
//   - The same socket sends to clients, which may have no address yet: whole
//     frames to their MAC. Replies to clients with an address go this way too,
//     so that ten thousand guests need no entries in the neighbour table.
//   - A UDP socket bound to our address and the link holds the port, so that
//     two servers are found out at once, keeps the kernel from answering
//     "port unreachable", and sends to relays.
//   - An ARP socket hears who uses which address, and asks.
type Conn4 struct {
	wire
	mac    net.HardwareAddr
	server netip.Addr
	relays *net.UDPConn
	arp    *packet.Conn
	ports  *ports
}

// What may wait in the kernel: of requests enough that a burst of clients is
// not lost, of ARP little, so that what is read is news. It takes no memory
// while nothing waits.
const (
	requestBuffer = 4 << 20
	arpBuffer     = 64 << 10
)

// Listen4 opens the sockets of a server with an address on a link. If another
// program has port 67 the error, which is a *net.OpError's EADDRINUSE
// underneath, names it. It needs CAP_NET_RAW and CAP_NET_BIND_SERVICE, and names
// the one that is missing.
func Listen4(link string, server netip.Addr) (*Conn4, error) {
	c, err := listen4(link, server)
	if err != nil {
		return nil, fmt.Errorf("listen on %s port %d: %w", link, serverPort4, withCapability(err))
	}
	return c, nil
}

// withCapability adds to an error of opening a socket what it takes: a low
// port is refused with EACCES, a packet socket with EPERM.
func withCapability(err error) error {
	switch {
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("the capability CAP_NET_BIND_SERVICE is missing: %w", err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("the capability CAP_NET_RAW is missing: %w", err)
	}
	return err
}

func listen4(link string, server netip.Addr) (_ *Conn4, err error) {
	ifi, err := net.InterfaceByName(link)
	if err != nil {
		return nil, err
	}
	c := &Conn4{wire: newWire(ifi, unix.ETH_P_IP), mac: ifi.HardwareAddr, server: server}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if c.relays, err = listenUDP4(link, server); err != nil {
		return nil, holder.Explain(err, "udp", netip.AddrPortFrom(server, serverPort4))
	}
	if c.packets, err = listenPackets(ifi, unix.ETH_P_IP, requestBuffer, requestFilter); err != nil {
		return nil, err
	}
	if c.arp, err = listenPackets(ifi, unix.ETH_P_ARP, arpBuffer, arpFilter); err != nil {
		return nil, err
	}
	c.ports = openPorts(ifi.Index)
	return c, nil
}

// Close closes the sockets.
func (c *Conn4) Close() error {
	var errs []error
	if c.relays != nil {
		errs = append(errs, c.relays.Close())
	}
	if c.ports != nil {
		errs = append(errs, c.ports.close())
	}
	for _, p := range []*packet.Conn{c.packets, c.arp} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	return errors.Join(errs...)
}

// downPoll is how often a link that was set down is looked at. The kernel
// tells its sockets once that it is down, and not when it is removed then.
const downPoll = 100 * time.Millisecond

// waitUp waits, if a read failed because the link is down, until it is up
// again: the sockets go on then. It returns err if it was another error, or
// if the link is gone or ctx ends.
func (w *wire) waitUp(ctx context.Context, err error) error {
	if !errors.Is(err, unix.ENETDOWN) {
		return err
	}
	for ctx.Err() == nil {
		up, stateErr := w.isUp()
		if stateErr != nil {
			return err
		}
		if up {
			return nil
		}
		pause(ctx, downPoll)
	}
	return err
}

// isUp tells whether the link is up. A link that is gone is an error, also
// when there is another with its name.
func (w *wire) isUp() (up bool, err error) {
	conn, err := w.packets.SyscallConn()
	if err != nil {
		return false, err
	}
	ifr, err := unix.NewIfreq(w.link)
	if err != nil {
		return false, err
	}
	err = control(conn, func(fd int) error {
		name, err := unix.Getsockname(fd)
		if err != nil {
			return err
		}
		if link, ok := name.(*unix.SockaddrLinklayer); !ok || link.Ifindex != w.index {
			return unix.ENODEV // the kernel took its index off the socket
		}
		return unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifr)
	})
	return ifr.Uint16()&unix.IFF_UP != 0, err
}

// interrupt ends all reading, now and later.
func (c *Conn4) interrupt() {
	past := time.Unix(1, 0)
	c.packets.SetReadDeadline(past)
	c.arp.SetReadDeadline(past)
}

// listenUDP4 opens the socket that holds the port. It is bound strictly: with
// SO_REUSEADDR it would share the port with another server on the link, and
// each would get some of the packets.
func listenUDP4(link string, server netip.Addr) (*net.UDPConn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscallConn) error {
		return control(raw, func(fd int) error {
			return errors.Join(
				unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, link),
				unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_FREEBIND, 1),
				dropAll(fd),
			)
		})
	}}
	pc, err := lc.ListenPacket(context.Background(), "udp4", netip.AddrPortFrom(server, serverPort4).String())
	if err != nil {
		return nil, err
	}
	return pc.(*net.UDPConn), nil
}

// dropAll has a socket receive nothing: everything is read from the packet
// socket.
func dropAll(fd int) error {
	filter := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}

const (
	// otherHost is PACKET_OTHERHOST: what is for us or for all is below it,
	// what we sent ourselves above.
	otherHost = 3
	// snapLen is the longest packet that is received whole.
	snapLen = 2048
)

// requestFilter lets through whole UDP datagrams to port 67 that are for this
// host or for all.
var requestFilter = []bpf.Instruction{
	bpf.LoadExtension{Num: bpf.ExtType},
	bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: otherHost, SkipTrue: 8},
	bpf.LoadAbsolute{Off: 9, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 6},
	bpf.LoadAbsolute{Off: 6, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x3fff, SkipTrue: 4},
	bpf.LoadMemShift{Off: 0},
	bpf.LoadIndirect{Off: 2, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: serverPort4, SkipTrue: 1},
	bpf.RetConstant{Val: snapLen},
	bpf.RetConstant{Val: 0},
}

// arpFilter lets through ARP from others.
var arpFilter = []bpf.Instruction{
	bpf.LoadExtension{Num: bpf.ExtType},
	bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: otherHost, SkipTrue: 1},
	bpf.RetConstant{Val: arpSize},
	bpf.RetConstant{Val: 0},
}

// listenPackets opens a packet socket for one protocol, without the link's
// header.
func listenPackets(ifi *net.Interface, protocol, buffer int, filter []bpf.Instruction) (*packet.Conn, error) {
	raw, err := bpf.Assemble(filter)
	if err != nil {
		return nil, err
	}
	c, err := packet.Listen(ifi, packet.Datagram, protocol, &packet.Config{Filter: raw})
	if err != nil {
		return nil, err
	}
	conn, err := c.SyscallConn()
	if err == nil {
		err = control(conn, func(fd int) error {
			// Beyond the limit for everyone, if we may.
			if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) == nil {
				return nil
			}
			return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
		})
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
