package bridge

import (
	"context"
	"errors"
	"net"
	"slices"

	"github.com/vishvananda/netlink/nl"
)

// Port is a link that belongs on a bridge.
type Port struct {
	Link string
	// MAC is the guest's, for a bridge that does not learn from the port; nil
	// if it is not known.
	MAC      net.HardwareAddr
	Isolated bool // from the other isolated ports
}

// PutBack makes links ports of a bridge that was theirs before it was made
// anew, with the settings that they had there if FollowPorts saw them go. They
// forward at once, also with STP: spanning tree would keep each silent for
// twice the forward delay, although no cable was moved. It is off while they
// join, which leaves what forwards already as it is. Links that are gone, or
// ports of any bridge already, are left out.
func (c *Conn) PutBack(ctx context.Context, bridge string, ports []Port) (err error) {
	master, err := c.link(ctx, bridge)
	if err != nil {
		return err
	}
	away := slices.DeleteFunc(slices.Clone(ports), func(p Port) bool {
		l, err := c.link(ctx, p.Link)
		return err != nil || l.master != 0
	})
	if len(away) == 0 {
		return nil
	}
	// Ports of a bridge that is down begin anew when it comes up.
	if err := c.setUp(ctx, master.index); err != nil {
		return err
	}
	if master.stp {
		if err := c.setSTPState(ctx, master.index, 0); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.setSTPState(ctx, master.index, 1)) }()
	}
	var errs []error
	for _, p := range away {
		errs = append(errs, c.putBack(ctx, master, p))
	}
	return errors.Join(errs...)
}

// putBack is PutBack for one link.
func (c *Conn) putBack(ctx context.Context, master *link, p Port) error {
	l, err := c.link(ctx, p.Link)
	if errors.Is(err, ErrLinkNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	s := c.ports.recall(l.index) // joining, it gets others
	err = c.AttachPort(ctx, master.name, p.Link)
	if errors.Is(err, ErrLinkNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.restorePort(ctx, l, p, s, master.vlanFiltering)
}

func (c *Conn) setSTPState(ctx context.Context, index int, state uint32) error {
	return c.setLink(ctx, index, bridgeInfo(nl.NewRtAttr(nl.IFLA_BR_STP_STATE, nl.Uint32Attr(state))))
}
