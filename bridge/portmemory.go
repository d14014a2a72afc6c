package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// portSettings is what a bridge keeps of a port and forgets with it, as the
// attributes that set it again.
type portSettings struct {
	known bool
	flags []netlinkAttr // of IFLA_PROTINFO
	vlans [][]byte      // each a struct bridge_vlan_info
}

type netlinkAttr struct {
	kind  uint16
	value []byte
}

// What nl lacks of linux/if_link.h.
const (
	brportBcastFlood   = 30 // IFLA_BRPORT_BCAST_FLOOD
	brportGroupFwdMask = 31
	brportNeighSupp    = 32
	brportIsolated     = 33
	brportLocked       = 39
	filterVLANs        = 1 << 2 // RTEXT_FILTER_BRVLAN_COMPRESSED
)

// portFlags are the attributes of a port that are settings: the others are its
// state, or follow from its link.
var portFlags = map[uint16]bool{
	nl.IFLA_BRPORT_MODE: true, nl.IFLA_BRPORT_GUARD: true, nl.IFLA_BRPORT_PROTECT: true,
	nl.IFLA_BRPORT_FAST_LEAVE: true, nl.IFLA_BRPORT_LEARNING: true, nl.IFLA_BRPORT_UNICAST_FLOOD: true,
	nl.IFLA_BRPORT_PROXYARP: true, nl.IFLA_BRPORT_MCAST_TO_UCAST: true, nl.IFLA_BRPORT_MCAST_FLOOD: true,
	brportBcastFlood: true, brportGroupFwdMask: true, brportNeighSupp: true, brportIsolated: true, brportLocked: true,
}

// flag returns a setting of one byte, and whether it is known.
func (s *portSettings) flag(kind uint16) (on, known bool) {
	for _, a := range s.flags {
		if a.kind == kind && len(a.value) == 1 {
			return a.value[0] != 0, true
		}
	}
	return false, false
}

// portMemory has the settings of bridge ports, also of those that left their
// bridge, from the kernel's last word on them.
type portMemory struct {
	mu   sync.Mutex // guards the fields below, and is held while the socket is read
	fd   int        // 0 if nobody listens
	buf  []byte
	last map[int]portSettings // by the link's index
}

// FollowPorts remembers what bridges forget of ports that leave them, as when
// a bridge is deleted, for PutBack: from when it has returned until ctx ends.
func (c *Conn) FollowPorts(ctx context.Context) error {
	fd, err := listenLinks()
	if err != nil {
		return fmt.Errorf("follow bridge ports: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return errors.Join(fmt.Errorf("follow bridge ports: %w", err), unix.Close(fd))
	}
	c.ports.listen(fd)
	if err := c.listPorts(ctx); err != nil {
		c.ports.listen(0)
		return errors.Join(fmt.Errorf("list bridge ports: %w", err), unix.Close(wake), unix.Close(fd))
	}
	go func() {
		defer unix.Close(wake)
		defer unix.Close(fd)
		defer c.ports.listen(0)
		stop := context.AfterFunc(ctx, func() { _, _ = unix.Write(wake, []byte{7: 1}) })
		defer stop()
		c.ports.follow(ctx, fd, wake)
	}()
	return nil
}

// follow reads what comes until ctx ends; wake is readable then.
func (p *portMemory) follow(ctx context.Context, fd, wake int) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
	for ctx.Err() == nil {
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		p.drain()
	}
}

// listenLinks opens a socket that hears of links.
func listenLinks() (fd int, err error) {
	fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return 0, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, eventBuffer) // fewer without privileges
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func (p *portMemory) listen(fd int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fd = fd
	p.last = make(map[int]portSettings)
	if p.buf == nil {
		p.buf = make([]byte, 1<<16)
	}
}

// drain reads what has arrived. The kernel queues its messages before the call
// that caused them returns, so that whoever drains after it knows all.
func (p *portMemory) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.fd != 0 {
		n, from, err := unix.Recvfrom(p.fd, p.buf, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ENOBUFS): // lost messages are lost
			continue
		case err != nil:
			return
		}
		if fromKernel(from) {
			p.hear(p.buf[:n])
		}
	}
}

// hear takes the messages of one datagram; p.mu is held. What cannot be read
// is no message for us.
func (p *portMemory) hear(b []byte) {
	msgs, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return
	}
	for _, m := range msgs {
		switch m.Header.Type {
		case unix.RTM_NEWLINK:
			p.note(m.Data)
		case unix.RTM_DELLINK:
			if len(m.Data) >= unix.SizeofIfInfomsg && m.Data[0] != unix.AF_BRIDGE {
				delete(p.last, int(nl.DeserializeIfInfomsg(m.Data).Index))
			}
		}
	}
}

// note takes an RTM_NEWLINK message without its header, which says what a port
// is set to if it is of the bridge family; p.mu is held.
func (p *portMemory) note(m []byte) {
	if len(m) < unix.SizeofIfInfomsg || m[0] != unix.AF_BRIDGE {
		return
	}
	if s := parsePortSettings(m[unix.SizeofIfInfomsg:]); s.known {
		p.last[int(nl.DeserializeIfInfomsg(m).Index)] = s
	}
}

// parsePortSettings reads the attributes of a link message of the bridge
// family.
func parsePortSettings(b []byte) (s portSettings) {
	for kind, value := range attrs(b) {
		switch kind &^ unix.NLA_F_NESTED {
		case unix.IFLA_PROTINFO:
			s.known = true
			for kind, value := range attrs(value) {
				if portFlags[kind] {
					s.flags = append(s.flags, netlinkAttr{kind, slices.Clone(value)})
				}
			}
		case unix.IFLA_AF_SPEC:
			for kind, value := range attrs(value) {
				if kind == nl.IFLA_BRIDGE_VLAN_INFO && len(value) == vlanInfoSize {
					s.vlans = append(s.vlans, slices.Clone(value))
				}
			}
		}
	}
	return s
}

// recall returns the settings that a link had on the bridge that it left.
func (p *portMemory) recall(index int) portSettings {
	p.drain()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[index]
}

// listPorts reads what ports are set to now.
func (c *Conn) listPorts(ctx context.Context) error {
	newRequest := func() *nl.NetlinkRequest {
		req := c.request(unix.RTM_GETLINK, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfInfomsg(unix.AF_BRIDGE))
		req.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(filterVLANs)))
		return req
	}
	return dump(ctx, newRequest, unix.RTM_NEWLINK, func(m []byte) error {
		c.ports.mu.Lock()
		defer c.ports.mu.Unlock()
		c.ports.note(m)
		return nil
	})
}
