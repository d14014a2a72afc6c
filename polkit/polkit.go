// Package polkit asks polkit, over D-Bus, whether a process may do something.
// polkit may ask the process's user for a password before it answers.
package polkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vnetmgr/vnetmgr/internal/systembus"
)

// Names that polkit goes by (org.freedesktop.PolicyKit1.Authority).
const (
	service   = "org.freedesktop.PolicyKit1"
	authority = service + ".Authority."
)

// patience is how long a user has to type a password.
const patience = 2 * time.Minute

// polkit is started by the bus when it is first asked.
var (
	object  = systembus.Object{Name: service, Path: "/org/freedesktop/PolicyKit1/Authority", Start: true, Patience: patience}
	busSelf = systembus.Object{Name: "org.freedesktop.DBus", Path: "/org/freedesktop/DBus"}
)

// Errors that callers tell apart.
var (
	// ErrAbsent says that polkit is not on this host, or knows nothing of the
	// action.
	ErrAbsent = errors.New("polkit is not available")
	// ErrDenied is polkit's plain no.
	ErrDenied = errors.New("access denied by policy")
	// ErrNoAgent says that a password would do, and nobody is there to ask
	// for it.
	ErrNoAgent = errors.New("no polkit agent available")
	// ErrDismissed says that the user did not want to give one.
	ErrDismissed = errors.New("user cancelled authentication process")
)

// Subject is the process that wants to do something.
type Subject struct {
	PID     int32
	Started uint64 // when it began, in clock ticks after boot (proc_pid_stat(5)): another of the same PID has another
	UID     uint32
}

// Client talks to polkit. Any number of goroutines may.
type Client struct {
	bus   *systembus.Bus
	asked atomic.Uint64 // questions so far, to tell them apart
}

// New returns a client of the polkit on a bus.
func New(bus *systembus.Bus) *Client { return &Client{bus: bus} }

// Available tells whether polkit runs, or the bus would start it. Where that
// can't be found out it is true: Check will say more.
func (c *Client) Available(ctx context.Context) bool {
	var owned bool
	err := c.bus.Call(ctx, busSelf, "org.freedesktop.DBus.NameHasOwner", []any{service}, &owned)
	if err != nil {
		return !isAbsent(err)
	}
	if owned {
		return true
	}
	var startable []string
	err = c.bus.Call(ctx, busSelf, "org.freedesktop.DBus.ListActivatableNames", nil, &startable)
	return err != nil || slices.Contains(startable, service)
}

// subject and answer are as they are on the bus: (sa{sv}) and (bba{ss}).
type (
	subject struct {
		Kind    string
		Details map[string]any
	}
	answer struct {
		Authorized, Challenge bool
		Details               map[string]string
	}
)

// allowInteraction is the flag of a check that may ask the user.
const allowInteraction uint32 = 1

// Check returns nil if s may do what action names. It waits while the user is
// asked, up to two minutes; when ctx ends earlier the question is taken back.
func (c *Client) Check(ctx context.Context, s Subject, action string) error {
	id := "vnetmgr-" + strconv.FormatUint(c.asked.Add(1), 10)
	who := subject{"unix-process", map[string]any{"pid": uint32(s.PID), "start-time": s.Started, "uid": int32(s.UID)}}
	var got answer
	err := c.bus.Call(ctx, object, authority+"CheckAuthorization",
		[]any{who, action, map[string]string{}, allowInteraction, id}, &got)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = errors.Join(err, c.bus.Call(context.WithoutCancel(ctx), object, authority+"CancelCheckAuthorization", []any{id}))
	}
	switch {
	case isAbsent(err), isUnregistered(err):
		return fmt.Errorf("%w: %w", ErrAbsent, err)
	case err != nil:
		return fmt.Errorf("ask polkit: %w", err)
	}
	return got.verdict(action)
}

// isAbsent tells that there is certainly no polkit.
func isAbsent(err error) bool {
	return errors.Is(err, systembus.ErrAbsent) && !errors.Is(err, systembus.ErrUnreachable)
}

// isUnregistered tells that nobody installed the action. polkit has no error
// name of its own for that.
func isUnregistered(err error) bool {
	var said *systembus.Error
	return errors.As(err, &said) && said.Name == service+".Error.Failed" && strings.HasSuffix(said.Text, " is not registered")
}

// verdict words polkit's answer as libvirt does (virPolkitCheckAuth).
func (a answer) verdict(action string) error {
	switch {
	case a.Authorized:
		return nil
	case a.Details["polkit.dismissed"] == "true":
		return ErrDismissed
	case a.Challenge:
		return fmt.Errorf("%w to authenticate action '%s'", ErrNoAgent, action)
	}
	return ErrDenied
}
