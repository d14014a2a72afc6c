package bridge

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Tune sets on a bridge, whoever made it, what want says; limits that are not
// wanted and are of our making go. If nothing is wanted of a bridge that is
// not there, nothing is to do.
func (c *Conn) Tune(ctx context.Context, want Tuning) error {
	l, err := c.link(ctx, want.Name)
	if errors.Is(err, ErrLinkNotFound) && want.IsZero() {
		return nil
	}
	if err == nil {
		err = c.setVLANFiltering(ctx, l, want.VLANFiltering)
	}
	if err == nil {
		err = c.setBandwidth(ctx, l.index, want.Bandwidth)
	}
	if err != nil {
		return fmt.Errorf("change bridge %s: %w", want.Name, err)
	}
	return nil
}

// setVLANFiltering turns VLAN filtering on if wanted.
func (c *Conn) setVLANFiltering(ctx context.Context, l *link, want bool) error {
	if !want || l.vlanFiltering {
		return nil
	}
	if l.kind != "bridge" {
		return fmt.Errorf("turn on VLAN filtering: %s is not a Linux bridge", l.name)
	}
	on := nl.NewRtAttr(nl.IFLA_BR_VLAN_FILTERING, []byte{1})
	err := c.setLink(ctx, l.index, bridgeInfo(on))
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = fmt.Errorf("%w bridge VLAN filtering (CONFIG_BRIDGE_VLAN_FILTERING): %w", ErrNotInKernel, err)
	}
	if err != nil {
		return fmt.Errorf("turn on VLAN filtering: %w", err)
	}
	return nil
}
