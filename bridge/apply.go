package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// defaultMTU is the MTU of a bridge without ports.
const defaultMTU = 1500

// Apply makes the host have what want says, whatever it has now, and changes
// nothing that is so already. Ports stay attached, also while the MAC address,
// the MTU or STP change.
//
// A link of that name that is not ours is left alone (ErrLinkExists). If the
// bridge was not there and something fails, all that was made of it is taken
// away again; a bridge that was there is left as far as it got, and the next
// Apply goes on.
//
// The kernel begins to receive on a new IPv6 address some milliseconds after
// Apply has returned; sockets can be bound to it at once.
func (c *Conn) Apply(ctx context.Context, want Config) error {
	if err := want.check(); err != nil {
		return err
	}
	l, err := c.link(ctx, want.Name)
	switch {
	case errors.Is(err, ErrLinkNotFound):
		return c.make(ctx, &want)
	case err != nil:
		return err
	case l.name != want.Name || !l.belongsTo(want.Owner): // found by an altname: not ours
		return fmt.Errorf("create bridge %s: %w", want.Name, ErrLinkExists)
	}
	if err := c.configure(ctx, l, &want); err != nil {
		return fmt.Errorf("change bridge %s: %w", want.Name, err)
	}
	return nil
}

// make creates the bridge, or leaves nothing.
func (c *Conn) make(ctx context.Context, want *Config) error {
	if err := c.createBridge(ctx, want); err != nil {
		return fmt.Errorf("create bridge %s: %w", want.Name, err)
	}
	l, err := c.link(ctx, want.Name)
	if err == nil {
		err = c.configure(ctx, l, want)
	}
	if err != nil {
		// Addresses, routes and sysctls of a link go with it.
		undo := c.Remove(context.WithoutCancel(ctx), want.Name, want.Owner)
		return errors.Join(fmt.Errorf("create bridge %s: %w", want.Name, err), undo)
	}
	return nil
}

// configure brings a bridge of ours from what it is to what is wanted. What
// other links see of it comes last.
func (c *Conn) configure(ctx context.Context, l *link, want *Config) error {
	if err := c.setAttrs(ctx, l, want); err != nil {
		return err
	}
	if err := setLinkSysctls(want.Name, want.IPv6); err != nil {
		return err
	}
	if !l.up {
		// Before there are IPv6 addresses: the kernel makes the multicast route
		// of a link without carrier only when it adds an address while the
		// link is up, and without it nothing can be sent to ff02::1.
		if err := c.setUp(ctx, l.index); err != nil {
			return fmt.Errorf("set up: %w", err)
		}
	}
	surplus, err := c.addAddrs(ctx, l, want)
	if err != nil {
		return err
	}
	if err := c.setRoutes(ctx, l, want); err != nil {
		return err
	}
	for _, a := range surplus {
		if err := c.deleteAddr(ctx, a); err != nil {
			return fmt.Errorf("delete address %s: %w", a.prefix, err)
		}
	}
	if err := c.setBandwidth(ctx, l.index, want.Bandwidth); err != nil {
		return err
	}
	return c.forward(ctx, want)
}

// setAttrs changes the link itself. The owner comes first: see newGroup.
func (c *Conn) setAttrs(ctx context.Context, l *link, want *Config) error {
	if alias := ownerPrefix + want.Owner; l.alias != alias || l.group == newGroup {
		err := c.setLink(ctx, l.index,
			nl.NewRtAttr(unix.IFLA_IFALIAS, nl.NonZeroTerminated(alias)),
			nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(0)))
		if err != nil {
			return fmt.Errorf("set alias: %w", err)
		}
	}
	if !slices.Equal(l.mac, want.MAC) {
		if err := c.setLink(ctx, l.index, nl.NewRtAttr(unix.IFLA_ADDRESS, want.MAC)); err != nil {
			return fmt.Errorf("set MAC address %s: %w", want.MAC, err)
		}
	}
	if err := c.setMTU(ctx, l, want.MTU); err != nil {
		return err
	}
	if err := c.setSTP(ctx, l, want); err != nil {
		return err
	}
	return c.setVLANFiltering(ctx, l, want.VLANFiltering)
}

// setMTU sets the MTU, for 0 the one that the kernel gives a bridge nobody set
// it for: its ports' smallest. The kernel does not do that any more once the
// MTU was set.
func (c *Conn) setMTU(ctx context.Context, l *link, mtu int) error {
	if mtu == 0 {
		ports, err := c.links(ctx, l.index)
		if err != nil {
			return err
		}
		mtu = defaultMTU
		if len(ports) > 0 {
			mtu = slices.MinFunc(ports, func(a, b *link) int { return a.mtu - b.mtu }).mtu
		}
	}
	if l.mtu == mtu {
		return nil
	}
	if err := c.setLink(ctx, l.index, nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(mtu)))); err != nil {
		return fmt.Errorf("set MTU %d: %w", mtu, err)
	}
	return nil
}

