package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"github.com/vnetmgr/vnetmgr/admit"
	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/nat"
	"github.com/vnetmgr/vnetmgr/neighbour"
	"github.com/vnetmgr/vnetmgr/radv"
	"github.com/vnetmgr/vnetmgr/tftp"
)

// Host is the machine that networks are made on.
type Host interface {
	// Observe reads links, addresses and routes.
	Observe(ctx context.Context) (bridge.Host, error)
	// ApplyBridge makes a bridge and what is on it as wanted.
	ApplyBridge(ctx context.Context, want bridge.Config) error
	// ClaimBridge makes ours a bridge that virtnetworkd left; a missing one is
	// made by ApplyBridge.
	ClaimBridge(ctx context.Context, name, owner string) error
	// TuneBridge sets what is wanted on a bridge that need not be ours.
	TuneBridge(ctx context.Context, want bridge.Tuning) error
	// SetFloors makes a bridge guarantee rates to ports.
	SetFloors(ctx context.Context, link string, limit bridge.Rate, floors []bridge.Floor) error
	// FDB reads what a bridge has learned of who is behind its ports.
	FDB(ctx context.Context, link string) ([]bridge.FDBEntry, error)
	// RemoveBridge removes our bridge; a missing one is removed already.
	RemoveBridge(ctx context.Context, name, owner string) error
	// ApplyRules makes our tables hold exactly the ruleset.
	ApplyRules(ctx context.Context, want nat.Ruleset) error
	// MakePort, ApplyPort and RemovePort are bridge.Conn's: a guest's link, as a
	// bridge's port. Tap describes one that may become one.
	MakePort(ctx context.Context, want bridge.PortLink) error
	ApplyPort(ctx context.Context, want bridge.PortLink) error
	RemovePort(ctx context.Context, want bridge.PortLink) error
	Tap(ctx context.Context, name string) (bridge.TapInfo, error)
	// ApplyGuards makes our rules for bridge ports exactly these.
	ApplyGuards(ctx context.Context, want nat.Guards) error
	// Translated lists the connections from subnets that are translated, and
	// Kept tells whether a network's rules let such go on.
	Translated(ctx context.Context, from []netip.Prefix) ([]nat.Flow, error)
	Kept(ctx context.Context, id, name string) (bool, error)
	// ListenDHCP4, ListenDHCP6 and ListenDNS open a server's sockets on a bridge.
	ListenDHCP4(link string, server netip.Addr) (*dhcpd.Conn4, error)
	ListenDHCP6(link string, server netip.Addr) (*dhcpd.Conn6, error)
	ListenDNS(link string, addr netip.Addr) (net.PacketConn, net.Listener, error)
	// ListenRA opens a bridge for router advertisements.
	ListenRA(link string) (*radv.Conn, error)
	// ListenNeighbours opens a bridge for neighbour discovery.
	ListenNeighbours(link string) (*neighbour.Conn, error)
	// ListenTFTP opens a TFTP server's socket on a bridge.
	ListenTFTP(link string, addr netip.Addr) (*tftp.Conn, error)
	// Droppers names other programs' chains that drop what they do not accept.
	Droppers(ctx context.Context) ([]nat.Dropper, error)
	// AdmitGuests has Docker's and ufw's rules let exactly these networks'
	// guests through, and names those of the chains that are dealt with so, or
	// will be (admit.ErrBusy).
	AdmitGuests(ctx context.Context, networks []admit.Network) ([]string, error)
	// OthersChanged signals that such rules may be gone. The channel closes
	// when ctx ends.
	OthersChanged(ctx context.Context) (<-chan struct{}, error)
	// RulesChanged signals that another program changed our rules, and
	// LinksChanged that links or their addresses are not as they were. The
	// channels close when ctx ends.
	RulesChanged(ctx context.Context) (<-chan struct{}, error)
	LinksChanged(ctx context.Context) (<-chan bridge.Event, error)
	Close() error
}

// kernel is the Host that we run on.
type kernel struct {
	links  *bridge.Conn
	rules  *nat.Conn
	guard  *nat.Guard // nil: the kernel has none
	others *admit.Conn
}

// OpenKernel returns the Host of the calling thread's network namespace. log
// takes what changes on the host beside our own links.
func OpenKernel(log *slog.Logger) (Host, error) {
	links, err := bridge.Open()
	if err != nil {
		return nil, err
	}
	links.Log = log
	rules, err := nat.Open()
	if err != nil {
		links.Close()
		return nil, err
	}
	others, err := admit.Open(admit.UFWLock)
	if err != nil {
		links.Close()
		rules.Close()
		return nil, err
	}
	// A kernel without tables for bridges runs networks all the same.
	guard, err := nat.OpenGuard()
	if err != nil {
		log.Warn("ports cannot be held to their own addresses", "err", err)
		guard = nil
	}
	return &kernel{links: links, rules: rules, guard: guard, others: others}, nil
}

func (k *kernel) Observe(ctx context.Context) (bridge.Host, error) { return k.links.Observe(ctx) }

