// Package domain is a client of one libvirt on this host. It follows which
// domains have interfaces on which links, puts them back on a bridge that was
// made anew, and keeps facades: libvirt networks of the same name for ours,
// so that a libvirtd with a network driver of its own uses our bridges.
//
// libvirt may be absent, hang or restart. Nothing of ours waits for it.
package domain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/digitalocean/go-libvirt"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Config says which libvirt to follow and what for.
type Config struct {
	// URI is a driver and optionally its socket: qemu:///system,
	// qemu:///system?socket=/run/libvirt/libvirt-sock. Without a socket it is
	// virtqemud's in Dir where there is one, else libvirtd's.
	URI string
	Dir string // of libvirt's sockets, /run/libvirt
	// Facades asks for facades. A modular libvirt, which asks us for
	// networks, gets none.
	Facades bool
	// AdoptNew takes over networks that somebody makes in libvirt's own driver
	// while it is followed.
	AdoptNew bool
	// Timeout bounds each call; 0 is 10 s.
	Timeout time.Duration
	// Attach makes links ports of a bridge that they were ports of. It may be
	// called from several goroutines.
	Attach func(ctx context.Context, bridge string, links []Interface) error
	// Changed is told the interfaces of all active domains when they may not
	// be what they were; nil tells nobody.
	Changed func(all []Interface)
	// StatusDir has the lease files that libvirt and we keep alike, KeepDir
	// the definitions of adopted networks.
	StatusDir, KeepDir string
}

// How often a libvirt that is not there is tried again, and how often what
// has no events is looked at.
const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 30 * time.Second
	relist     = 30 * time.Second
)

// Follower follows one libvirt.
type Follower struct {
	cfg     Config
	log     *slog.Logger
	nets    Networks
	work    sync.Mutex // held by who changes libvirt; guards facades
	facades *facades
	// newcomers is guarded by work, as facades is.
	newcomers *newcomers
	wake      chan struct{} // holds one token while there may be work

	mu       sync.Mutex // guards what follows
	byDomain map[xmlnet.UUID][]Interface
	dirty    map[event]struct{} // domains and networks of libvirt's to look at
	netsDue  bool               // our networks are to be looked at
}

// New returns a Follower. It does nothing until Run.
func New(log *slog.Logger, nets Networks, cfg Config) *Follower {
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	f := &Follower{
		cfg: cfg, log: log, nets: nets,
		newcomers: newNewcomers(log, cfg.AdoptNew),
		wake:      make(chan struct{}, 1),
		byDomain:  make(map[xmlnet.UUID][]Interface),
	}
	f.facades = newFacades(log, nets, func(d time.Duration) { time.AfterFunc(d, f.NetworksChanged) })
	return f
}

// Interfaces returns the interfaces of all active domains, by domain name. It
// is what was known last while libvirt is away.
func (f *Follower) Interfaces() []Interface {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []Interface
	for _, i := range f.byDomain {
		all = append(all, i...)
	}
	slices.SortFunc(all, func(a, b Interface) int {
		return strings.Compare(a.Domain+"\x00"+a.Target, b.Domain+"\x00"+b.Target)
	})
	return all
}

// NetworksChanged says that something about our networks is not as it was.
func (f *Follower) NetworksChanged() {
	f.mu.Lock()
	f.netsDue = true
	f.mu.Unlock()
	f.poke()
}

func (f *Follower) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// hear notes an event; it comes from the connection's reader and must not
// block.
func (f *Follower) hear(e event) {
	f.mu.Lock()
	f.dirty[e] = struct{}{}
	f.mu.Unlock()
	f.poke()
}

// Run follows libvirt until ctx ends. While there is none it looks again, at
// first soon, then every 30 s.
func (f *Follower) Run(ctx context.Context) error {
	wait, told := firstRetry, false
	for ctx.Err() == nil {
		began := time.Now()
		err := f.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > time.Minute {
			wait, told = firstRetry, false
		}
		f.report(err, &told)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		wait = min(2*wait, lastRetry)
	}
	return nil
}

// report logs why a session ended: an absent libvirt is no news, and one that
// stays broken is told once.
func (f *Follower) report(err error, told *bool) {
	if errors.Is(err, os.ErrNotExist) || *told {
		f.log.Debug("libvirt is not followed", "uri", f.cfg.URI, "err", err)
		return
	}
	*told = true
	f.log.Info("libvirt is not followed, trying on", "uri", f.cfg.URI, "err", err)
}

// session follows libvirt by one connection until it ends.
func (f *Follower) session(ctx context.Context) error {
	driver, socket, err := f.cfg.target()
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.dirty = make(map[event]struct{})
	f.mu.Unlock()
	s, err := connect(ctx, socket, driver, f.cfg.Timeout, f.hear)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.subscribe(ctx); err != nil {
		return err
	}
	if err := f.list(ctx, s); err != nil {
		return err
	}
	f.log.Info("following libvirt", "uri", f.cfg.URI, "socket", socket)
	f.Reattach(ctx, "")
	keepFacades := f.cfg.Facades && !isModular(socket)
	f.work.Lock()
	f.facades.forget()
	f.work.Unlock()
	return f.loop(ctx, s, keepFacades)
}

