package bridge

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"
)

// EventKind says what is known to have happened to a link.
type EventKind uint8

// The kinds of event.
const (
	// LinkChanged: the link is new, or it, its addresses or its ports changed.
	LinkChanged EventKind = iota
	// LinkGone: there is no link of that name any more.
	LinkGone
	// EventsLost: more happened than was read. Any link may have changed.
	EventsLost
	// ForwardingOff: the host does not forward packets of one family any more.
	ForwardingOff
)

// Event says that something about a link is not as it was. What it is now must
// be asked for: events come late and tell only a part. Our own changes are
// among them.
type Event struct {
	Kind EventKind
	Link string // its name; "" where the event is not about one link
}

// eventBuffer is the receive buffer of the subscription, in bytes: some ten
// thousand changes.
const eventBuffer = 8 << 20

// Events subscribes to changes of links and addresses, and of forwarding. Everything that happens
// after it has returned is told, until ctx ends and the channel is closed. A
// reader who is too slow is told so by EventsLost. Like the other methods it
// is called in the Conn's network namespace.
func (c *Conn) Events(ctx context.Context) (<-chan Event, error) {
	s, err := socket.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE, "rtnetlink", nil)
	if err != nil {
		return nil, fmt.Errorf("subscribe to link changes: %w", err)
	}
	const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR |
		1<<(unix.RTNLGRP_IPV4_NETCONF-1) | 1<<(unix.RTNLGRP_IPV6_NETCONF-1)
	// Without privileges the buffer is bounded by rmem_max; EventsLost then
	// comes sooner.
	_ = s.SetReadBuffer(eventBuffer)
	if err := s.Bind(&unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return nil, errors.Join(fmt.Errorf("subscribe to link changes: %w", err), s.Close())
	}
	w := &watch{conn: c, socket: s, out: make(chan Event)}
	if err := w.list(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	go w.run(ctx)
	return w.out, nil
}

// watch is one subscription.
type watch struct {
	conn   *Conn
	socket *socket.Conn
	out    chan Event
	names  map[int]string // of the links by index: messages on addresses have no names
}

// list reads the names that links have now.
func (w *watch) list(ctx context.Context) error {
	links, err := w.conn.links(ctx, 0)
	if err != nil {
		return err
	}
	w.names = make(map[int]string, len(links))
	for _, l := range links {
		w.names[l.index] = l.name
	}
	return nil
}

// run reads until ctx ends. Losing messages is no reason to stop: the socket
// goes on with those that come next.
func (w *watch) run(ctx context.Context) {
	defer close(w.out)
	defer w.socket.Close()
	buf := make([]byte, 1<<16)
	for ctx.Err() == nil {
		n, from, err := w.socket.Recvfrom(ctx, buf, 0)
		var events []Event
		if err == nil && fromKernel(from) {
			events, err = w.parse(buf[:n])
		}
		if err != nil {
			events = []Event{{Kind: EventsLost}}
			// Names that cannot be listed now are learned from their next
			// message.
			_ = w.list(ctx)
		}
		for _, e := range events {
			select {
			case w.out <- e:
			case <-ctx.Done():
				return
			}
		}
	}
}

// fromKernel tells the kernel from other processes, which may send us
// messages too.
func fromKernel(sa unix.Sockaddr) bool {
	from, ok := sa.(*unix.SockaddrNetlink)
	return ok && from.Pid == 0
}

// parse reads the messages of one datagram.
func (w *watch) parse(b []byte) ([]Event, error) {
	msgs, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return nil, err
	}
	var events []Event
	for _, m := range msgs {
		switch m.Header.Type {
		case unix.RTM_NEWLINK, unix.RTM_DELLINK:
			l, err := parseLink(m.Data)
			if err != nil {
				return nil, err
			}
			// In the bridge family DELLINK is a port that left its bridge.
			gone := m.Header.Type == unix.RTM_DELLINK && m.Data[0] != unix.AF_BRIDGE
			events = append(events, w.linkEvents(l, gone)...)
		case unix.RTM_NEWADDR, unix.RTM_DELADDR:
			a, err := parseAddr(m.Data)
			if err != nil {
				return nil, err
			}
			if name, ok := w.names[a.index]; ok {
				events = append(events, Event{LinkChanged, name})
			}
		case unix.RTM_NEWNETCONF:
			if forwardingOff(m.Data) {
				events = append(events, Event{Kind: ForwardingOff})
			}
		}
	}
	return events, nil
}

// What x/sys lacks of linux/netconf.h.
const (
	netconfIfindex    = 1
	netconfForwarding = 2
	netconfAll        = -1 // as an index: the host as a whole
)

// forwardingOff tells whether a message on settings (linux/netconf.h) says
// that the host as a whole stopped forwarding.
func forwardingOff(b []byte) bool {
	const head = 4 // the family, padded
	if len(b) < head {
		return false
	}
	var all, off bool
	for kind, value := range attrs(b[head:]) {
		switch kind {
		case netconfIfindex:
			all = int32(uint32At(value)) == netconfAll
		case netconfForwarding:
			off = uint32At(value) == 0
		}
	}
	return all && off
}

// linkEvents says what a message on a link means: to the name that it had, to
// the one it has, and to the bridge that it is a port of.
func (w *watch) linkEvents(l *link, gone bool) []Event {
	if l.name == "" {
		return nil
	}
	old, known := w.names[l.index]
	if gone {
		delete(w.names, l.index)
		return []Event{{LinkGone, l.name}}
	}
	var events []Event
	if known && old != l.name {
		events = append(events, Event{LinkGone, old})
	}
	w.names[l.index] = l.name
	events = append(events, Event{LinkChanged, l.name})
	if master, ok := w.names[l.master]; ok {
		events = append(events, Event{LinkChanged, master})
	}
	return events
}
