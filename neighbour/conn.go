package neighbour

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// Conn is a socket for neighbour discovery on one bridge.
type Conn struct {
	link  string
	sock  *packet.Conn
	local station   // whom we ask as
	own   []station // with the link's other addresses
	// known are the kernel's neighbours of the moment when the socket was
	// opened: what was said before that nobody says again.
	known []Neighbour
}

// Listen opens a bridge. It needs CAP_NET_RAW, and the link an address in
// fe80::/64.
func Listen(link string) (*Conn, error) {
	c, err := listen(link)
	if err != nil {
		return nil, fmt.Errorf("listen for neighbour discovery on %s: %w", link, err)
	}
	return c, nil
}

func listen(link string) (*Conn, error) {
	ifi, err := net.InterfaceByName(link)
	if err != nil {
		return nil, err
	}
	c := &Conn{link: link}
	if err := c.readAddrs(ifi); err != nil {
		return nil, err
	}
	if c.known, err = kernelNeighbours(ifi.Index); err != nil {
		return nil, fmt.Errorf("list the kernel's neighbours: %w", err)
	}
	only, err := filter()
	if err != nil {
		return nil, err
	}
	c.sock, err = packet.Listen(ifi, packet.Raw, unix.ETH_P_IPV6, &packet.Config{Filter: only})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// readAddrs finds the addresses to ask from.
func (c *Conn) readAddrs(ifi *net.Interface) error {
	mac, ok := ParseMAC(ifi.HardwareAddr)
	if !ok {
		return errors.New("no Ethernet link")
	}
	addrs, err := ifi.Addrs()
	if err != nil {
		return err
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		addr, _ := netip.AddrFromSlice(n.IP)
		switch addr = addr.Unmap(); {
		case addr.Is4():
		case addr.IsLinkLocalUnicast():
			c.local = station{mac, addr}
		default:
			c.own = append(c.own, station{mac, addr})
		}
	}
	if !c.local.addr.IsValid() {
		return fmt.Errorf("no link-local address: %w", unix.EADDRNOTAVAIL)
	}
	return nil
}

// Close closes the socket.
func (c *Conn) Close() error { return c.sock.Close() }

// interrupt ends all reading.
func (c *Conn) interrupt() { c.sock.SetReadDeadline(time.Unix(1, 0)) }

// send sends a frame to where it says. What the link has no room for is lost,
// as it might be on the way.
func (c *Conn) send(f []byte) error {
	_, err := c.sock.WriteTo(f, &packet.Addr{HardwareAddr: f[:6]})
	if errors.Is(err, unix.ENOBUFS) {
		return nil
	}
	return err
}

// kernelNeighbours lists the stations on a link that the kernel has talked to.
func kernelNeighbours(index int) ([]Neighbour, error) {
	rib, err := syscall.NetlinkRIB(unix.RTM_GETNEIGH, unix.AF_INET6)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseNetlinkMessage(rib)
	if err != nil {
		return nil, err
	}
	var all []Neighbour
	for _, m := range messages {
		if n, ok := readNeighbour(m, index); ok {
			all = append(all, n)
		}
	}
	return all, nil
}

// readNeighbour reads an RTM_NEWNEIGH (rtnetlink(7)): struct ndmsg and its
// attributes.
func readNeighbour(m syscall.NetlinkMessage, index int) (n Neighbour, ok bool) {
	const ndmsg = 12
	if m.Header.Type != unix.RTM_NEWNEIGH || len(m.Data) < ndmsg {
		return n, false
	}
	if int(binary.NativeEndian.Uint32(m.Data[4:])) != index {
		return n, false
	}
	for b := m.Data[ndmsg:]; len(b) >= unix.SizeofRtAttr; {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			break
		}
		value := b[unix.SizeofRtAttr:size]
		switch binary.NativeEndian.Uint16(b[2:]) {
		case unix.NDA_DST:
			n.Addr, _ = netip.AddrFromSlice(value)
		case unix.NDA_LLADDR:
			n.MAC, ok = ParseMAC(value)
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return n, ok && n.Addr.Is6() && n.MAC.unicast()
}
