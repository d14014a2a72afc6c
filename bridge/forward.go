package bridge

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	forward4 = "ipv4/ip_forward"
	forward6 = "ipv6/conf/all/forwarding"
)

// forward turns on what want asks for of the host's forwarding, or restores
// what it has changed if that does not succeed.
func (c *Conn) forward(ctx context.Context, want *Config) (err error) {
	var undo []func() error
	set := func(name, value string) error {
		old, err := setSysctl(name, value)
		if err == nil && old != value {
			undo = append(undo, func() error { _, err := setSysctl(name, old); return err })
		}
		return err
	}
	defer func() {
		for i := len(undo) - 1; i >= 0 && err != nil; i-- {
			err = errors.Join(err, undo[i]())
		}
	}()
	if want.Forward4 {
		if err := set(forward4, "1"); err != nil {
			return fmt.Errorf("turn on IPv4 forwarding: %w", err)
		}
	}
	if !want.Forward6 {
		return nil
	}
	if on, err := readSysctl(forward6); err != nil || on == "1" {
		return err
	}
	if err := c.keepRouters(ctx, set); err != nil {
		return err
	}
	if err := set(forward6, "1"); err != nil {
		return fmt.Errorf("turn on IPv6 forwarding: %w", err)
	}
	return nil
}

// keepRouters lets the links that the host has learned routes by go on
// listening to router advertisements. A forwarding host does not listen where
// accept_ra is 1, the default, and forgets those routes at once; 2 means to
// listen nevertheless. libvirt refuses to start instead and asks the
// administrator to do this.
//
// Where accept_ra is 0 such routes come from a program that listens by itself,
// like systemd-networkd, and forwarding does not matter.
func (c *Conn) keepRouters(ctx context.Context, set func(name, value string) error) error {
	routes, err := c.routes(ctx, routeFilter{
		family: unix.AF_INET6, table: unix.RT_TABLE_MAIN, protocol: unix.RTPROT_RA,
	})
	if err != nil {
		return err
	}
	seen := map[int]bool{0: true}
	for _, r := range routes {
		if seen[r.index] {
			continue
		}
		seen[r.index] = true
		if err := c.keepRouter(ctx, r.index, set); err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) keepRouter(ctx context.Context, index int, set func(name, value string) error) error {
	l, err := c.linkAt(ctx, index)
	if errors.Is(err, ErrLinkNotFound) {
		return nil // gone, and its routes with it
	}
	if err != nil {
		return err
	}
	name := "ipv6/conf/" + l.name + "/accept_ra"
	if now, err := readSysctl(name); err != nil || now != "1" {
		return err
	}
	if err := set(name, "2"); err != nil {
		return fmt.Errorf("keep accepting router advertisements on %s: %w", l.name, err)
	}
	c.Log.Info("accept_ra set to 2: the host has routes from router advertisements and becomes a router itself",
		"link", l.name)
	return nil
}
