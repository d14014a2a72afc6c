package domain

import (
	"encoding/binary"
	"net"
	"sync"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// procNetworkLifecycle and procNetworkMetadata are the procedures of network
// events; every other event that is subscribed to is about a domain.
const (
	procNetworkLifecycle wire.Proc = 315
	procNetworkMetadata  wire.Proc = 446
)

// event says that something of a domain or network of libvirt changed. What
// it is now must be asked for.
type event struct {
	network bool
	name    string
	uuid    [16]byte
}

// link lies between go-libvirt and its socket: it takes out events, which
// go-libvirt drops (of networks) or delivers by a stream that can deadlock,
// and answers keepalive.
type link struct {
	*wire.Filter
	hear func(event)

	once sync.Once
	done chan struct{} // closed when the link has ended
}

// newLink wraps conn; hear is called with every event and must not block.
func newLink(conn net.Conn, hear func(event)) *link {
	l := &link{hear: hear, done: make(chan struct{})}
	l.Filter = wire.NewFilter(conn, l.take)
	return l
}

// Read gives go-libvirt the replies.
func (l *link) Read(p []byte) (int, error) {
	n, err := l.Filter.Read(p)
	if err != nil {
		l.Close()
	}
	return n, err
}

// take looks at a frame, and says whether it is a reply.
func (l *link) take(f wire.Frame) (bool, error) {
	switch {
	case f.IsKeepalive():
		if f.Proc == wire.KeepalivePing {
			return false, l.WriteFrame(wire.Keepalive(wire.KeepalivePong))
		}
	case f.Program != wire.ProgramRemote:
	case f.Type == wire.Message:
		if e, ok := readEvent(f); ok {
			l.hear(e)
		}
	case f.Type == wire.Reply:
		return true, nil
	}
	return false, nil
}

// readEvent reads the beginning that all events share: the callback's number,
// name and UUID of what changed.
func readEvent(f wire.Frame) (event, bool) {
	b := f.Payload
	if len(b) < 8 {
		return event{}, false
	}
	n := int64(binary.BigEndian.Uint32(b[4:]))
	b = b[8:]
	padded := (n + 3) &^ 3
	if padded+16 > int64(len(b)) {
		return event{}, false
	}
	e := event{network: f.Proc == procNetworkLifecycle || f.Proc == procNetworkMetadata, name: string(b[:n])}
	copy(e.uuid[:], b[padded:])
	return e, true
}

// Close ends the link; calls that wait on it fail.
func (l *link) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		err = l.Conn.Close()
		close(l.done)
	})
	return err
}
