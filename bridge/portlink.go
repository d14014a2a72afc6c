package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// PortLink is a link of a guest, to be a port of a bridge.
type PortLink struct {
	Name   string
	Bridge string
	// Owner is written into the alias of links that we make, so that we delete
	// no other.
	Owner string
	MAC   net.HardwareAddr // of the guest
	MTU   int              // 0: stays as it is; MakePort's: the bridge's
	// Isolated keeps frames from other isolated ports.
	Isolated bool
	// Bandwidth limits what goes through the link; nil leaves its limits as
	// they are.
	Bandwidth *Bandwidth

	// Tap has a missing link made as a tap. Without it, and without a
	// namespace, the link is somebody else's.
	Tap *Tap
	// Namespace has a missing link made as a veth pair, with Guest in it. It
	// is used by MakePort only.
	Namespace *Namespace
	Guest     GuestLink
}

// portPrefix begins the alias of the links of guests that we made; their owner
// follows. It is no bridge's ("vnetmgr:").
const portPrefix = "vnetmgr-port:"

// portOwner returns PortLink.Owner of a link that we made, "" of others.
func (l *link) portOwner() string {
	owner, ok := strings.CutPrefix(l.alias, portPrefix)
	if !ok {
		return ""
	}
	return owner
}

// MakePort makes the link and has it be a port. If it fails, all that was made
// is taken away again. A link of that name is an error (ErrLinkExists), unless
// none is to be made.
func (c *Conn) MakePort(ctx context.Context, want PortLink) error {
	if err := CheckName(want.Name); err != nil {
		return err
	}
	if want.MTU == 0 {
		// The bridge's; or the bridge would take that of a new link for its own.
		if master, err := c.link(ctx, want.Bridge); err == nil {
			want.MTU, want.Guest.MTU = master.mtu, master.mtu
		}
	}
	made, err := c.makePort(ctx, want)
	if err == nil && want.Namespace != nil {
		// First, so that there is carrier when it joins, see withoutSTP.
		err = ConfigureGuest(ctx, want.Namespace, want.Guest)
	}
	if err == nil {
		err = c.ApplyPort(ctx, want)
	}
	if err == nil || !made {
		return err
	}
	return errors.Join(err, c.deleteNamed(context.WithoutCancel(ctx), want.Name))
}

// makePort makes the link, if it is for us to make, and tells whether it did.
func (c *Conn) makePort(ctx context.Context, want PortLink) (made bool, err error) {
	switch {
	case want.Namespace != nil:
		err = c.makeVeth(ctx, want.Name, want.Guest, want.Namespace)
	case want.Tap != nil:
		err = makeTap(want.Name, *want.Tap)
	default:
		return false, nil
	}
	if err != nil {
		return false, err
	}
	l, err := c.link(ctx, want.Name)
	if err == nil {
		err = c.setLink(ctx, l.index,
			nl.NewRtAttr(unix.IFLA_IFALIAS, nl.NonZeroTerminated(portPrefix+want.Owner)), tapMAC(want.MAC))
	}
	return true, err
}

func (c *Conn) deleteNamed(ctx context.Context, name string) error {
	l, err := c.link(ctx, name)
	if errors.Is(err, ErrLinkNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.deleteLink(ctx, l.index)
}

// ApplyPort makes a link that is there a port as wanted, and changes nothing
// that is so already. A missing tap of ours is made; any other missing link is
// an error (ErrLinkNotFound), as is a missing bridge (ErrBridgeNotFound).
func (c *Conn) ApplyPort(ctx context.Context, want PortLink) error {
	l, err := c.link(ctx, want.Name)
	if errors.Is(err, ErrLinkNotFound) && want.Tap != nil {
		if _, err := c.makePort(ctx, want); err != nil {
			return err
		}
		l, err = c.link(ctx, want.Name)
	}
	if err == nil {
		err = c.configurePort(ctx, l, want)
	}
	if err != nil {
		return fmt.Errorf("attach %s to bridge %s: %w", want.Name, want.Bridge, err)
	}
	return nil
}

// configurePort has the link join last: no frame passes that should not. The
// kernel knows a port as isolated only once it is one, and begins to forward
// when it comes up.
func (c *Conn) configurePort(ctx context.Context, l *link, want PortLink) error {
	master, err := c.link(ctx, want.Bridge)
	if errors.Is(err, ErrLinkNotFound) {
		return ErrBridgeNotFound
	}
	if err != nil {
		return err
	}
	if want.MTU != 0 && l.mtu != want.MTU {
		if err := c.setLink(ctx, l.index, nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(want.MTU)))); err != nil {
			return fmt.Errorf("set MTU %d: %w", want.MTU, err)
		}
	}
	if want.Bandwidth != nil {
		if err := c.setBandwidth(ctx, l.index, want.Bandwidth); err != nil {
			return err
		}
	}
	if l.master == master.index && l.up && l.isolated == want.Isolated {
		return nil
	}
	return c.withoutSTP(ctx, master, l.index, func() error { return c.join(ctx, master, l, want.Isolated) })
}

