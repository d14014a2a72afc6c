package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// ErrNoBandwidth says that a floor needs a bridge with an inbound limit.
var ErrNoBandwidth = errors.New("the bridge has no inbound limit")

// SetFloors makes a bridge, whose inbound limit is limit, guarantee exactly
// floors to its ports, and changes nothing that is so already. The caller sees
// to it that their sum is not too much. If the bridge has no limit the error
// wraps ErrNoBandwidth; without floors that, or no bridge, is fine.
func (c *Conn) SetFloors(ctx context.Context, bridge string, limit Rate, floors []Floor) error {
	for _, f := range floors {
		if f.Class < minFloorClass || len(f.MAC) != 6 {
			return fmt.Errorf("guarantee rates on %s: class %d of %s cannot be one", bridge, f.Class, f.MAC)
		}
	}
	l, err := c.link(ctx, bridge)
	if errors.Is(err, ErrLinkNotFound) && len(floors) == 0 {
		return nil
	}
	if err == nil {
		err = c.setFloors(ctx, l.index, limit, floors)
	}
	if err != nil {
		return fmt.Errorf("guarantee rates on %s: %w", bridge, err)
	}
	return nil
}

func (c *Conn) setFloors(ctx context.Context, index int, limit Rate, floors []Floor) error {
	c.shaping.Lock()
	defer c.shaping.Unlock()
	root, err := c.qdisc(ctx, index, rootParent)
	switch {
	case err != nil:
		return err
	case !root.ours() && len(floors) == 0:
		return nil
	case !root.ours():
		return ErrNoBandwidth
	}
	classes, err := c.classes(ctx, index)
	if err != nil {
		return err
	}
	filters, others, err := c.filters(ctx, index, rootMajor)
	if err != nil {
		return err
	}
	if err := c.removeFloors(ctx, index, classes, filters, floors); err != nil {
		return err
	}
	switch {
	case len(floors) > 0:
		err = c.keepFirstTable(ctx, index, filters)
	case !others && !slices.ContainsFunc(filters, func(f filter) bool { return f.classID&0xffff < restClass }):
		err = c.clearFilters(ctx, index, rootMajor) // what is left is for floors
	}
	if err != nil {
		return err
	}
	for _, f := range floors {
		if err := c.setFloor(ctx, index, limit, f, classes, filters); err != nil {
			return err
		}
	}
	return c.setClasses(ctx, index, &limit)
}

// removeFloors deletes the classes of floors that are not wanted, and first
// their filters: a class that a filter names cannot be deleted.
func (c *Conn) removeFloors(ctx context.Context, index int, classes []class, filters []filter, floors []Floor) error {
	for _, k := range classes {
		wanted := func(f Floor) bool { return f.Class == k.minor }
		if k.minor < minFloorClass || k.parent != wholeClass || slices.ContainsFunc(floors, wanted) {
			continue
		}
		if err := c.deleteFilters(ctx, index, k.minor, filters); err != nil {
			return err
		}
		err := change(ctx, c.tcRequest(unix.RTM_DELTCLASS, 0, index, rootMajor|uint32(k.minor), 0, 0))
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("delete traffic class 1:%x: %w", k.minor, err)
		}
	}
	return nil
}

// setFloor makes one floor, as far as it is not among the kernel's classes and
// filters.
func (c *Conn) setFloor(ctx context.Context, index int, limit Rate, f Floor, classes []class, filters []filter) error {
	if k := limit.floor(f); !slices.ContainsFunc(classes, k.same) {
		if err := c.setClass(ctx, index, k); err != nil {
			return err
		}
	}
	if err := c.addFairQueue(ctx, index, f.Class); err != nil {
		return err
	}
	return c.setFilter(ctx, index, f, filters)
}
