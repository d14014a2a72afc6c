package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/vnetmgr/vnetmgr/internal/holder"
	"golang.org/x/sys/unix"
)

// Listen opens port 53 of addr, an address of link, for UDP and TCP. Only
// what arrives by link, or from the host itself, gets to the sockets; other
// links' guests can't use the address. A port that is taken gives an error
// that names the program (errors.Is EADDRINUSE), a missing capability,
// CAP_NET_BIND_SERVICE, one that names it.
func Listen(link string, addr netip.Addr) (net.PacketConn, net.Listener, error) {
	return listen(link, netip.AddrPortFrom(addr, port))
}

// listen is Listen for any port. The sockets are not bound to the device:
// what the host sends to its own address arrives by lo.
func listen(link string, ap netip.AddrPort) (net.PacketConn, net.Listener, error) {
	ifi, err := net.InterfaceByName(link)
	if err != nil {
		return nil, nil, fmt.Errorf("listen for DNS on %s: %w", link, err)
	}
	if ap.Addr().IsLinkLocalUnicast() && ap.Addr().Is6() {
		// By its index: the library remembers for a minute which one a name
		// had, and the bridge may have been made anew.
		ap = netip.AddrPortFrom(ap.Addr().WithZone(strconv.Itoa(ifi.Index)), ap.Port())
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return prepare(c, ifi.Index, ap.Addr().Is6())
	}}
	conn, err := lc.ListenPacket(context.Background(), "udp", ap.String())
	if err != nil {
		return nil, nil, listenError(link, "udp", ap, err)
	}
	// With port 0, TCP takes the one that UDP got.
	ap = netip.AddrPortFrom(ap.Addr(), conn.LocalAddr().(*net.UDPAddr).AddrPort().Port())
	l, err := lc.Listen(context.Background(), "tcp", ap.String())
	if err != nil {
		conn.Close()
		return nil, nil, listenError(link, "tcp", ap, err)
	}
	return conn, l, nil
}

func listenError(link, proto string, ap netip.AddrPort, err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		err = holder.Explain(err, proto, ap)
	case errors.Is(err, unix.EACCES):
		err = fmt.Errorf("the capability CAP_NET_BIND_SERVICE is missing: %w", err)
	}
	return fmt.Errorf("listen for DNS on %s: %w", link, err)
}

// prepare sets a socket up before it is bound, so that no packet passes
// unfiltered.
func prepare(c syscall.RawConn, ifindex int, six bool) error {
	var err error
	ctlErr := c.Control(func(fd uintptr) {
		err = errors.Join(attachFilter(int(fd), ifindex), askForArrival(int(fd), six))
	})
	return errors.Join(ctlErr, err)
}

// arrivalIndex is the offset at which a socket filter finds the index of the
// link that a packet came by: SKF_AD_OFF+SKF_AD_IFINDEX of linux/filter.h.
const arrivalIndex = 1<<32 - 0x1000 + 8

// attachFilter lets in only what arrives by the link or by lo.
func attachFilter(fd, ifindex int) error {
	prog := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: arrivalIndex},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(ifindex), Jt: 2},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: loopback, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0x40000},
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &fprog); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	return nil
}

// askForArrival makes the kernel say where datagrams arrived, so that answers
// leave there. An IPv6 address may be bound while it is tentative.
func askForArrival(fd int, six bool) error {
	if !six {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	}
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1),
	)
}