func (k *kernel) FDB(ctx context.Context, link string) ([]bridge.FDBEntry, error) {
	return k.links.FDB(ctx, link)
}

func (k *kernel) ApplyBridge(ctx context.Context, want bridge.Config) error {
	return k.links.Apply(ctx, want)
}

func (k *kernel) ClaimBridge(ctx context.Context, name, owner string) error {
	err := k.links.Claim(ctx, name, owner)
	if errors.Is(err, bridge.ErrLinkNotFound) {
		return nil
	}
	return err
}

func (k *kernel) TuneBridge(ctx context.Context, want bridge.Tuning) error {
	return k.links.Tune(ctx, want)
}

func (k *kernel) SetFloors(ctx context.Context, link string, limit bridge.Rate, floors []bridge.Floor) error {
	return k.links.SetFloors(ctx, link, limit, floors)
}

func (k *kernel) RemoveBridge(ctx context.Context, name, owner string) error {
	return k.links.Remove(ctx, name, owner)
}

func (k *kernel) ApplyRules(ctx context.Context, want nat.Ruleset) error {
	return k.rules.Apply(ctx, want)
}

func (k *kernel) MakePort(ctx context.Context, want bridge.PortLink) error {
	return k.links.MakePort(ctx, want)
}

func (k *kernel) ApplyPort(ctx context.Context, want bridge.PortLink) error {
	return k.links.ApplyPort(ctx, want)
}

func (k *kernel) RemovePort(ctx context.Context, want bridge.PortLink) error {
	return k.links.RemovePort(ctx, want)
}

func (k *kernel) Tap(ctx context.Context, name string) (bridge.TapInfo, error) {
	return k.links.Tap(ctx, name)
}

func (k *kernel) ApplyGuards(ctx context.Context, want nat.Guards) error {
	switch {
	case k.guard != nil:
		return k.guard.Apply(ctx, want)
	case len(want) > 0:
		return fmt.Errorf("hold ports to their own addresses: %w nftables for bridges", bridge.ErrNotInKernel)
	}
	return nil
}

func (k *kernel) Translated(ctx context.Context, from []netip.Prefix) ([]nat.Flow, error) {
	return k.rules.Translated(ctx, from)
}

func (k *kernel) Kept(ctx context.Context, id, name string) (bool, error) {
	return k.rules.Kept(ctx, id, name)
}

func (k *kernel) ListenDHCP4(link string, server netip.Addr) (*dhcpd.Conn4, error) {
	return dhcpd.Listen4(link, server)
}

func (k *kernel) ListenDHCP6(link string, server netip.Addr) (*dhcpd.Conn6, error) {
	return dhcpd.Listen6(link, server)
}

func (k *kernel) ListenDNS(link string, addr netip.Addr) (net.PacketConn, net.Listener, error) {
	return dns.Listen(link, addr)
}

func (k *kernel) ListenRA(link string) (*radv.Conn, error) { return radv.Listen(link) }

func (k *kernel) ListenNeighbours(link string) (*neighbour.Conn, error) {
	return neighbour.Listen(link)
}

func (k *kernel) ListenTFTP(link string, addr netip.Addr) (*tftp.Conn, error) {
	return tftp.Listen(link, addr)
}

func (k *kernel) Droppers(ctx context.Context) ([]nat.Dropper, error) { return k.rules.Droppers(ctx) }

func (k *kernel) AdmitGuests(ctx context.Context, networks []admit.Network) ([]string, error) {
	return k.others.Apply(ctx, networks)
}

func (k *kernel) OthersChanged(ctx context.Context) (<-chan struct{}, error) {
	return k.others.Monitor(ctx)
}

func (k *kernel) RulesChanged(ctx context.Context) (<-chan struct{}, error) {
	rules, err := k.rules.Monitor(ctx)
	if err != nil {
		return nil, err
	}
	if k.guard == nil {
		return rules, nil
	}
	guards, err := k.guard.Monitor(ctx)
	if err != nil {
		return nil, err
	}
	return either(rules, guards), nil
}

// either signals when one of two does, and closes when both are closed.
func either(a, b <-chan struct{}) <-chan struct{} {
	out := make(chan struct{}, 1)
	go func() {
		defer close(out)
		for a != nil || b != nil {
			var ok bool
			select {
			case _, ok = <-a:
				if !ok {
					a = nil
				}
			case _, ok = <-b:
				if !ok {
					b = nil
				}
			}
			if !ok {
				continue
			}
			select {
			case out <- struct{}{}:
			default: // the last signal has not been taken yet
			}
		}
	}()
	return out
}

func (k *kernel) LinksChanged(ctx context.Context) (<-chan bridge.Event, error) {
	return k.links.Events(ctx)
}

func (k *kernel) Close() error {
	errs := []error{k.links.Close(), k.rules.Close(), k.others.Close()}
	if k.guard != nil {
		errs = append(errs, k.guard.Close())
	}
	return errors.Join(errs...)
}
