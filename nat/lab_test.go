package nat

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// lab is a router with three bridges, a guest on each (on the first one two),
// and two links to the outside, each with a host:
//
//	guest a  192.168.122.10 2001:db8:a::10  br-a ┐        ┌ eth0 203.0.113.10  2001:db8:1::10  outside
//	guest a2 192.168.128.10                 br-a ┤ router ┤
//	guest b  192.168.123.10 2001:db8:b::10  br-b ┤        └ eth1 198.51.100.10 2001:db8:2::10  beyond
//	guest c  192.168.124.10 2001:db8:c::10  br-c ┘
//
// The router has the first address of each subnet, and 203.0.113.5 to 7 too.
// Guest a can forge 10.99.0.1.
type lab struct {
	router *kerneltest.NS
	hosts  map[string]*kerneltest.NS
	conn   *Conn
}

// echoPort is where every address of every host answers, over UDP and TCP,
// with the address and port that it was asked from.
const echoPort = 7777

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{router: kerneltest.New(t), hosts: map[string]*kerneltest.NS{}}
	l.router.Run(t, `echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
		echo 0 >/proc/sys/net/ipv4/icmp_ratelimit # or the rejects would not all be seen
		echo 0 >/proc/sys/net/ipv6/icmp/ratelimit
		for b in a b c; do ip link add br-$b type bridge; ip link set br-$b up; done`)
	l.host(t, "outside", "eth0", "", "203.0.113", "2001:db8:1:")
	l.host(t, "beyond", "eth1", "", "198.51.100", "2001:db8:2:")
	l.host(t, "a", "tap-a", "br-a", "192.168.122", "2001:db8:a:")
	l.host(t, "a2", "tap-a2", "br-a", "192.168.128", "")
	l.host(t, "b", "tap-b", "br-b", "192.168.123", "2001:db8:b:")
	l.host(t, "c", "tap-c", "br-c", "192.168.124", "2001:db8:c:")
	l.router.Run(t, "for i in 5 6 7; do ip addr add 203.0.113.$i/32 dev eth0; done")
	l.hosts["a"].Run(t, "ip addr add 10.99.0.1/32 dev eth")
	l.hosts["router"] = l.router
	l.conn = openIn(t, l.router)
	return l
}

// host joins a host to the router: its link's name there, the bridge that
// link is a port of, if any, and the first parts of the subnets' addresses.
func (l *lab) host(t testing.TB, name, link, bridge, subnet, subnet6 string) {
	t.Helper()
	ns := kerneltest.New(t)
	l.hosts[name] = ns
	l.router.Veth(t, link, ns, "eth")
	on := link
	if bridge != "" {
		on = bridge
		l.router.Run(t, fmt.Sprintf("ip link set %s master %s", link, bridge))
	}
	addrs := []string{subnet + ".10"}
	l.router.Run(t, fmt.Sprintf("ip addr add %s.1/24 dev %s", subnet, on))
	ns.Run(t, fmt.Sprintf("ip addr add %s.10/24 dev eth; ip route add default via %[1]s.1", subnet))
	if subnet6 != "" {
		addrs = append(addrs, subnet6+":10")
		l.router.Run(t, fmt.Sprintf("ip addr add %s:1/64 dev %s nodad", subnet6, on))
		ns.Run(t, fmt.Sprintf("ip addr add %s:10/64 dev eth nodad; ip route add default via %[1]s:1", subnet6))
	}
	for _, a := range addrs {
		serve(t, ns, netip.MustParseAddr(a))
	}
}

// serve answers on an address of ns until the test ends.
func serve(t testing.TB, ns *kerneltest.NS, addr netip.Addr) {
	t.Helper()
	at := netip.AddrPortFrom(addr, echoPort).String()
	var packets net.PacketConn
	var flows net.Listener
	var err, err2 error
	ns.Do(func() {
		packets, err = net.ListenPacket("udp", at)
		flows, err2 = net.Listen("tcp", at)
	})
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{}, 2)
	go func() {
		b := make([]byte, 64)
		for {
			_, from, err := packets.ReadFrom(b)
			if err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
				break
			}
			if err == nil {
				packets.WriteTo([]byte(from.String()), from)
			}
		}
		done <- struct{}{}
	}()
	go func() {
		for {
			c, err := flows.Accept()
			if err != nil {
				break
			}
			go func() { // ends when the client closes
				defer c.Close()
				b := make([]byte, 64)
				for {
					if _, err := c.Read(b); err != nil {
						return
					}
					fmt.Fprint(c, c.RemoteAddr())
				}
			}()
		}
		done <- struct{}{}
	}()
	t.Cleanup(func() {
		packets.Close()
		flows.Close()
		<-done
		<-done
	})
}

// patience is how long a probe waits for an answer that may not come.
const patience = 250 * time.Millisecond

// dial opens a connection from a host, of a source address and port if given,
// to an address and port.
func (l *lab) dial(proto, from, source, to string) (c net.Conn, err error) {
	d := net.Dialer{Timeout: patience}
	switch {
	case source != "" && proto == "udp":
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.MustParseAddrPort(source))
	case source != "":
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.MustParseAddrPort(source))
	}
	d.Control = func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		})
	}
	l.hosts[from].Do(func() { c, err = d.Dial(proto, to) })
	return c, err
}

// ask says something over a connection and returns the answer: the address
// that the other side saw.
func ask(c net.Conn) (string, error) {
	if _, err := c.Write([]byte("who am I?")); err != nil {
		return "", err
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	b := make([]byte, 64)
	n, err := c.Read(b)
	return string(b[:n]), err
}

// probe returns "from ADDR" with the address that the receiver saw, "refused"
// if the kernel reported port-unreachable, or "silence"; and the port seen.
func (l *lab) probe(t testing.TB, proto, from, source, to string) (string, uint16) {
	t.Helper()
	c, err := l.dial(proto, from, source, to)
	var seen string
	if err == nil {
		defer c.Close()
		seen, err = ask(c)
	}
	var late net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused", 0
	case errors.As(err, &late) && late.Timeout():
		return "silence", 0
	case err != nil:
		t.Fatalf("ask %s from %s: %v", to, from, err)
	}
	a := netip.MustParseAddrPort(strings.TrimSpace(seen))
	return "from " + a.Addr().String(), a.Port()
}
