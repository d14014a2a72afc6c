// Package resolved tells systemd-resolved, over D-Bus, that names of a
// network's domain are to be asked for at the network's resolver.
package resolved

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/vnetmgr/vnetmgr/internal/systembus"
)

// Names that systemd-resolved goes by (org.freedesktop.resolve1(5)).
const (
	service = "org.freedesktop.resolve1"
	manager = service + ".Manager."
)

var object = systembus.Object{Name: service, Path: "/org/freedesktop/resolve1"}

// ErrAbsent says that systemd-resolved does not run.
var ErrAbsent = errors.New("systemd-resolved is not available")

// Registration is who answers for a domain.
type Registration struct {
	Link    string
	Domain  string
	Servers []netip.Addr // on the link, port 53
}

// Equal reports whether two registrations say the same; nil is none.
func (r *Registration) Equal(other *Registration) bool {
	if r == nil || other == nil {
		return r == other
	}
	return r.Link == other.Link && r.Domain == other.Domain && slices.Equal(r.Servers, other.Servers)
}

// Client talks to systemd-resolved.
type Client struct{ bus *systembus.Bus }

// New returns a client of the systemd-resolved on a bus.
func New(bus *systembus.Bus) *Client { return &Client{bus} }

// server is one (iay) of SetLinkDNS.
type server struct {
	Family  int32
	Address []byte
}

// domain is one (sb) of SetLinkDomains.
type domain struct {
	Name string
	// Routing only: names of the domain are asked for there, but it is not
	// tried as a suffix of short names.
	RoutingOnly bool
}

// Register makes the host ask r's servers for names of r's domain. It lasts as
// long as the link, whose index is given, and may be repeated. When it fails
// nothing is registered.
func (c *Client) Register(ctx context.Context, index int, r Registration) error {
	servers := make([]server, 0, len(r.Servers))
	for _, a := range r.Servers {
		family := int32(unix.AF_INET)
		if a.Is6() {
			family = unix.AF_INET6
		}
		servers = append(servers, server{family, a.AsSlice()})
	}
	// The domain first: a link with servers and without domains is asked for
	// every name.
	err := c.call(ctx, "SetLinkDomains", int32(index), []domain{{r.Domain, true}})
	if err == nil {
		if err = c.call(ctx, "SetLinkDNS", int32(index), servers); err != nil {
			err = errors.Join(err, c.call(context.WithoutCancel(ctx), "RevertLink", int32(index)))
		}
	}
	switch {
	case errors.Is(err, systembus.ErrAbsent):
		return ErrAbsent
	case err != nil:
		return fmt.Errorf("register domain %s of %s: %w", r.Domain, r.Link, err)
	}
	return nil
}

// Revert makes the host forget all that it was told about a link. That
// systemd-resolved does not run, or has forgotten already, is fine.
func (c *Client) Revert(ctx context.Context, index int) error {
	err := c.call(ctx, "RevertLink", int32(index))
	if errors.Is(err, systembus.ErrAbsent) {
		return nil
	}
	return err
}

func (c *Client) call(ctx context.Context, method string, args ...any) error {
	return c.bus.Call(ctx, object, manager+method, args)
}
