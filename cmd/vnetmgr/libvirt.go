package main

import (
	"context"
	"log/slog"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/domain"
	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// newFollower returns the follower of the host's libvirt.
func newFollower(log *slog.Logger, s settings, manager *network.Manager, links *bridge.Conn) *domain.Follower {
	return domain.New(log, networks{manager}, domain.Config{
		URI: s.LibvirtURI, Dir: s.LibvirtDir, Facades: s.Facades, AdoptNew: s.AdoptNew,
		Attach: func(ctx context.Context, master string, all []domain.Interface) error {
			return manager.Exclusively(func() error { return links.PutBack(ctx, master, bridgePorts(all)) })
		},
		Changed:   func(all []domain.Interface) { manager.SetGuests(guests(all)) },
		StatusDir: s.DNSMasqDir,
		KeepDir:   filepath.Join(s.StateDir, "adopted"),
	})
}

func bridgePorts(all []domain.Interface) []bridge.Port {
	ports := make([]bridge.Port, len(all))
	for n, i := range all {
		ports[n] = bridge.Port{Link: i.Target, MAC: i.MAC, Isolated: i.Isolated}
	}
	return ports
}

func guests(all []domain.Interface) []network.Guest {
	list := make([]network.Guest, len(all))
	for n, i := range all {
		list[n] = network.Guest{
			Domain: i.Domain, DomainUUID: i.UUID, MAC: i.MAC, Link: i.Target,
			Network: i.Network, Bridge: i.Bridge, Port: i.Port, Isolated: i.Isolated,
		}
	}
	return list
}

// followLibvirt follows the host's libvirt until ctx ends: domains whose
// bridge was made anew are put back on it, and libvirt shows our networks.
// What goes wrong with libvirt is logged, and ends nothing of ours.
func followLibvirt(ctx context.Context, s settings, follower *domain.Follower, manager *network.Manager, links *bridge.Conn) error {
	if s.LibvirtURI == "" {
		return nil
	}
	if err := links.FollowPorts(ctx); err != nil {
		return err
	}
	changes, err := links.Events(ctx)
	if err != nil {
		return err
	}
	events, cancel := manager.Subscribe()
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return follower.Run(ctx) })
	group.Go(func() error {
		followBridges(ctx, follower, changes)
		return nil
	})
	group.Go(func() error {
		followNetworks(ctx, follower, manager, events)
		return nil
	})
	return group.Wait()
}

// followNetworks tells the follower of what happens to networks, until ctx
// ends. A network has its bridge before it counts as active, so that domains
// are put on it here.
func followNetworks(ctx context.Context, follower *domain.Follower, manager *network.Manager, events <-chan network.Event) {
	for {
		select {
		case e := <-events:
			if info, err := manager.LookupUUID(e.Network.UUID); err == nil && e.Kind == network.Started && info.Bridge != "" {
				follower.Reattach(ctx, info.Bridge)
			}
			follower.NetworksChanged()
		case <-ctx.Done():
			return
		}
	}
}

// followBridges puts domains back on bridges that come into being, until
// changes end.
func followBridges(ctx context.Context, follower *domain.Follower, changes <-chan bridge.Event) {
	present := make(map[string]bool)
	for e := range changes {
		switch {
		case e.Kind == bridge.EventsLost:
			clear(present)
			follower.Reattach(ctx, "")
		case e.Kind == bridge.LinkGone:
			delete(present, e.Link)
		case !present[e.Link]:
			present[e.Link] = true
			follower.Reattach(ctx, e.Link)
		}
	}
}

// networks shows the Manager's networks to package domain.
type networks struct{ manager *network.Manager }

func (n networks) List() []domain.Network {
	all := n.manager.List()
	list := make([]domain.Network, len(all))
	for i, info := range all {
		list[i] = domain.Network{
			Name: info.Name, UUID: info.UUID, Bridge: info.Bridge,
			Active: info.Active, Persistent: info.Persistent, Autostart: info.Autostart,
		}
	}
	return list
}

func (n networks) XML(id xmlnet.UUID) (string, error) { return n.manager.XML(id, false) }

func (n networks) Start(ctx context.Context, id xmlnet.UUID) error { return n.manager.Start(ctx, id) }

func (n networks) Destroy(ctx context.Context, id xmlnet.UUID) error {
	return n.manager.Destroy(ctx, id)
}

func (n networks) SetAutostart(ctx context.Context, id xmlnet.UUID, on bool) error {
	return n.manager.SetAutostart(ctx, id, on)
}

func (n networks) Define(ctx context.Context, doc string) (xmlnet.UUID, error) {
	ref, err := n.manager.Define(ctx, []byte(doc), false)
	return ref.UUID, err
}

func (n networks) Undefine(ctx context.Context, id xmlnet.UUID) error {
	return n.manager.Undefine(ctx, id)
}

func (n networks) ImportLeases(id xmlnet.UUID, path string) error {
	return n.manager.ImportLeases(id, path)
}
