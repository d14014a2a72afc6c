package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// ErrClosed is the error of calls on a connection that has ended.
var ErrClosed = errors.New("connection closed")

// eventQueue is how many events a Conn keeps for a slow reader.
const eventQueue = 1024

// Conn is a client's connection. Any number of goroutines may call.
type Conn struct {
	nc     net.Conn
	events chan LifecycleEvent
	done   chan struct{} // closed when the reader has ended

	writing sync.Mutex // one frame at a time

	mu      sync.Mutex // guards what follows
	serial  uint32
	waiting map[uint32]chan Frame
	err     error // why the reader ended
}

// NewConn speaks the protocol over nc and owns it from now on. Call Open or
// at least AuthList first: a server refuses everything else.
func NewConn(nc net.Conn) *Conn {
	c := &Conn{
		nc:      nc,
		events:  make(chan LifecycleEvent, eventQueue),
		done:    make(chan struct{}),
		waiting: make(map[uint32]chan Frame),
	}
	go c.read()
	return c
}

// Dial connects to the UNIX socket at path and opens uri there.
func Dial(ctx context.Context, path, uri string, readOnly bool) (*Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	c := NewConn(nc)
	if err := c.Open(ctx, uri, readOnly); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Open authenticates and opens uri, with keepalive, as libvirt's clients do.
func (c *Conn) Open(ctx context.Context, uri string, readOnly bool) error {
	if err := c.authenticate(ctx); err != nil {
		return err
	}
	var has int32
	if err := c.Call(ctx, ConnectSupportsFeature, FeatureKeepalive, &has); err != nil {
		return err
	}
	args := OpenArgs{URI: &uri}
	if readOnly {
		args.Flags |= OpenReadOnly
	}
	return c.Call(ctx, ConnectOpen, args, nil)
}

// authenticate does what the server asks for.
func (c *Conn) authenticate(ctx context.Context) error {
	var types []int32
	if err := c.Call(ctx, AuthList, nil, &types); err != nil {
		return err
	}
	if len(types) == 0 {
		return nil
	}
	switch types[0] {
	case AuthNone:
		return nil
	case AuthByPolkit:
		var complete int32
		return c.Call(ctx, AuthPolkit, nil, &complete)
	}
	return fmt.Errorf("unsupported authentication type %d", types[0])
}

// Call calls p and waits for the reply. args is what p takes, nil for none;
// ret points to what it returns, nil for none. The server's refusal is an
// *Error. When ctx ends first the reply is dropped.
func (c *Conn) Call(ctx context.Context, p Proc, args, ret any) error {
	return c.call(ctx, Header{Program: ProgramRemote, Version: ProgramVersion, Proc: p, Type: Call}, args, ret)
}

// call is Call for the procedure of h, of any program.
func (c *Conn) call(ctx context.Context, h Header, args, ret any) error {
	serial, reply, err := c.expect()
	if err != nil {
		return err
	}
	defer c.forget(serial)
	h.Serial = serial
	if err := c.send(ctx, h, args); err != nil {
		return err
	}
	select {
	case f := <-reply:
		return result(f, ret)
	case <-ctx.Done():
		return ctx.Err()
	case <-c.done:
	}
	select {
	case f := <-reply: // it came just before the end
		return result(f, ret)
	default:
		return c.ended()
	}
}

// expect reserves a serial number and the place for its reply.
func (c *Conn) expect() (uint32, <-chan Frame, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, nil, c.err
	}
	serial := c.serial
	c.serial++
	reply := make(chan Frame, 1)
	c.waiting[serial] = reply
	return serial, reply, nil
}

func (c *Conn) forget(serial uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, serial)
}

func (c *Conn) send(ctx context.Context, h Header, args any) error {
	b, err := Encode(h, args)
	if err != nil {
		return err
	}
	deadline, _ := ctx.Deadline()
	return c.write(b, deadline)
}

// write ends the connection when it fails, because half a frame may be out.
func (c *Conn) write(b []byte, deadline time.Time) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.nc.SetWriteDeadline(deadline)
	_, err := c.nc.Write(b)
	if err != nil {
		c.nc.Close()
	}
	return err
}

// result decodes a reply into ret.
func result(f Frame, ret any) error {
	if f.Status == Failed {
		e := new(Error)
		if err := Unmarshal(f.Payload, e); err != nil {
			return fmt.Errorf("decode the error reply of %v: %w", f.Proc, err)
		}
		return e
	}
	if ret == nil {
		return nil
	}
	if err := Unmarshal(f.Payload, ret); err != nil {
		return fmt.Errorf("decode the reply of %v: %w", f.Proc, err)
	}
	return nil
}

// Events returns the lifecycle events that were registered for; the channel
// is closed when the connection ends. The connection of a reader that leaves
// 1024 of them lying is ended, so that its calls don't hang.
func (c *Conn) Events() <-chan LifecycleEvent { return c.events }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Close says goodbye if the server still listens, and ends the connection.
func (c *Conn) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.Call(ctx, ConnectClose, nil, nil) // a courtesy: the socket closes anyway
	err := c.nc.Close()
	<-c.done
	if errors.Is(err, net.ErrClosed) { // the server's close was seen first
		return nil
	}
	return err
}

// ended returns why the reader ended.
func (c *Conn) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// read takes frames off the connection until it ends.
func (c *Conn) read() {
	r := bufio.NewReader(c.nc)
	var err error
	for err == nil {
		var f Frame
		if f, err = ReadFrame(r, MaxFrame); err == nil {
			err = c.receive(f)
		}
	}
	c.nc.Close()
	c.mu.Lock()
	c.err = fmt.Errorf("%w: %w", ErrClosed, err)
	c.mu.Unlock()
	close(c.events)
	close(c.done)
}

// receive hands f to whom it concerns.
func (c *Conn) receive(f Frame) error {
	switch {
	case f.IsKeepalive():
		return c.pong(f)
	case f.Type == Message && f.Proc == NetworkEventLifecycle:
		return c.event(f)
	case f.Type == Reply:
		c.mu.Lock()
		defer c.mu.Unlock()
		if reply, ok := c.waiting[f.Serial]; ok {
			delete(c.waiting, f.Serial) // so a second one cannot block us
			reply <- f
		}
	}
	return nil
}

func (c *Conn) pong(f Frame) error {
	if f.Proc != KeepalivePing {
		return nil
	}
	return c.write(Keepalive(KeepalivePong), time.Time{})
}

func (c *Conn) event(f Frame) error {
	var e LifecycleEvent
	if err := Unmarshal(f.Payload, &e); err != nil {
		return fmt.Errorf("decode an event: %w", err)
	}
	select {
	case c.events <- e:
		return nil
	default:
		return errors.New("events are not read")
	}
}
