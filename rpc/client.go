package rpc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// smallFrame is the longest frame of a client that cannot change anything: no
// call open to it needs more, and anybody can connect.
const smallFrame = 64 << 10

// client is one connection. A goroutine reads it; each call has its own, up
// to a limit, so replies can overtake each other.
type client struct {
	srv   *Server
	conn  net.Conn
	log   *slog.Logger
	peer  Peer
	known func() // gives the anonymous place back
	// socketReadOnly tells that it came by the read-only socket.
	socketReadOnly bool

	close func()        // ends the connection, once
	done  chan struct{} // closed by close
	tasks sync.WaitGroup
	calls chan struct{} // a place for each call in flight

	writing sync.Mutex // one frame at a time
	born    time.Time
	heard   atomic.Int64 // when last, in nanoseconds after born
	pinging sync.Once
	events  eventQueue

	mu            sync.Mutex // guards what follows
	authenticated bool
	opened        bool
	readOnly      bool
}

func newClient(s *Server, conn net.Conn, p Peer, readOnly bool, known func()) *client {
	c := &client{
		srv:            s,
		conn:           conn,
		log:            s.log.With("uid", p.UID, "pid", p.PID),
		peer:           p,
		known:          known,
		socketReadOnly: readOnly,
		born:           time.Now(),
		done:           make(chan struct{}),
		calls:          make(chan struct{}, s.opts.MaxRequests),
		events:         eventQueue{frames: make(chan []byte, s.opts.EventQueue)},
		readOnly:       readOnly,
	}
	c.close = sync.OnceFunc(func() {
		close(c.done)
		conn.Close()
	})
	return c
}

// serve reads frames until the connection ends, and waits for its calls. A
// call that runs is not cut short when its client goes: half a net-start
// helps nobody. The end of ctx does.
func (c *client) serve(ctx context.Context) {
	defer c.tasks.Wait()
	defer c.close()
	c.conn.SetReadDeadline(time.Now().Add(c.srv.opts.AuthTimeout))
	r := bufio.NewReader(c.conn)
	for {
		f, err := wire.ReadFrame(r, c.frameLimit())
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				c.log.Debug("client dropped", "err", err)
			}
			return
		}
		c.listen()
		if !c.receive(ctx, f) {
			return
		}
	}
}

func (c *client) frameLimit() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.authenticated || c.readOnly {
		return smallFrame
	}
	return wire.MaxFrame
}

// receive answers f and reports whether to read on. Until the connection is
// open calls are answered in order, for clients that don't wait for replies;
// then side by side. At the limit of calls it waits, and so does the reader.
func (c *client) receive(ctx context.Context, f wire.Frame) bool {
	if f.IsKeepalive() {
		if f.Proc == wire.KeepalivePing {
			c.write(wire.Keepalive(wire.KeepalivePong))
		}
		return true
	}
	if f.Type != wire.Call && f.Type != wire.CallWithFDs {
		return true
	}
	if !c.isOpen() {
		c.answer(ctx, f)
		return true
	}
	select {
	case c.calls <- struct{}{}:
	case <-c.done:
		return false
	}
	c.tasks.Go(func() {
		c.answer(ctx, f)
		<-c.calls
	})
	return true
}

func (c *client) isOpen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.opened
}

// answer makes the call f and writes the reply.
func (c *client) answer(ctx context.Context, f wire.Frame) {
	ret, err := c.call(ctx, f)
	h := f.Header
	h.Type = wire.Reply
	h.Status = wire.OK
	var b []byte
	if err == nil {
		if b, err = wire.Encode(h, ret); err != nil {
			c.log.Error("reply", "err", err)
			err = failure(wire.FromRPC, wire.CodeRPC, "Unable to encode message payload")
		}
	}
	if err != nil {
		c.log.Debug("call refused", "proc", f.Proc.String(), "err", err)
		b = encodeError(h, err)
	}
	c.write(b)
	if f.Program == wire.ProgramRemote && f.Proc == wire.ConnectClose && err == nil {
		c.close()
	}
}

// write writes a frame. A client that does not take it in time has lost the
// thread of the stream, and is dropped.
func (c *client) write(b []byte) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.conn.SetWriteDeadline(time.Now().Add(c.srv.opts.WriteTimeout))
	if _, err := c.conn.Write(b); err != nil {
		c.close()
	}
}

// admit makes the client one that is authenticated.
func (c *client) admit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.authenticated {
		c.authenticated = true
		c.conn.SetReadDeadline(time.Time{})
		c.known()
	}
}
