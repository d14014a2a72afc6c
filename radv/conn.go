package radv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

var (
	allNodes   = netip.MustParseAddr("ff02::1")
	allRouters = netip.MustParseAddr("ff02::2")
)

// errLinkGone is how reading ends when the link is set down or taken away.
var errLinkGone = errors.New("link is down or gone")

// Conn is an ICMPv6 socket on one link, which receives router solicitations
// only.
type Conn struct {
	link string
	mac  net.HardwareAddr
	addr netip.Addr // our link-local one, without zone
	ipv6 *ipv6.PacketConn
	raw  syscall.RawConn
	out  ipv6.ControlMessage // source and link of what we send
	// gone is told when the link goes down. The other socket is not: it would
	// wait for ever for packets of a link that was deleted and made again.
	gone *packet.Conn
}

// Listen opens a link for router advertisements. It needs CAP_NET_RAW, and the
// link an address in fe80::/64; carrier it needs none.
func Listen(link string) (*Conn, error) {
	c, err := listen(link)
	if err != nil {
		return nil, fmt.Errorf("listen for router solicitations on %s: %w", link, err)
	}
	return c, nil
}

func listen(link string) (_ *Conn, err error) {
	ifi, err := net.InterfaceByName(link)
	if err != nil {
		return nil, err
	}
	c := &Conn{link: link, mac: ifi.HardwareAddr}
	if c.addr, err = linkLocal(ifi); err != nil {
		return nil, err
	}
	c.out = ipv6.ControlMessage{HopLimit: ndpHops, Src: c.addr.AsSlice(), IfIndex: ifi.Index}
	// Nothing uses this protocol, which IEEE 802 keeps for experiments.
	if c.gone, err = packet.Listen(ifi, packet.Datagram, unix.ETH_P_802_EX1, nil); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	// Bound to the device, not to an address: raw sockets have no port that
	// others could want.
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return control(raw, func(fd int) error {
			return unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, link)
		})
	}}
	pc, err := lc.ListenPacket(context.Background(), "ip6:ipv6-icmp", "::")
	if err != nil {
		return nil, err
	}
	c.ipv6 = ipv6.NewPacketConn(pc)
	if c.raw, err = pc.(*net.IPConn).SyscallConn(); err != nil {
		return nil, err
	}
	return c, c.prepare(ifi)
}

// prepare sets the socket's options.
func (c *Conn) prepare(ifi *net.Interface) error {
	var only ipv6.ICMPFilter
	only.SetAll(true)
	only.Accept(ipv6.ICMPTypeRouterSolicitation)
	if err := c.ipv6.SetICMPFilter(&only); err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	if err := c.ipv6.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagDst, true); err != nil {
		return fmt.Errorf("ask for the hop limit: %w", err)
	}
	if err := c.ipv6.JoinGroup(ifi, &net.IPAddr{IP: allRouters.AsSlice()}); err != nil {
		return fmt.Errorf("join %s: %w", allRouters, err)
	}
	if err := c.ipv6.SetMulticastLoopback(false); err != nil {
		return fmt.Errorf("turn off loopback: %w", err)
	}
	return nil
}

// linkLocal finds the link's address to send from.
func linkLocal(ifi *net.Interface) (netip.Addr, error) {
	addrs, err := ifi.Addrs()
	if err != nil {
		return netip.Addr{}, err
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if addr, _ := netip.AddrFromSlice(n.IP); addr.Is6() && addr.IsLinkLocalUnicast() {
			return addr, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("no link-local address: %w", unix.EADDRNOTAVAIL)
}

// Close closes the sockets.
func (c *Conn) Close() error {
	err := c.gone.Close()
	if c.ipv6 != nil {
		err = errors.Join(err, c.ipv6.Close())
	}
	return err
}

// interrupt ends all reading, now and later.
func (c *Conn) interrupt() {
	past := time.Unix(1, 0)
	c.ipv6.SetReadDeadline(past)
	c.gone.SetReadDeadline(past)
}

// readSolicitation waits for the next valid router solicitation and returns
// who sent it.
func (c *Conn) readSolicitation() (netip.Addr, error) {
	b := make([]byte, 2048)
	for {
		n, cm, src, err := c.ipv6.ReadFrom(b)
		if err != nil {
			return netip.Addr{}, err
		}
		ip, ok := src.(*net.IPAddr)
		if !ok || cm == nil {
			continue
		}
		from, _ := netip.AddrFromSlice(ip.IP)
		if from.Is6() && solicits(b[:n], cm.HopLimit, from) {
			return from, nil
		}
	}
}

// waitGone waits until the link is down or gone, or interrupt.
func (c *Conn) waitGone() error {
	b := make([]byte, 1)
	for {
		_, _, err := c.gone.ReadFrom(b)
		switch {
		case errors.Is(err, unix.ENETDOWN):
			return fmt.Errorf("%s: %w", c.link, errLinkGone)
		case err != nil:
			return err
		}
	}
}

// write sends a message to an address on the link. The link is not named as its
// zone: the library remembers for a minute which index a name had, and the
// bridge may have been made anew.
func (c *Conn) write(message []byte, to netip.Addr) error {
	_, err := c.ipv6.WriteTo(message, &c.out, &net.IPAddr{IP: to.AsSlice()})
	return err
}

// origin is where what we send comes from, with the MTU of this moment: that
// of a bridge follows its ports.
func (c *Conn) origin() (origin, error) {
	o := origin{mac: c.mac, addr: c.addr}
	ifr, err := unix.NewIfreq(c.link)
	if err != nil {
		return o, err
	}
	err = control(c.raw, func(fd int) error {
		if err := unix.IoctlIfreq(fd, unix.SIOCGIFMTU, ifr); err != nil {
			return os.NewSyscallError("read MTU", err)
		}
		o.mtu = int(ifr.Uint32())
		return nil
	})
	return o, err
}

// control runs f with the socket's descriptor.
func control(raw syscall.RawConn, f func(fd int) error) error {
	var err error
	ctlErr := raw.Control(func(fd uintptr) { err = f(int(fd)) })
	return errors.Join(ctlErr, err)
}
