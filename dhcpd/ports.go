package dhcpd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ports finds the bridge port that a frame came through. Packets arrive from
// the bridge, which does not say; but it has learned where the frame's source
// is by the time that we read it, and is asked for that. The socket is used by
// itself: this is on the path of every new client.
type ports struct {
	bridge int

	mu    sync.Mutex
	fd    int // -1: the kernel does not tell
	known map[[6]byte]foundPort
	buf   [512]byte
}

type foundPort struct {
	port  int
	until time.Time
}

const (
	// unlearned is the port of a source that the bridge has not learned, as on
	// ports whose learning is off. All such share one.
	unlearned = -1
	// What was found counts for portTime; maxPorts bounds it.
	portTime = time.Second
	maxPorts = 1024
)

// openPorts opens what finds the ports of the bridge with an index. Errors
// leave every port unknown.
func openPorts(bridge int) *ports {
	p := &ports{bridge: bridge, known: make(map[[6]byte]foundPort)}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}
	if p.fd = fd; err != nil {
		p.close()
	}
	return p
}

func (p *ports) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd < 0 {
		return nil
	}
	err := unix.Close(p.fd)
	p.fd = -1
	return err
}

// of returns the link's index of the port behind which a hardware address is,
// unlearned, or 0 if that cannot be known.
func (p *ports) of(mac net.HardwareAddr, now time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd < 0 {
		return 0
	}
	if len(mac) != 6 {
		return unlearned
	}
	if f, ok := p.known[[6]byte(mac)]; ok && now.Before(f.until) {
		return f.port
	}
	port := p.find(mac)
	if len(p.known) >= maxPorts {
		clear(p.known)
	}
	p.known[[6]byte(mac)] = foundPort{port, now.Add(portTime)}
	return port
}

// find asks the bridge: for an address in no VLAN, and in the one that bridges
// themselves are in where they filter VLANs.
func (p *ports) find(mac net.HardwareAddr) int {
	for _, vlan := range []uint16{0, 1} {
		port, err := p.ask(mac, vlan)
		switch {
		case err == nil:
			return port
		case !errors.Is(err, unix.ENOENT):
			return 0 // no bridge, or an old kernel
		}
	}
	return unlearned
}

// ask reads one entry of the forwarding table, as `bridge fdb get` does (Linux
// 5.0). The kernel has answered when it has taken the question.
func (p *ports) ask(mac net.HardwareAddr, vlan uint16) (port int, err error) {
	if _, err := unix.Write(p.fd, p.question(mac, vlan)); err != nil {
		return 0, err
	}
	n, err := unix.Read(p.fd, p.buf[:])
	if err != nil {
		return 0, err
	}
	b := p.buf[:n]
	if n < unix.NLMSG_HDRLEN+unix.SizeofNdMsg {
		return 0, errors.New("no entry of a forwarding table")
	}
	data := b[unix.NLMSG_HDRLEN:]
	switch binary.NativeEndian.Uint16(b[4:]) {
	case unix.RTM_NEWNEIGH:
		return int(int32(binary.NativeEndian.Uint32(data[4:]))), nil
	case unix.NLMSG_ERROR:
		return 0, unix.Errno(-int32(binary.NativeEndian.Uint32(data)))
	}
	return 0, errors.New("no entry of a forwarding table")
}

// question is an RTM_GETNEIGH for one hardware address (rtnetlink(7)).
func (p *ports) question(mac net.HardwareAddr, vlan uint16) []byte {
	o := binary.NativeEndian
	b := append(p.buf[:0], make([]byte, unix.NLMSG_HDRLEN+unix.SizeofNdMsg)...)
	o.PutUint16(b[4:], unix.RTM_GETNEIGH)
	o.PutUint16(b[6:], unix.NLM_F_REQUEST)
	b[unix.NLMSG_HDRLEN] = unix.AF_BRIDGE
	b = o.AppendUint16(o.AppendUint16(b, 4+6), unix.NDA_LLADDR)
	b = append(append(b, mac...), 0, 0)
	b = o.AppendUint16(o.AppendUint16(b, 4+4), unix.NDA_MASTER)
	b = o.AppendUint32(b, uint32(p.bridge))
	if vlan != 0 {
		b = o.AppendUint16(o.AppendUint16(b, 4+2), unix.NDA_VLAN)
		b = append(o.AppendUint16(b, vlan), 0, 0)
	}
	o.PutUint32(b, uint32(len(b)))
	return b
}

// name is what a port is called in the log.
func (p *ports) name(port int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if port == unlearned || p.fd < 0 {
		return "unknown"
	}
	ifr, err := unix.NewIfreq("")
	if err == nil {
		ifr.SetUint32(uint32(port))
		err = unix.IoctlIfreq(p.fd, unix.SIOCGIFNAME, ifr)
	}
	if err != nil {
		return fmt.Sprint(port) // it is gone
	}
	return ifr.Name()
}