// setSTP sets STP and the forward delay. Ports that forward go on forwarding.
func (c *Conn) setSTP(ctx context.Context, l *link, want *Config) error {
	if l.stp == want.STP && l.forwardDelay == want.delay() {
		return nil
	}
	var err error
	if l.stp && !want.STP {
		// The kernel sets the delay first, and refuses a small one while STP
		// is still on.
		off := nl.NewRtAttr(nl.IFLA_BR_STP_STATE, nl.Uint32Attr(0))
		err = c.setLink(ctx, l.index, bridgeInfo(off))
	}
	if err == nil {
		err = c.setLink(ctx, l.index, bridgeInfo(stpAttrs(want)...))
	}
	if err != nil {
		return fmt.Errorf("set STP %v with forward delay %v: %w", want.STP, want.ForwardDelay, err)
	}
	return nil
}

// addAddrs adds the addresses that are missing and returns those that are not
// wanted, for later. IPv6 addresses that were kept while the link was down
// (keep_addr_on_down) are made anew, see configure.
func (c *Conn) addAddrs(ctx context.Context, l *link, want *Config) (surplus []addr, err error) {
	have, err := c.addrs(ctx, l.index)
	if err != nil {
		return nil, err
	}
	missing := want.addrs()
	for _, a := range have {
		usable := a.usable && !a.peer.IsValid() && (l.up || a.prefix.Addr().Is4())
		if i := slices.Index(missing, a.prefix); i >= 0 && usable {
			missing = slices.Delete(missing, i, i+1)
		} else {
			surplus = append(surplus, a)
		}
	}
	surplus, err = c.deleteObstacles(ctx, surplus, missing)
	if err != nil {
		return nil, err
	}
	for _, p := range missing {
		if err := c.addAddr(ctx, l.index, p); err != nil {
			return nil, fmt.Errorf("add address %s: %w", p, err)
		}
	}
	return surplus, nil
}

// deleteObstacles deletes those of the surplus addresses that the kernel will
// not have beside a missing one, and returns the rest: an IPv6 address cannot
// be there with two prefix lengths, an IPv4 one with and without peer.
func (c *Conn) deleteObstacles(ctx context.Context, surplus []addr, missing []netip.Prefix) ([]addr, error) {
	var rest []addr
	for _, a := range surplus {
		same := func(p netip.Prefix) bool { return p.Addr() == a.prefix.Addr() }
		if !slices.ContainsFunc(missing, same) || a.prefix.Addr().Is4() && !a.peer.IsValid() {
			rest = append(rest, a)
			continue
		}
		if err := c.deleteAddr(ctx, a); err != nil {
			return nil, fmt.Errorf("delete address %s: %w", a.prefix, err)
		}
	}
	return rest, nil
}

// setRoutes adds the static routes that are missing and deletes those of ours
// that are not wanted.
func (c *Conn) setRoutes(ctx context.Context, l *link, want *Config) error {
	have, err := c.ownRoutes(ctx, l.index)
	if err != nil {
		return err
	}
	wanted := want.routes()
	// First, as one to the same destination by another gateway is in the way
	// of the new one.
	for _, r := range have {
		if slices.Contains(wanted, r) {
			continue
		}
		if err := c.deleteRoute(ctx, l.index, r); err != nil {
			return fmt.Errorf("delete route to %s: %w", r.Dst, err)
		}
	}
	for _, r := range wanted {
		if slices.Contains(have, r) {
			continue
		}
		if err := c.addRoute(ctx, l.index, r); err != nil {
			return fmt.Errorf("add route to %s via %s: %w", r.Dst, r.Gateway, err)
		}
	}
	return nil
}

// Remove deletes the bridge that Apply made for owner. There being no such
// link is fine; one that is not owner's stays, with ErrLinkExists. Its ports
// are left without a bridge. Forwarding stays on: others may rely on it.
func (c *Conn) Remove(ctx context.Context, name, owner string) error {
	if CheckName(name) != nil {
		return nil // no link can have it
	}
	l, err := c.link(ctx, name)
	switch {
	case errors.Is(err, ErrLinkNotFound):
		return nil
	case err != nil:
		return err
	case l.name != name || !l.belongsTo(owner):
		return fmt.Errorf("delete bridge %s: %w", name, ErrLinkExists)
	}
	// The kernel sets it down first, as part of this.
	if err := c.deleteLink(ctx, l.index); err != nil {
		return fmt.Errorf("delete bridge %s: %w", name, err)
	}
	return nil
}
