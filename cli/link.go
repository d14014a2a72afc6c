package cli

import (
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
	*wire.Filter
	events *eventQueue
	own    ownCalls

	heard chan struct{} // told of every frame
	done  chan struct{} // closed by Close
	once  sync.Once
	cause atomic.Pointer[error] // why the link ended
}

// newLink wraps conn. With an interval it pings a daemon that is silent for
// so long, and closes the link when count pings stayed unanswered.
func newLink(conn net.Conn, interval time.Duration, count int) *link {
	l := &link{events: newEventQueue(), heard: make(chan struct{}, 1), done: make(chan struct{})}
	l.Filter = wire.NewFilter(conn, l.take)
	if interval > 0 {
		go l.keepalive(interval, count)
	}
	return l
}

// Read gives go-libvirt the frames that are for it.
func (l *link) Read(p []byte) (int, error) {
	n, err := l.Filter.Read(p)
	if err != nil {
		l.end(err)
		l.events.close()
		l.own.end()
	}
	return n, err
}

// take looks at a frame, and says whether go-libvirt should see it.
func (l *link) take(f wire.Frame) (bool, error) {
	select {
	case l.heard <- struct{}{}:
	default:
	}
	switch {
	case f.IsKeepalive():
		if f.Proc == wire.KeepalivePing {
			return false, l.keepaliveMessage(wire.KeepalivePong)
		}
	case f.Program == wire.ProgramRemote && f.Type == wire.Message:
		if ev, ok := decodeEvent(f); ok {
			l.events.push(ev)
		}
	case f.Type == wire.Reply && f.Program == wire.ProgramOwn:
		l.own.deliver(f)
	case f.Type == wire.Reply:
		return true, nil
	}
	return false, nil
}

// keepaliveMessage sends a ping or a pong.
func (l *link) keepaliveMessage(p wire.Proc) error { return l.WriteFrame(wire.Keepalive(p)) }

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
