package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/nat"
	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// AttachRequest asks for a guest's link to be a port of a network: for a tap,
// or with a namespace for a link into that.
type AttachRequest struct {
	// Caller is who asks: root, or an owner of what is attached.
	Caller uint32

	Link string // "" is one of our choice
	// Existing takes the tap that has the name Link, rather than to make it.
	Existing bool
	// User and Group may open the tap; both nil is the caller.
	User, Group         *uint32
	MultiQueue, VNetHdr bool

	// Netns is a namespace's name, a process in it or its file; "" is none.
	Netns     string
	GuestLink string // in the namespace; "" is eth0

	MAC net.HardwareAddr // nil is a random one
	// Addr and Addr6 are kept for the guest. Without Addr a free one is chosen
	// where the network has DHCP, unless NoAddr is set.
	Addr, Addr6 netip.Addr
	NoAddr      bool
	Name        string // host name
	// NameIfFree leaves the name out if another has it, which is refused else.
	NameIfFree bool

	MACRule, Isolated bool
	PortGroup         string
	Bandwidth         *xmlnet.Bandwidth
	// Key is what the caller calls it, so that asking twice is asking once.
	Key string
}

// AttachedLink is an Attachment with what its guest needs to know.
type AttachedLink struct {
	port.Attachment
	On     Ref
	Bridge string
	MTU    int
	// Addrs are the guest's, with the lengths of their subnets.
	Addrs []netip.Prefix
	// Gateways and Resolvers are our addresses that serve as such, those of
	// IPv4 first.
	Gateways, Resolvers []netip.Addr
	Domain              string
	// Known tells that it was attached before.
	Known bool
}

// attachments are all attached links by the UUIDs of their ports. Manager.mu
// guards it, and writers hold Manager.change as well. What it points to is
// never changed.
type attachments map[xmlnet.UUID]*port.Attachment

// of returns those of a network, sorted by link.
func (all attachments) of(network xmlnet.UUID) []*port.Attachment {
	var some []*port.Attachment
	for _, a := range all {
		if a.Network == network {
			some = append(some, a)
		}
	}
	slices.SortFunc(some, func(a, b *port.Attachment) int { return cmp.Compare(a.Link, b.Link) })
	return some
}

// find returns one that meets a condition, nil if there is none.
func (all attachments) find(is func(*port.Attachment) bool) *port.Attachment {
	for _, a := range all {
		if is(a) {
			return a
		}
	}
	return nil
}

// setAttached notes a, or with nil that there is none of that port any more.
func (m *Manager) setAttached(id xmlnet.UUID, a *port.Attachment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := maps.Clone(m.attached)
	if next == nil {
		next = make(attachments)
	}
	if a == nil {
		delete(next, id)
	} else {
		next[id] = a
	}
	m.attached = next
}

// attachedNow is the set at this moment, which never changes.
func (m *Manager) attachedNow() attachments {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.attached
}

// makePlan plans n with what is attached to it.
func (m *Manager) makePlan(n *xmlnet.Network, have bridge.Host) (*plan.Plan, error) {
	p, err := m.planDefined(n, have)
	if err != nil {
		return nil, err
	}
	var all []port.Attachment
	for _, a := range m.attachedNow().of(n.UUID) {
		all = append(all, plan.AttachedOn(n, a))
	}
	p.AddAttached(all)
	return p, nil
}

// replanAttached has the servers of an active network know what is attached to
// it; m.change is held.
func (m *Manager) replanAttached(e *entry) error {
	p, err := m.makePlan(e.live, bridge.Host{})
	if err != nil {
		return err
	}
	if e.services != nil {
		// No part is new, so this opens no sockets.
		if err := e.services.change(p, e.services.startLater); err != nil {
			return err
		}
	}
	m.mu.Lock()
	e.plan = p
	m.mu.Unlock()
	return nil
}

// applyGuards makes the rules for ports those of all active networks; m.change
// is held.
func (m *Manager) applyGuards(ctx context.Context) error {
	var guards nat.Guards
	for _, a := range m.attachedNow() {
		if e := m.byID[a.Network]; e != nil && e.live != nil && a.MACRule {
			guards = append(guards, plan.GuardPort(e.live, a))
		}
	}
	return m.host.ApplyGuards(ctx, guards)
}

// AttachedLinks lists what is attached to a network, sorted by link; it need not be
// active.
func (m *Manager) AttachedLinks(ctx context.Context, id xmlnet.UUID) ([]AttachedLink, error) {
	m.mu.RLock()
	e, err := m.lookup(id)
	if err != nil {
		m.mu.RUnlock()
		return nil, err
	}
	n, some := e.current(), m.attached.of(id)
	m.mu.RUnlock()
	have, err := m.host.Observe(ctx)
	if err != nil {
		return nil, fmt.Errorf("observe the host: %w", err)
	}
	list := make([]AttachedLink, 0, len(some))
	for _, a := range some {
		list = append(list, describe(n, a, have))
	}
	return list, nil
}

// describe adds to a what n has for it.
func describe(n *xmlnet.Network, a *port.Attachment, have bridge.Host) AttachedLink {
	d := AttachedLink{
		Attachment: *a, On: Ref{Name: n.Name, UUID: n.UUID}, Bridge: n.Bridge.Name, MTU: int(n.MTU), Domain: n.Domain.Name,
	}
	for _, l := range have.Links {
		if d.MTU == 0 && l.Name == n.Bridge.Name {
			d.MTU = l.MTU
		}
	}
	for _, addr := range []netip.Addr{a.Addr, a.Addr6} {
		ours := plan.Subnet(n, addr)
		if !ours.IsValid() {
			continue
		}
		d.Addrs = append(d.Addrs, netip.PrefixFrom(addr, ours.Bits()))
		if n.Forward.Mode != xmlnet.Isolated {
			d.Gateways = append(d.Gateways, ours.Addr())
		}
		if n.DNS.Enable != xmlnet.No {
			d.Resolvers = append(d.Resolvers, ours.Addr())
		}
	}
	return d
}

// loadAttached reads what is attached; m.change is held, and the networks are
// loaded. What belongs to networks that are gone is removed.
func (m *Manager) loadAttached(ctx context.Context) {
	found, err := m.cfg.Dir.Attachments()
	if err != nil {
		m.log.Error("some attached links are not known any more", "err", err)
	}
	for _, a := range found {
		if m.byID[a.Network] != nil {
			m.setAttached(a.UUID, &a)
			continue
		}
		err := errors.Join(m.removeLink(ctx, &a, ""), m.cfg.Dir.RemoveAttachment(a.UUID))
		m.log.Warn("the network of an attached link is gone", "link", a.Link, "err", err)
	}
}
