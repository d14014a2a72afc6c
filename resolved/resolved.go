// Package resolved tells systemd-resolved, over D-Bus, that the names and
// addresses of a network are to be asked for at the network's resolver.
package resolved

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

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

// Registration is who answers for domains.
type Registration struct {
	Link    string
	Domains []string     // and all below them
	Servers []netip.Addr // on the link, port 53
	// Optional says that a network is started without it, if need be.
	Optional bool
}

// Equal reports whether two registrations say the same; nil is none.
func (r *Registration) Equal(other *Registration) bool {
	if r == nil || other == nil {
		return r == other
	}
	return r.Link == other.Link && slices.Equal(r.Domains, other.Domains) && slices.Equal(r.Servers, other.Servers)
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

// Register makes the host ask r's servers for names in r's domains. It lasts
// as long as the link, whose index is given, and may be repeated. When it fails
// nothing is registered.
func (c *Client) Register(ctx context.Context, index int, r Registration) error {
	err := c.register(ctx, int32(index), r)
	switch {
	case errors.Is(err, systembus.ErrAbsent):
		return ErrAbsent
	case err != nil:
		err = errors.Join(err, c.call(context.WithoutCancel(ctx), "RevertLink", int32(index)))
		return fmt.Errorf("register %s of %s: %w", strings.Join(r.Domains, " "), r.Link, err)
	}
	return nil
}

func (c *Client) register(ctx context.Context, index int32, r Registration) error {
	var domains []domain
	for _, name := range r.Domains {
		domains = append(domains, domain{name, true})
	}
	// The domains first: a link with servers and without domains is asked for
	// every name.
	if err := c.call(ctx, "SetLinkDomains", index, domains); err != nil {
		return err
	}
	// What the host asks of the Internet's servers can't be asked of ours:
	// their names are signed by nobody, and a bridge needs no encryption.
	for _, method := range []string{"SetLinkDNSSEC", "SetLinkDNSOverTLS"} {
		if err := c.call(ctx, method, index, "no"); err != nil && !errors.Is(err, systembus.ErrUnknownMethod) {
			return err
		}
	}
	servers := make([]server, 0, len(r.Servers))
	for _, a := range r.Servers {
		family := int32(unix.AF_INET)
		if a.Is6() {
			family = unix.AF_INET6
		}
		servers = append(servers, server{family, a.AsSlice()})
	}
	return c.call(ctx, "SetLinkDNS", index, servers)
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

// Watch calls changed whenever systemd-resolved has begun or ended. It returns
// when ctx ends.
func (c *Client) Watch(ctx context.Context, changed func()) {
	c.bus.Watch(ctx, systembus.Signal{Object: object}, changed)
}

func (c *Client) call(ctx context.Context, method string, args ...any) error {
	return c.bus.Call(ctx, object, manager+method, args)
}
