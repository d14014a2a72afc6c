package cli

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// errKeepalive says that the daemon no longer answers.
var errKeepalive = errors.New("keepalive timeout")

// link lies between go-libvirt and its transport and adds what go-libvirt
// lacks: bounds on the length of frames, keepalive in both directions, and
// network events, which go-libvirt drops.
type link struct {
	net.Conn
	in     *bufio.Reader
	frame  []byte // rest of the frame being read
	events *eventQueue
	own    ownCalls

	writing sync.Mutex // guards out and keeps frames whole
	out     []byte     // beginning of a frame being written

	heard chan struct{} // told of every frame
	done  chan struct{} // closed by Close
	once  sync.Once
	cause atomic.Pointer[error] // why the link ended
}

// newLink wraps conn. With an interval it pings a daemon that is silent for
// so long, and closes the link when count pings stayed unanswered.
func newLink(conn net.Conn, interval time.Duration, count int) *link {
	l := &link{
		Conn: conn, in: bufio.NewReader(conn), events: newEventQueue(),
		heard: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if interval > 0 {
		go l.keepalive(interval, count)
	}
	return l
}

// Read gives go-libvirt the frames that are for it.
func (l *link) Read(p []byte) (int, error) {
	for len(l.frame) == 0 {
		if err := l.next(); err != nil {
			l.end(err)
			l.events.close()
			l.own.end()
			return 0, err
		}
	}
	n := copy(p, l.frame)
	l.frame = l.frame[n:]
	return n, nil
}

// next reads a frame and keeps it if go-libvirt should see it.
func (l *link) next() error {
	f, err := wire.ReadFrame(l.in, wire.MaxFrame)
	if err != nil {
		return err
	}
	select {
	case l.heard <- struct{}{}:
	default:
	}
	switch {
	case f.IsKeepalive():
		if f.Proc == wire.KeepalivePing {
			return l.keepaliveMessage(wire.KeepalivePong)
		}
	case f.Program == wire.ProgramRemote && f.Type == wire.Message:
		if ev, ok := decodeEvent(f); ok {
			l.events.push(ev)
		}
	case f.Type == wire.Reply && f.Program == wire.ProgramOwn:
		l.own.deliver(f)
	case f.Type == wire.Reply:
		l.frame, err = rawFrame(f)
	}
	return err
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

// keepaliveMessage sends a ping or a pong.
func (l *link) keepaliveMessage(p wire.Proc) error { return l.writeFrame(wire.Keepalive(p)) }

// writeFrame sends a frame of our own, between those of go-libvirt.
func (l *link) writeFrame(frame []byte) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	_, err := l.Conn.Write(frame)
	return err
}

// keepalive pings until the link ends or stays silent.
func (l *link) keepalive(interval time.Duration, count int) {
	timer := time.NewTicker(interval)
	defer timer.Stop()
	for missed := 0; ; {
		select {
		case <-l.done:
			return
		case <-l.heard:
			missed = 0
			timer.Reset(interval)
		case <-timer.C:
			if missed >= count {
				l.end(errKeepalive)
				l.Close()
				return
			}
			missed++
			if l.keepaliveMessage(wire.KeepalivePing) != nil {
				return // the reader sees the end
			}
		}
	}
}

// end notes why the link ended; the first reason counts.
func (l *link) end(err error) {
	l.cause.CompareAndSwap(nil, &err)
}

// Close ends the link and the keepalive.
func (l *link) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		close(l.done)
		l.events.close()
		l.own.end()
		err = l.Conn.Close()
	})
	return err
}

// lost words the end of the link as libvirt does.
func (l *link) lost() error {
	if c, ok := l.Conn.(interface{ diagnosis() string }); ok {
		if said := c.diagnosis(); said != "" {
			return worded("Cannot recv data: " + said + ": Connection reset by peer")
		}
	}
	cause := io.EOF
	if p := l.cause.Load(); p != nil {
		cause = *p
	}
	switch {
	case errors.Is(cause, errKeepalive):
		return errors.New("internal error: connection closed due to keepalive timeout")
	case errors.Is(cause, io.EOF), errors.Is(cause, net.ErrClosed), errors.Is(cause, io.ErrUnexpectedEOF):
		return worded("End of file while reading data: Input/output error")
	}
	return worded("Cannot recv data: " + systemText(cause))
}
