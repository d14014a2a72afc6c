package domain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/digitalocean/go-libvirt"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// FacadeNamespace marks a libvirt network as a facade of ours, in its
// <metadata>. One without the mark is never touched.
const FacadeNamespace = "https://vnetmgr.org/xmlns/facade/1"

const facadeMark = `<vnetmgr:facade xmlns:vnetmgr="` + FacadeNamespace + `"/>`

// Network is what a facade shows of one of our networks.
type Network struct {
	Name      string
	UUID      xmlnet.UUID
	Bridge    string // "" if it has none
	Active    bool
	Autostart bool
	// Persistent says that the network can be started when it is not active.
	Persistent bool
}

// Networks are our networks.
type Networks interface {
	// List is asked often and must be cheap.
	List() []Network
	// XML is the definition in force.
	XML(id xmlnet.UUID) (string, error)
	Start(ctx context.Context, id xmlnet.UUID) error
	Destroy(ctx context.Context, id xmlnet.UUID) error
	SetAutostart(ctx context.Context, id xmlnet.UUID, on bool) error
	Define(ctx context.Context, doc string) (xmlnet.UUID, error)
	Undefine(ctx context.Context, id xmlnet.UUID) error
	// ImportLeases takes in the leases of a lease file as libvirt keeps them.
	ImportLeases(id xmlnet.UUID, path string) error
}

// facadeXML returns the definition of the facade of a network whose own is
// doc. The bare form lacks what some versions of libvirt refuse to a bridge
// that is not theirs: bandwidth and VLANs of portgroups.
func facadeXML(doc string, bare bool) (string, error) {
	n, _, err := xmlnet.Parse([]byte(doc))
	if err != nil {
		return "", err
	}
	f := xmlnet.Network{
		Name: n.Name, UUID: n.UUID, Title: n.Title, Description: n.Description,
		Metadata: append(slices.Clone(n.Metadata), xmlnet.Metadata{Namespace: FacadeNamespace, XML: facadeMark}),
		Forward:  xmlnet.Forward{Mode: xmlnet.BridgeMode},
		Bridge:   xmlnet.Bridge{Name: n.Bridge.Name, MACTableManager: n.Bridge.MACTableManager},
		Isolated: n.Isolated, TrustGuestRxFilters: n.TrustGuestRxFilters,
		PortGroups: slices.Clone(n.PortGroups),
	}
	if bare {
		f.Isolated, f.TrustGuestRxFilters = xmlnet.Unset, xmlnet.Unset
		for i, g := range f.PortGroups {
			f.PortGroups[i] = xmlnet.PortGroup{Name: g.Name, Default: g.Default}
		}
	}
	return string(f.Format(xmlnet.FormatOptions{Inactive: true})), nil
}

// isFacade reports whether a libvirt network's XML bears our mark.
func isFacade(doc string) bool {
	return strings.Contains(doc, `"`+FacadeNamespace+`"`) || strings.Contains(doc, `'`+FacadeNamespace+`'`)
}

// shown is a network of libvirt's as it was seen last.
type shown struct {
	net    libvirt.Network
	facade bool
	doc    string // as libvirt prints it

	active, autostart, persistent bool
}

// published is what we know of a facade that we keep.
type published struct {
	source string // the definition of our network that it was made from
	wanted string // the document that we gave
	got    string // what libvirt made of it
	// What our network and the facade agreed on last; not known before they
	// did.
	known, active             bool
	autostartKnown, autostart bool

	gone time.Time // since when libvirt does not have it, zero if it has
}

// mournTime is how long a facade that somebody undefined stays away: clients
// that watch libvirt, as virt-manager, must see it go to see it come back.
const mournTime = time.Second

// facades keeps the facades of all networks. It belongs to one goroutine.
type facades struct {
	log  *slog.Logger
	nets Networks
	seen map[xmlnet.UUID]*shown
	kept map[xmlnet.UUID]*published
	told map[string]string // by our network's name, what was last logged as wrong
	// later asks for a reconcile after that time.
	later func(time.Duration)
}

func newFacades(log *slog.Logger, nets Networks, later func(time.Duration)) *facades {
	f := &facades{log: log, nets: nets, later: later, told: make(map[string]string)}
	f.forget()
	return f
}

