package tftp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vnetmgr/vnetmgr/internal/holder"
)

const port = 69

// What of a link's MTU is not for a block: the headers of IP, UDP and TFTP.
// Longer blocks would come in fragments, which boot ROMs do not put together.
const (
	overhead4 = 20 + 8 + headerSize
	overhead6 = 40 + 8 + headerSize
)

// Conn is the one socket of a server. Files are sent from it too, not from a
// port for each: firewalls need nothing but port 69, and guests cannot make
// the server open sockets.
type Conn struct {
	udp       *net.UDPConn
	mostBlock int
}

// openFlags keep opening a named pipe from waiting for its writer.
const openFlags = unix.O_NONBLOCK | unix.O_NOCTTY

// Listen opens port 69 of addr, an address of the link, for what arrives
// by that link. If another program has it the error, EADDRINUSE underneath,
// names the program.
func Listen(link string, addr netip.Addr) (*Conn, error) {
	ifi, err := net.InterfaceByName(link)
	if err != nil {
		return nil, fmt.Errorf("listen for TFTP on %s: %w", link, err)
	}
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		ctlErr := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, link)
		})
		return errors.Join(ctlErr, err)
	}}
	if addr.IsLinkLocalUnicast() && addr.Is6() {
		addr = addr.WithZone(strconv.Itoa(ifi.Index))
	}
	at := netip.AddrPortFrom(addr, port)
	pc, err := lc.ListenPacket(context.Background(), "udp", at.String())
	if errors.Is(err, unix.EADDRINUSE) {
		err = holder.Explain(err, "udp", at)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for TFTP on %s: %w", link, err)
	}
	return newConn(pc.(*net.UDPConn), ifi.MTU), nil
}

func newConn(udp *net.UDPConn, mtu int) *Conn {
	overhead := overhead4
	if udp.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().Is6() {
		overhead = overhead6
	}
	return &Conn{udp: udp, mostBlock: min(max(mtu-overhead, defaultBlock), maxBlock)}
}

// Close closes the socket.
func (c *Conn) Close() error { return c.udp.Close() }
