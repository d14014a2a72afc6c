package bridge

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink/nl"
)

const (
	// htbVersion is the only version of HTB's messages.
	htbVersion = 3
	// rateToQuantum is tc's default; every class has its own quantum.
	rateToQuantum = 10
	// perturb is after how many seconds SFQ hashes flows anew.
	perturb = 10
)

// setBandwidth makes a bridge's limits as wanted, and those that we made and
// are not wanted none.
func (c *Conn) setBandwidth(ctx context.Context, index int, want *Bandwidth) error {
	if want == nil {
		want = &Bandwidth{}
	}
	for _, r := range []*Rate{want.Inbound, want.Outbound} {
		if r != nil && r.Average == 0 {
			return errors.New("a limit needs an average")
		}
	}
	c.shaping.Lock()
	defer c.shaping.Unlock()
	if err := c.shape(ctx, index, want.Inbound); err != nil {
		return fmt.Errorf("limit inbound traffic: %w", err)
	}
	if err := c.police(ctx, index, want.Outbound); err != nil {
		return fmt.Errorf("limit outbound traffic: %w", err)
	}
	return nil
}

// shape limits what goes to the guests, with classes below a root qdisc.
// Floors of ports stay, and what they guarantee is taken off the rest.
func (c *Conn) shape(ctx context.Context, index int, want *Rate) error {
	root, err := c.qdisc(ctx, index, rootParent)
	if err != nil {
		return err
	}
	switch {
	case want == nil && !root.ours():
		return nil
	case want == nil:
		return c.deleteQdisc(ctx, index, rootMajor, rootParent)
	case root.kind == "":
		glob := nl.TcHtbGlob{Version: htbVersion, Rate2Quantum: rateToQuantum, Defcls: restClass}
		err := c.addQdisc(ctx, index, rootMajor, rootParent, "htb", optionsAttr(nl.NewRtAttr(nl.TCA_HTB_INIT, glob.Serialize())))
		if err != nil {
			return err
		}
	case !root.ours():
		return fmt.Errorf("%w: %s with handle %x", ErrQdiscExists, root.kind, root.handle>>16)
	}
	if err := c.setClasses(ctx, index, want); err != nil {
		return err
	}
	return c.addFairQueue(ctx, index, restClass)
}

// setClasses changes those classes that are not as wanted.
func (c *Conn) setClasses(ctx context.Context, index int, want *Rate) error {
	have, err := c.classes(ctx, index)
	if err != nil {
		return err
	}
	var floors []class
	for _, k := range have {
		if k.minor >= minFloorClass && k.parent == wholeClass {
			floors = append(floors, k)
		}
	}
	for _, k := range want.classes(floors) {
		if slices.ContainsFunc(have, k.same) {
			continue
		}
		if err := c.setClass(ctx, index, k); err != nil {
			return err
		}
	}
	return nil
}

// same reports whether a class of the kernel is as wanted. Of a class with
// others below it the kernel forgets the quantum.
func (k class) same(have class) bool {
	if k.minor == wholeClass {
		have.quantum = k.quantum
	}
	return k == have
}

// addFairQueue gives a class a leaf in which flows take turns, where the
// kernel has one; else it keeps the first-in first-out queue it was made with.
func (c *Conn) addFairQueue(ctx context.Context, index int, minor uint16) error {
	parent := rootMajor | uint32(minor)
	leaf, err := c.qdisc(ctx, index, parent)
	if err != nil || leaf.kind != "" {
		return err
	}
	opts := make([]byte, 20) // struct tc_sfq_qopt: quantum, perturb_period, and three more, 0 for defaults
	binary.NativeEndian.PutUint32(opts[4:], perturb)
	err = c.addQdisc(ctx, index, uint32(minor)<<16, parent, "sfq", nl.NewRtAttr(nl.TCA_OPTIONS, opts))
	if err != nil && !errors.Is(err, ErrNotInKernel) {
		return fmt.Errorf("give traffic class 1:%x a fair queue: %w", minor, err)
	}
	return nil
}
