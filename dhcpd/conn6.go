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

// Conn6 is what a DHCPv6 server listens and talks through on one link:
//
//   - A packet socket receives every datagram to port 547 that the link gets,
//     with the hardware address that it came from, and sends replies there,
//     so that ten thousand guests need no entries in the neighbour table.
//   - A UDP socket bound to the link holds the port, so that two servers are
//     found out at once, is a member of the servers' group, so that a bridge
//     that snoops multicast brings it here, and sends to relays. It takes
//     the messages that came in fragments.
//   - A socket for neighbour discovery hears who uses which address, and asks.
type Conn6 struct {
	wire
	mac    net.HardwareAddr
	mtu    int
	source netip.Addr // of our packets
	relays *net.UDPConn
	nd     *packet.Conn
	ports  *ports
}

// Listen6 opens the sockets of a server on a link, which may have no carrier
// yet. Replies come from the link's link-local address, or from server if it
// has none. If another program has port 547 the error, which is a
// *net.OpError's EADDRINUSE underneath, names it. It needs CAP_NET_RAW and
// CAP_NET_BIND_SERVICE.
func Listen6(link string, server netip.Addr) (*Conn6, error) {
	c, err := listen6(link, server)
	if err != nil {
		return nil, fmt.Errorf("listen on %s port %d: %w", link, serverPort6, err)
	}
	return c, nil
}

func listen6(link string, server netip.Addr) (_ *Conn6, err error) {
	ifi, err := net.InterfaceByName(link)
	if err != nil {
		return nil, err
	}
	c := &Conn6{wire: newWire(ifi, unix.ETH_P_IPV6), mac: ifi.HardwareAddr, mtu: ifi.MTU, source: linkLocalOf(ifi, server)}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if c.relays, err = listenUDP6(ifi); err != nil {
		return nil, err
	}
	if c.packets, err = listenPackets(ifi, unix.ETH_P_IPV6, requestBuffer, requestFilter6(ifi.MTU)); err != nil {
		return nil, err
	}
	if c.nd, err = listenPackets(ifi, unix.ETH_P_IPV6, arpBuffer, neighbourFilter); err != nil {
		return nil, err
	}
	c.ports = openPorts(ifi.Index)
	return c, nil
}

// linkLocalOf returns a link's link-local address, or other if it has none.
func linkLocalOf(ifi *net.Interface, other netip.Addr) netip.Addr {
	addrs, err := ifi.Addrs()
	if err != nil {
		return other
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
			return p.Addr()
		}
	}
	return other
}

// listenUDP6 opens the socket that holds the port, strictly, as in listenUDP4.
func listenUDP6(ifi *net.Interface) (*net.UDPConn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscallConn) error {
		return control(raw, func(fd int) error {
			return errors.Join(
				unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, ifi.Name),
				unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP,
					&unix.IPv6Mreq{Multiaddr: allServers6.As16(), Interface: uint32(ifi.Index)}),
				takeLarge(fd, ifi.MTU),
			)
		})
	}}
	at := netip.AddrPortFrom(netip.IPv6Unspecified(), serverPort6)
	pc, err := lc.ListenPacket(context.Background(), "udp6", at.String())
	if err != nil {
		return nil, holder.Explain(err, "udp", at)
	}
	return pc.(*net.UDPConn), nil
}

// Close closes the sockets.
func (c *Conn6) Close() error {
	var errs []error
	if c.relays != nil {
		errs = append(errs, c.relays.Close())
	}
	if c.ports != nil {
		errs = append(errs, c.ports.close())
	}
	for _, p := range []*packet.Conn{c.packets, c.nd} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	return errors.Join(errs...)
}

// interrupt ends all reading, now and later.
func (c *Conn6) interrupt() {
	past := time.Unix(1, 0)
	c.packets.SetReadDeadline(past)
	c.relays.SetReadDeadline(past)
	c.nd.SetReadDeadline(past)
}

func (c *Conn6) send(frames []*frame) error { return c.wire.send(frames, c.sendRelay) }

func (c *Conn6) sendRelay(f *frame) error {
	to := f.relay
	if to.IsLinkLocalUnicast() {
		to = to.WithZone(c.link)
	}
	_, err := c.relays.WriteToUDPAddrPort(f.b[headers6:], netip.AddrPortFrom(to, f.port))
	return err
}

// requestFilter6 lets through whole UDP datagrams to port 547 that are for this
// host or for a group.
func requestFilter6(mtu int) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: otherHost, SkipTrue: 7},
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: uint32(wholePackets(mtu)), SkipTrue: 5},
		bpf.LoadAbsolute{Off: 6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 42, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: serverPort6, SkipTrue: 1},
		bpf.RetConstant{Val: snapLen},
		bpf.RetConstant{Val: 0},
	}
}
