package dhcpd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ports finds the bridge port that a frame came through. Packets arrive from
// the bridge, which does not say; but it has learned where the frame's source
// is by the time that we read it, and is asked for that.
type ports struct {
	bridge int

	mu    sync.Mutex
	conn  *netlink.Conn // nil: the kernel does not tell
	known map[[6]byte]foundPort
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
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err == nil {
		p.conn = conn
	}
	return p
}

func (p *ports) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil {
		return nil
	}
	err := p.conn.Close()
	p.conn = nil
	return err
}

// of returns the link's index of the port behind which a hardware address is,
// unlearned, or 0 if that cannot be known.
func (p *ports) of(mac net.HardwareAddr, now time.Time) int {
	if len(mac) != 6 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
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
	if p.conn == nil {
		return 0
	}
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
// 5.0).
func (p *ports) ask(mac net.HardwareAddr, vlan uint16) (port int, err error) {
	e := netlink.NewAttributeEncoder()
	e.Bytes(unix.NDA_LLADDR, mac)
	e.Uint32(unix.NDA_MASTER, uint32(p.bridge))
	if vlan != 0 {
		e.Uint16(unix.NDA_VLAN, vlan)
	}
	attrs, err := e.Encode()
	if err != nil {
		return 0, err
	}
	head := make([]byte, unix.SizeofNdMsg)
	head[0] = unix.AF_BRIDGE
	replies, err := p.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETNEIGH, Flags: netlink.Request},
		Data:   append(head, attrs...),
	})
	if err != nil {
		return 0, err
	}
	if len(replies) != 1 || len(replies[0].Data) < unix.SizeofNdMsg {
		return 0, errors.New("no entry of a forwarding table")
	}
	return int(int32(binary.NativeEndian.Uint32(replies[0].Data[4:]))), nil
}

// name is what a port is called in the log.
func (p *ports) name(port int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if port == unlearned || p.conn == nil {
		return "unknown"
	}
	name := ""
	if raw, err := p.conn.SyscallConn(); err == nil {
		err = control(raw, func(fd int) error {
			ifr, err := unix.NewIfreq("")
			if err != nil {
				return err
			}
			ifr.SetUint32(uint32(port))
			err = unix.IoctlIfreq(fd, unix.SIOCGIFNAME, ifr)
			name = ifr.Name()
			return err
		})
		if err == nil {
			return name
		}
	}
	return fmt.Sprint(port) // it is gone
}
