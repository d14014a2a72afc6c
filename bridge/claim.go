package bridge

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Claim makes ours, for owner, a bridge that virtnetworkd made and left, with
// all that is on it: ports, addresses, and the limits that libvirt sets as we
// do. Its static routes and its filters of floors go: Apply and SetFloors make
// them as ours. Only a bridge that nobody
// has put an alias on can be claimed (ErrLinkExists); one that is ours already
// stays as it is. The error wraps ErrLinkNotFound if there is none.
func (c *Conn) Claim(ctx context.Context, name, owner string) error {
	l, err := c.link(ctx, name)
	switch {
	case err != nil:
		return err
	case l.name == name && l.owner() == owner:
		return nil
	case l.name != name || l.kind != "bridge" || l.alias != "":
		return fmt.Errorf("claim bridge %s: %w", name, ErrLinkExists)
	}
	if err := c.deleteStaticRoutes(ctx, l.index); err != nil {
		return fmt.Errorf("claim bridge %s: %w", name, err)
	}
	root, err := c.qdisc(ctx, l.index, rootParent)
	if err == nil && root.ours() {
		err = c.clearFilters(ctx, l.index, rootMajor)
	}
	if err != nil {
		return fmt.Errorf("claim bridge %s: %w", name, err)
	}
	alias := nl.NewRtAttr(unix.IFLA_IFALIAS, nl.NonZeroTerminated(ownerPrefix+owner))
	if err := c.setLink(ctx, l.index, alias); err != nil {
		return fmt.Errorf("claim bridge %s: set alias: %w", name, err)
	}
	return nil
}

// deleteStaticRoutes deletes the routes through a link that libvirt, or an
// administrator with ip route, made.
func (c *Conn) deleteStaticRoutes(ctx context.Context, index int) error {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		routes, err := c.routes(ctx, routeFilter{
			family: family, table: unix.RT_TABLE_MAIN, protocol: unix.RTPROT_BOOT, kind: unix.RTN_UNICAST, index: index,
		})
		if err != nil {
			return err
		}
		for _, r := range routes {
			if !r.gateway.IsValid() {
				continue
			}
			gone := Route{Dst: r.dst, Gateway: r.gateway, Metric: r.metric}
			err := change(ctx, c.routeRequest(unix.RTM_DELROUTE, 0, index, unix.RTPROT_BOOT, gone))
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("delete route to %s: %w", r.dst, err)
			}
		}
	}
	return nil
}