// loop works off events until the connection ends.
func (f *Follower) loop(ctx context.Context, s *session, keepFacades bool) error {
	ticker := time.NewTicker(relist)
	defer ticker.Stop()
	networks := true
	for {
		if err := f.catchUp(ctx, s, networks, keepFacades); err != nil {
			return err
		}
		networks = false
		f.work.Lock()
		settled := f.newcomers.next(time.Now())
		f.work.Unlock()
		select {
		case <-f.wake:
		case <-settled:
			f.adoptNewcomers(ctx)
		case <-ticker.C:
			// Not all that a domain's interface becomes has an event, as its
			// move to another network.
			if err := f.list(ctx, s); err != nil {
				return err
			}
			networks = true
		case <-s.link.done:
			return errors.New("libvirt closed the connection")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// catchUp does what is due, and with networks compares facades in any case.
func (f *Follower) catchUp(ctx context.Context, s *session, networks, keepFacades bool) error {
	f.work.Lock()
	defer f.work.Unlock()
	due, err := f.refresh(ctx, s)
	if err != nil || !keepFacades || !networks && !due {
		return err
	}
	err = f.facades.reconcile(ctx, s)
	f.newcomers.meet(f.facades.seen, time.Now())
	return err
}

// list reads the interfaces of all active domains.
func (f *Follower) list(ctx context.Context, s *session) error {
	active, err := s.activeDomains(ctx)
	if err != nil {
		return fmt.Errorf("list domains: %w", err)
	}
	known := make(map[xmlnet.UUID][]Interface, len(active))
	for _, d := range active {
		interfaces, err := f.interfaces(ctx, s, d)
		if err != nil {
			return err
		}
		known[xmlnet.UUID(d.UUID)] = interfaces
	}
	f.mu.Lock()
	f.byDomain = known
	f.mu.Unlock()
	f.tellChanged()
	return nil
}

func (f *Follower) tellChanged() {
	if f.cfg.Changed != nil {
		f.cfg.Changed(f.Interfaces())
	}
}

// interfaces reads those of one domain, none if it is gone. XML that can't be
// read is logged: it is no reason to leave the others.
func (f *Follower) interfaces(ctx context.Context, s *session, d libvirt.Domain) ([]Interface, error) {
	doc, err := s.domainXML(ctx, d)
	if hasCode(err, libvirt.ErrNoDomain) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read domain %s: %w", d.Name, err)
	}
	all, err := parseInterfaces(doc)
	if err != nil {
		f.log.Warn("domain is not followed", "domain", d.Name, "err", err)
	}
	return all, nil
}

// refresh looks at what events were about, and says whether networks are to
// be compared.
func (f *Follower) refresh(ctx context.Context, s *session) (networks bool, err error) {
	f.mu.Lock()
	dirty, networks := f.dirty, f.netsDue
	f.dirty, f.netsDue = make(map[event]struct{}), false
	f.mu.Unlock()
	domains := false
	for e := range dirty {
		if e.network {
			networks = true
			f.facades.changed(e.uuid)
			f.newcomers.touched(e.uuid, time.Now())
			continue
		}
		domains = true
		interfaces, err := f.interfaces(ctx, s, libvirt.Domain{Name: e.name, UUID: e.uuid, ID: -1})
		if err != nil {
			return networks, err
		}
		f.mu.Lock()
		if hasLinks(interfaces) {
			f.byDomain[e.uuid] = interfaces
		} else {
			delete(f.byDomain, e.uuid)
		}
		f.mu.Unlock()
	}
	if domains {
		f.tellChanged()
	}
	return networks, nil
}

// hasLinks tells an active domain's interfaces from those of one that is
// switched off.
func hasLinks(all []Interface) bool {
	return slices.ContainsFunc(all, func(i Interface) bool { return i.Target != "" })
}

// Reattach puts the links of active domains back on the bridge of that name,
// or on all of ours if it is empty. It asks libvirt nothing.
func (f *Follower) Reattach(ctx context.Context, bridge string) {
	for _, n := range f.nets.List() {
		if !n.Active || n.Bridge == "" || bridge != "" && n.Bridge != bridge {
			continue
		}
		links := f.linksOf(n.Name, n.Bridge)
		if len(links) == 0 {
			continue
		}
		if err := f.cfg.Attach(ctx, n.Bridge, links); err != nil && ctx.Err() == nil {
			f.log.Warn("put domains back on their network", "network", n.Name, "err", err)
		}
	}
}

// linksOf are the links of domains on a network, or by no network's name on
// its bridge.
func (f *Follower) linksOf(network, bridge string) (links []Interface) {
	for _, i := range f.Interfaces() {
		if i.Target != "" && (i.Network == network || i.Network == "" && i.Bridge == bridge) {
			links = append(links, i)
		}
	}
	return links
}

// target is the driver and the socket that the URI means.
func (c Config) target() (driver, socket string, err error) {
	u, err := url.Parse(c.URI)
	if err != nil || u.Scheme == "" || u.Host != "" || strings.Contains(u.Scheme, "+") && !strings.HasSuffix(u.Scheme, "+unix") {
		return "", "", fmt.Errorf("libvirt URI %q: want a driver of this host, as qemu:///system", c.URI)
	}
	socket = u.Query().Get("socket")
	if socket == "" {
		socket = filepath.Join(c.Dir, "libvirt-sock")
		if modular := filepath.Join(c.Dir, "virtqemud-sock"); exists(modular) {
			socket = modular
		}
	}
	return strings.TrimSuffix(u.Scheme, "+unix") + "://" + u.Path, socket, nil
}

// isModular reports whether the daemon at socket has no network driver of its
// own.
func isModular(socket string) bool { return filepath.Base(socket) == "virtqemud-sock" }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