// forget begins anew, after a time without libvirt: what our networks are
// counts then, whatever became of the facades.
func (f *facades) forget() {
	f.seen = make(map[xmlnet.UUID]*shown)
	f.kept = make(map[xmlnet.UUID]*published)
}

// changed says that libvirt's network is not what it was.
func (f *facades) changed(id xmlnet.UUID) { delete(f.seen, id) }

// reconcile makes the facades show what our networks are, and our networks
// follow what somebody did to a facade since. An error is libvirt's end;
// refusals are logged.
func (f *facades) reconcile(ctx context.Context, s *session) error {
	if err := f.look(ctx, s); err != nil {
		return fmt.Errorf("list libvirt's networks: %w", err)
	}
	ours := f.nets.List()
	if err := f.removeSurplus(ctx, s, ours); err != nil {
		return err
	}
	for _, n := range ours {
		if n.Bridge == "" {
			continue
		}
		if err := f.keep(ctx, s, n); err != nil {
			if !isRefusal(err) {
				return err
			}
			f.tell(n.Name, "facade of the network is not kept", err.Error())
		}
	}
	return nil
}

// isRefusal tells an answer of libvirt's from the end of the connection.
func isRefusal(err error) bool {
	var remote libvirt.Error
	return errors.As(err, &remote)
}

// tell logs something about a network once, until it is something else.
func (f *facades) tell(name, what, why string) {
	if f.told[name] != why {
		f.told[name] = why
		f.log.Warn(what, "network", name, "err", why)
	}
}

// look reads libvirt's networks: three lists, and the XML of those that are
// new or changed.
func (f *facades) look(ctx context.Context, s *session) error {
	all, err := s.networks(ctx, 0)
	if err != nil {
		return err
	}
	seen := make(map[xmlnet.UUID]*shown, len(all))
	for _, n := range all {
		id := xmlnet.UUID(n.UUID)
		w := f.seen[id]
		if w == nil || w.net.Name != n.Name {
			doc, err := s.networkXML(ctx, n)
			if hasCode(err, libvirt.ErrNoNetwork) {
				continue
			}
			if err != nil {
				return err
			}
			w = &shown{net: n, doc: doc, facade: isFacade(doc)}
		}
		w.active, w.autostart, w.persistent = false, false, false
		seen[id] = w
	}
	f.seen = seen
	return f.lookStates(ctx, s)
}

func (f *facades) lookStates(ctx context.Context, s *session) error {
	for flags, set := range map[libvirt.ConnectListAllNetworksFlags]func(*shown){
		libvirt.ConnectListNetworksActive:     func(w *shown) { w.active = true },
		libvirt.ConnectListNetworksPersistent: func(w *shown) { w.persistent = true },
		libvirt.ConnectListNetworksAutostart:  func(w *shown) { w.autostart = true },
	} {
		some, err := s.networks(ctx, flags)
		if err != nil {
			return err
		}
		for _, n := range some {
			if w := f.seen[xmlnet.UUID(n.UUID)]; w != nil {
				set(w)
			}
		}
	}
	return nil
}

// named finds a network of libvirt's by name.
func (f *facades) named(name string) *shown {
	for _, w := range f.seen {
		if w.net.Name == name {
			return w
		}
	}
	return nil
}

// removeSurplus removes facades of networks that are gone.
func (f *facades) removeSurplus(ctx context.Context, s *session, ours []Network) error {
	wanted := make(map[xmlnet.UUID]string, len(ours))
	for _, n := range ours {
		if n.Bridge != "" {
			wanted[n.UUID] = n.Name
		}
	}
	for id, w := range f.seen {
		if !w.facade || wanted[id] == w.net.Name {
			continue
		}
		if err := f.remove(ctx, s, w); err != nil {
			return err
		}
		delete(f.seen, id)
		delete(f.kept, id)
		f.log.Info("facade removed", "network", w.net.Name)
	}
	return nil
}

func (f *facades) remove(ctx context.Context, s *session, w *shown) error {
	if w.active {
		err := s.do(ctx, func() error { return s.virt.NetworkDestroy(w.net) })
		if err != nil && !isRefusal(err) {
			return err
		}
	}
	if w.persistent {
		err := s.do(ctx, func() error { return s.virt.NetworkUndefine(w.net) })
		if err != nil && !isRefusal(err) {
			return err
		}
	}
	return nil
}
