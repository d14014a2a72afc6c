// Package systembus calls the services of the system's D-Bus, and hears of
// their signals. Neither the bus nor a service has to be there: that is
// ErrAbsent, and the next call tries again.
package systembus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
)

// ErrAbsent says that there is no bus, or nobody who owns the name on it.
var ErrAbsent = errors.New("service is not running")

// ErrUnreachable comes with an ErrAbsent that is not certain: the service ended
// before it answered, or there is a bus that does not take us.
var ErrUnreachable = errors.New("service does not answer")

// patience is how long a call may take, libdbus's default.
const patience = 25 * time.Second

// Bus is a bus at an address. It connects when it is first needed, and again
// after the connection was lost.
type Bus struct {
	address string

	mu   sync.Mutex // guards conn
	conn *dbus.Conn // nil: not connected
}

// New returns the bus at a D-Bus address ("unix:path=…"); "" is no bus.
func New(address string) *Bus { return &Bus{address: address} }

// Close ends the connection, if there is one.
func (b *Bus) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conn == nil {
		return nil
	}
	err := b.conn.Close()
	b.conn = nil
	return err
}

// Object is who is called.
type Object struct {
	Name string // of the service on the bus
	Path string
	// Start lets the bus start the service for a call, if it can. Without it
	// no call starts a service.
	Start bool
	// Patience is how long a call may take; 0 is libdbus's default, 25 s.
	Patience time.Duration
}

// Call calls a method, "interface.member", and stores what it returns through
// the pointers in results. A service that answers with an error of its own
// gives an Error.
func (b *Bus) Call(ctx context.Context, to Object, method string, args []any, results ...any) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(to.Patience, patience))
	defer cancel()
	conn, err := b.connect(ctx)
	if err != nil {
		return fmt.Errorf("call %s: %w", method, err)
	}
	flags := dbus.FlagNoAutoStart
	if to.Start {
		flags = 0
	}
	call := conn.Object(to.Name, dbus.ObjectPath(to.Path)).CallWithContext(ctx, method, flags, args...)
	if call.Err != nil {
		return fmt.Errorf("call %s: %w", method, absent(call.Err))
	}
	if err := call.Store(results...); err != nil {
		return fmt.Errorf("call %s: unexpected reply: %w", method, err)
	}
	return nil
}

// connect returns the connection, made anew if need be.
func (b *Bus) connect(ctx context.Context) (*dbus.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conn != nil && b.conn.Connected() {
		return b.conn, nil
	}
	conn, err := b.dial(ctx)
	b.conn = conn
	return conn, err
}

// dial makes a connection that outlives ctx.
func (b *Bus) dial(ctx context.Context) (*dbus.Conn, error) {
	if b.address == "" {
		return nil, ErrAbsent
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	conn, err := dbus.Connect(b.address, dbus.WithContext(own))
	if err != nil || !stop() {
		cancel()
		return nil, fmt.Errorf("%w: connect to the system bus: %w", ErrAbsent, refusal(errors.Join(err, ctx.Err())))
	}
	return conn, nil
}

// refusal sorts out why there is no connection: without a socket, or somebody
// who listens on it, there is no bus.
func refusal(err error) error {
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// Error is a service's own answer that it failed.
type Error struct {
	Name string // of the error, in D-Bus's dotted form
	Text string
}

func (e *Error) Error() string {
	if e.Text == "" {
		return e.Name
	}
	return e.Text
}

// Names of D-Bus's own errors.
const (
	noOwner = "org.freedesktop.DBus.Error.NameHasNoOwner"
	unknown = "org.freedesktop.DBus.Error.ServiceUnknown"
	noReply = "org.freedesktop.DBus.Error.NoReply" // it ended before it answered

	unknownMethod    = "org.freedesktop.DBus.Error.UnknownMethod"
	unknownInterface = "org.freedesktop.DBus.Error.UnknownInterface"
)

// ErrUnknownMethod says that the service has no such method.
var ErrUnknownMethod = errors.New("the service has no such method")

// absent sorts out the errors of a call.
func absent(err error) error {
	if errors.Is(err, dbus.ErrClosed) {
		return fmt.Errorf("%w: %w: %w", ErrAbsent, ErrUnreachable, err)
	}
	var said dbus.Error
	if !errors.As(err, &said) {
		return err
	}
	switch said.Name {
	case noOwner, unknown:
		return fmt.Errorf("%w: %w", ErrAbsent, err)
	case noReply:
		return fmt.Errorf("%w: %w: %w", ErrAbsent, ErrUnreachable, err)
	case unknownMethod, unknownInterface:
		return fmt.Errorf("%w: %w", ErrUnknownMethod, err)
	}
	e := &Error{Name: said.Name}
	if len(said.Body) > 0 {
		e.Text, _ = said.Body[0].(string)
	}
	return e
}
