// Package firewalld puts bridges into firewalld's zones, over D-Bus. firewalld
// has tables of its own, in which a packet must be accepted as well: without a
// zone that lets them, guests reach neither the host's DHCP nor the outside.
package firewalld

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vnetmgr/vnetmgr/internal/systembus"
)

// Names that firewalld goes by (firewalld.dbus(5)).
const (
	service      = "org.fedoraproject.FirewallD1"
	path         = "/org/fedoraproject/FirewallD1"
	zoneMethod   = service + ".zone."
	policyMethod = service + ".policy."
)

// The zones and the policy that libvirt's packages install.
const (
	defaultZone  = "libvirt"
	routedZone   = "libvirt-routed"
	routedPolicy = "libvirt-routed-out"
)

var object = systembus.Object{Name: service, Path: path}

// Errors that callers tell apart.
var (
	// ErrInactive says that a zone is asked for and firewalld does not run.
	ErrInactive = errors.New("firewalld is not active")
	// ErrNoZone says that firewalld runs without the zone that networks need.
	ErrNoZone = errors.New("firewalld has no zone \"libvirt\"")
)

// Binding is the zone that a bridge should be in.
type Binding struct {
	Link string
	// Zone is the one asked for; "" is libvirt's choice: zone libvirt-routed
	// for routed networks where the policies for it are there, else libvirt.
	Zone   string
	Routed bool
}

// Client talks to firewalld.
type Client struct{ bus *systembus.Bus }

// New returns a client of the firewalld on a bus.
func New(bus *systembus.Bus) *Client { return &Client{bus} }

// Apply puts a link into the zone it should be in, unless it is. Where
// firewalld does not run, that is well if no zone is asked for, else
// ErrInactive.
func (c *Client) Apply(ctx context.Context, want Binding) error {
	err := c.apply(ctx, want)
	switch {
	case errors.Is(err, systembus.ErrAbsent) && want.Zone == "":
		return nil
	case errors.Is(err, systembus.ErrAbsent):
		return fmt.Errorf("put %s into zone %s: %w", want.Link, want.Zone, ErrInactive)
	}
	return err
}

func (c *Client) apply(ctx context.Context, want Binding) error {
	zone := want.Zone
	if zone == "" {
		var err error
		if zone, err = c.choose(ctx, want.Routed); err != nil {
			return err
		}
	}
	var now string
	if err := c.call(ctx, zoneMethod+"getZoneOfInterface", []any{want.Link}, &now); err != nil {
		return err
	}
	if now == zone {
		return nil
	}
	var changed string // the zone again
	if err := c.call(ctx, zoneMethod+"changeZoneOfInterface", []any{zone, want.Link}, &changed); err != nil {
		return fmt.Errorf("put %s into firewalld's zone %s: %w", want.Link, zone, err)
	}
	return nil
}

// choose returns the zone of a network that asks for none.
func (c *Client) choose(ctx context.Context, routed bool) (string, error) {
	var zones []string
	if err := c.call(ctx, zoneMethod+"getZones", nil, &zones); err != nil {
		return "", err
	}
	if routed && slices.Contains(zones, routedZone) {
		policies, err := c.policies(ctx)
		if err != nil {
			return "", err
		}
		if slices.Contains(policies, routedPolicy) {
			return routedZone, nil
		}
	}
	if !slices.Contains(zones, defaultZone) {
		return "", fmt.Errorf("%w: install the one of libvirt's packages, or give the network's bridge another zone", ErrNoZone)
	}
	return defaultZone, nil
}

// policies lists firewalld's policies; before 0.9 it had none.
func (c *Client) policies(ctx context.Context) ([]string, error) {
	var policies []string
	err := c.call(ctx, policyMethod+"getPolicies", nil, &policies)
	if errors.Is(err, systembus.ErrUnknownMethod) {
		return nil, nil
	}
	return policies, err
}

// Remove takes a link out of whatever zone it is in. That it is in none, and
// that firewalld does not run, is fine.
func (c *Client) Remove(ctx context.Context, link string) error {
	var zone string
	err := c.call(ctx, zoneMethod+"removeInterface", []any{"", link}, &zone)
	var said *systembus.Error
	switch {
	case errors.Is(err, systembus.ErrAbsent):
		return nil
	case errors.As(err, &said) && strings.HasPrefix(said.Text, "UNKNOWN_INTERFACE"):
		return nil
	case err != nil:
		return fmt.Errorf("take %s out of firewalld's zone: %w", link, err)
	}
	return nil
}

// Watch calls changed whenever firewalld has begun, ended or loaded its
// settings again, which makes it forget links. It returns when ctx ends.
func (c *Client) Watch(ctx context.Context, changed func()) {
	c.bus.Watch(ctx, systembus.Signal{Object: object, Interface: service, Member: "Reloaded"}, changed)
}

func (c *Client) call(ctx context.Context, method string, args []any, results ...any) error {
	return c.bus.Call(ctx, object, method, args, results...)
}