// join makes a link a port that is up, of a bridge that is up too: ports of one
// that is down begin anew when it comes up. An isolated one is not up before it
// is isolated.
func (c *Conn) join(ctx context.Context, master, l *link, isolated bool) error {
	if err := c.setUp(ctx, master.index); err != nil {
		return err
	}
	if l.master != master.index {
		if isolated && l.up {
			if err := c.setDown(ctx, l.index); err != nil {
				return err
			}
		}
		if err := c.setLink(ctx, l.index, nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(master.index)))); err != nil {
			return err
		}
	}
	if err := c.setIsolated(ctx, l.index, isolated); err != nil {
		return err
	}
	return c.setUp(ctx, l.index)
}

// withoutSTP calls f while spanning tree is off, so that ports with carrier
// which come up meanwhile forward at once: a guest's first frames would be lost
// while its port listens and learns, although no loop goes through it. What
// forwards already goes on. (A tap has carrier once it is opened.)
func (c *Conn) withoutSTP(ctx context.Context, master *link, port int, f func() error) error {
	if !master.stp {
		return f()
	}
	if err := c.setSTPState(ctx, master.index, 0); err != nil {
		return err
	}
	err := f()
	if err == nil {
		err = c.waitOperational(ctx, port)
	}
	return errors.Join(err, c.setSTPState(context.WithoutCancel(ctx), master.index, 1))
}

// carrierTime is how long the kernel may take to notice the carrier of a link
// that was set up. It does so in a work queue of its own.
const carrierTime = 200 * time.Millisecond

// waitOperational waits until the bridge knows that a port works, as it does
// soon if there is carrier at all.
func (c *Conn) waitOperational(ctx context.Context, index int) error {
	deadline := time.Now().Add(carrierTime)
	for {
		l, err := c.linkAt(ctx, index)
		if err != nil || l.operational || !l.carrier || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *Conn) setDown(ctx context.Context, index int) error {
	req := c.request(unix.RTM_NEWLINK, 0)
	head := nl.NewIfInfomsg(unix.AF_UNSPEC)
	head.Index, head.Change = int32(index), unix.IFF_UP
	req.AddData(head)
	return change(ctx, req)
}

// setIsolated sets whether a port is isolated.
func (c *Conn) setIsolated(ctx context.Context, index int, on bool) error {
	value := byte(0)
	if on {
		value = 1
	}
	req := c.request(unix.RTM_SETLINK, 0)
	head := nl.NewIfInfomsg(unix.AF_BRIDGE)
	head.Index = int32(index)
	req.AddData(head)
	attr := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
	attr.AddRtAttr(nl.IFLA_BRPORT_ISOLATED, []byte{value})
	req.AddData(attr)
	if err := change(ctx, req); err != nil {
		return fmt.Errorf("set isolated to %v: %w", on, err)
	}
	return nil
}

// RemovePort takes a link off its bridge: one that we made for owner is
// deleted; of another what we set is taken away, and the link stays. A missing
// link is fine.
func (c *Conn) RemovePort(ctx context.Context, want PortLink) error {
	l, err := c.link(ctx, want.Name)
	if errors.Is(err, ErrLinkNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if l.portOwner() == want.Owner && want.Owner != "" {
		if err := c.deleteLink(ctx, l.index); err != nil {
			return fmt.Errorf("delete %s: %w", want.Name, err)
		}
		return nil
	}
	return c.leave(ctx, l, want)
}

// leave undoes configurePort for a link that stays.
func (c *Conn) leave(ctx context.Context, l *link, want PortLink) error {
	if want.Tap != nil || want.Guest.Name != "" {
		return nil // it is another than the one we made
	}
	var errs []error
	if want.Bandwidth != nil {
		errs = append(errs, c.setBandwidth(ctx, l.index, nil))
	}
	master, err := c.link(ctx, want.Bridge)
	if err == nil && l.master == master.index {
		errs = append(errs, c.setLink(ctx, l.index, nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(0))))
	}
	if err := errors.Join(slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, unix.ENODEV) })...); err != nil {
		return fmt.Errorf("take %s off its bridge: %w", want.Name, err)
	}
	return nil
}
