package bridge

import (
	"context"
	"errors"
	"slices"

	"github.com/vishvananda/netlink/nl"
)

// PutBack makes links ports of a bridge that was theirs before it was made
// anew. They forward at once, also with STP: spanning tree would keep each
// silent for twice the forward delay, although no cable was moved. It is off
// while they join, which leaves what forwards already as it is. Links that are
// gone are left out.
func (c *Conn) PutBack(ctx context.Context, bridge string, ports []string) (err error) {
	master, err := c.link(ctx, bridge)
	if err != nil {
		return err
	}
	away := slices.DeleteFunc(slices.Clone(ports), func(port string) bool {
		l, err := c.link(ctx, port)
		return err != nil || l.master == master.index
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
	for _, port := range away {
		if err := c.AttachPort(ctx, bridge, port); !errors.Is(err, ErrLinkNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (c *Conn) setSTPState(ctx context.Context, index int, state uint32) error {
	return c.setLink(ctx, index, bridgeInfo(nl.NewRtAttr(nl.IFLA_BR_STP_STATE, nl.Uint32Attr(state))))
}
