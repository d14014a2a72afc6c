package domain

import (
	"bufio"
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
	net.Conn
	in    *bufio.Reader
	frame []byte // rest of the frame being read
	hear  func(event)

	writing sync.Mutex // guards out and keeps frames whole
	out     []byte     // beginning of a frame being written

	once sync.Once
	done chan struct{} // closed when the link has ended
}

// newLink wraps conn; hear is called with every event and must not block.
func newLink(conn net.Conn, hear func(event)) *link {
	return &link{Conn: conn, in: bufio.NewReader(conn), hear: hear, done: make(chan struct{})}
}

// Read gives go-libvirt the replies.
func (l *link) Read(p []byte) (int, error) {
	for len(l.frame) == 0 {
		if err := l.next(); err != nil {
			l.Close()
			return 0, err
		}
	}
	n := copy(p, l.frame)
	l.frame = l.frame[n:]
	return n, nil
}

// next reads a frame and keeps it if it is a reply.
func (l *link) next() error {
	f, err := wire.ReadFrame(l.in, wire.MaxFrame)
	if err != nil {
		return err
	}
	switch {
	case f.IsKeepalive():
		if f.Proc == wire.KeepalivePing {
			return l.pong()
		}
	case f.Program != wire.ProgramRemote:
	case f.Type == wire.Message:
		if e, ok := readEvent(f); ok {
			l.hear(e)
		}
	case f.Type == wire.Reply:
		l.frame, err = rawFrame(f)
	}
	return err
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

// rawFrame returns the bytes of a frame that was read.
func rawFrame(f wire.Frame) ([]byte, error) {
	raw, err := wire.Encode(f.Header, nil)
	if err != nil {
		return nil, err
	}
	raw = append(raw, f.Payload...)
	binary.BigEndian.PutUint32(raw, uint32(len(raw)))
	return raw, nil
}

func (l *link) pong() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	_, err := l.Conn.Write(wire.Keepalive(wire.KeepalivePong))
	return err
}

// Write takes a frame in any number of pieces and sends it whole.
func (l *link) Write(p []byte) (int, error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.out = append(l.out, p...)
	for len(l.out) >= 4 {
		n := int(binary.BigEndian.Uint32(l.out))
		if n < wire.MinFrame || len(l.out) < n {
			break
		}
		if _, err := l.Conn.Write(l.out[:n]); err != nil {
			return 0, err
		}
		l.out = l.out[n:]
	}
	return len(p), nil
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
