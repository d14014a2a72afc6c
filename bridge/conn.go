package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Conn reads and changes the links of one network namespace: the one its
// opener was in. Sysctls are files that show the namespace of whoever opens
// them, so all methods must be called in that namespace too; the daemon never
// leaves its own.
//
// A Conn may be used by several goroutines, but not two of them for one link.
type Conn struct {
	// Log takes what an administrator should know of side effects of Apply on
	// other links. Open sets it to discard them.
	Log *slog.Logger

	// shaping is held while traffic classes are compared and changed: ports
	// come and go while their bridge is applied.
	shaping sync.Mutex

	ports portMemory // of FollowPorts

	sockets map[int]*nl.SocketHandle // as nl.NetlinkRequest wants it
}

// Errors that callers tell apart.
var (
	// ErrLinkExists says that a link of the wanted name is there and is not
	// ours; it was not touched. libvirt: "error creating bridge interface BR:
	// File exists".
	ErrLinkExists = errors.New("a link of that name exists and is not ours")
	// ErrNotPermitted says that the kernel refused a change to this process.
	ErrNotPermitted = errors.New("CAP_NET_ADMIN is missing")
	// ErrName says that no link can have that name.
	ErrName = errors.New("not a valid link name")
	// ErrLinkNotFound says that there is no link of that name.
	ErrLinkNotFound = errors.New("no such link")
	// ErrBridgeNotFound says that the bridge which a port is for is not there.
	ErrBridgeNotFound = errors.New("no such bridge")
	// ErrNotInKernel says that the kernel was built without something that is
	// asked for; the text names it.
	ErrNotInKernel = errors.New("this kernel lacks")
	// ErrQdiscExists says that somebody else has set up traffic control on a
	// link; it was not touched.
	ErrQdiscExists = errors.New("the link has a queueing discipline that is not ours")
)

// Open connects to the kernel in the caller's network namespace. It needs no
// privilege; changes need CAP_NET_ADMIN.
func Open() (*Conn, error) {
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink socket: %w", err)
	}
	// Both are comforts of kernels since 4.12 and 4.20: texts with errors, and
	// dumps filtered by the kernel (we filter again).
	_ = s.SetExtAck(true)
	_ = unix.SetsockoptInt(s.GetFd(), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	return &Conn{
		Log:     slog.New(slog.DiscardHandler),
		sockets: map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: s}},
	}, nil
}

// Close releases the socket. What was applied stays. Subscriptions to Events
// must have ended.
func (c *Conn) Close() error {
	for _, s := range c.sockets {
		s.Close()
	}
	return nil
}

// request begins an rtnetlink request of the given RTM_ type. Its family
// header and attributes are added by the caller.
func (c *Conn) request(msgType, flags int) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(msgType, flags)
	req.Sockets = c.sockets
	return req
}

// change sends a request that changes something and waits for the kernel's
// verdict.
func change(ctx context.Context, req *nl.NetlinkRequest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	req.Flags |= unix.NLM_F_ACK
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return permission(err)
}

// permission names the capability that an error of rtnetlink is about. EACCES
// is not one: that is how it refuses an IPv6 address where IPv6 is off.
func permission(err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: %w", ErrNotPermitted, err)
	}
	return err
}

// dumpAttempts bounds the repetition of a dump. Each is interrupted only if
// something changed during it, so that ten in a row mean a broken host.
const dumpAttempts = 10

// dump requests a list, until it is one that nothing changed during, and calls
// each with every message of type reply.
func dump(ctx context.Context, newRequest func() *nl.NetlinkRequest, reply uint16, each func([]byte) error) error {
	var err error
	for range dumpAttempts {
		if err := ctx.Err(); err != nil {
			return err
		}
		var msgs [][]byte
		msgs, err = newRequest().Execute(unix.NETLINK_ROUTE, reply)
		switch {
		case errors.Is(err, nl.ErrDumpInterrupted):
			continue
		case err != nil:
			return permission(err)
		}
		for _, m := range msgs {
			if err := each(m); err != nil {
				return err
			}
		}
		return nil
	}
	return err
}
