package network

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// chooseAddr decides on the IPv4 address that is kept for the guest: the one it
// asks for, the one that the definition reserves for its MAC address, or a
// free one.
func (m *Manager) chooseAddr(e *entry, a *port.Attachment, req AttachRequest) error {
	a.Addr = req.Addr
	if a.Addr.IsValid() {
		return m.checkAddr(e, a, a.Addr)
	}
	if req.NoAddr || e.plan.DHCP4 == nil {
		return nil
	}
	for _, r := range e.plan.DHCP4.Reservations {
		if r.Addr.IsValid() && slices.Equal(r.MAC, a.MAC) {
			a.Addr = r.Addr
			return m.checkAddr(e, a, a.Addr)
		}
	}
	addr, ok := e.leases.Choose(lease.Client{MAC: a.MAC}, time.Now())
	if !ok {
		return invalid("network '%s' has no free address", e.live.Name)
	}
	a.Addr = addr
	return nil
}

// checkAddr6 is checkAddr for the IPv6 address, which is never chosen: guests
// make their own.
func (m *Manager) checkAddr6(e *entry, a *port.Attachment) error {
	if !a.Addr6.IsValid() {
		return nil
	}
	return m.checkAddr(e, a, a.Addr6)
}

// checkAddr refuses an address that is not for a guest of the network, or is
// another's.
func (m *Manager) checkAddr(e *entry, a *port.Attachment, addr netip.Addr) error {
	n := e.live
	ours := plan.Subnet(n, addr)
	switch {
	case !ours.IsValid():
		return invalidArg("address %s is in no subnet of network '%s'", addr, n.Name)
	case addr == ours.Addr():
		return invalidArg("address %s is the host's on network '%s'", addr, n.Name)
	case addr.Is4() && ours.Bits() < 31 && (addr == ours.Masked().Addr() || addr == broadcast(ours)):
		return invalidArg("address %s is that of the whole subnet %s", addr, ours.Masked())
	case addr.Is6() && ours.Bits() < 127 && addr == ours.Masked().Addr():
		return invalidArg("address %s is that of every router in %s", addr, ours.Masked()) // RFC 4291 §2.6.1
	}
	if other := m.attachedNow().find(func(o *port.Attachment) bool {
		return o.Network == n.UUID && (o.Addr == addr || o.Addr6 == addr)
	}); other != nil {
		return invalid("address %s is of the link '%s'", addr, other.Link)
	}
	for _, ip := range n.IPs {
		for _, h := range ip.Hosts {
			if h.Addr == addr && h.MAC != nil && !slices.Equal(h.MAC, a.MAC) {
				return invalid("address %s is reserved for %s", addr, h.MAC)
			}
		}
	}
	if l, held := e.leases.Lookup(addr); held && !slices.Equal(l.MAC, a.MAC) {
		return invalid("address %s is leased to %s", addr, l.MAC)
	}
	return nil
}

// broadcast is the last address of an IPv4 prefix.
func broadcast(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(b)
}

// checkName refuses a name that no host can have, or that another has.
func (m *Manager) checkName(e *entry, a *port.Attachment, req AttachRequest) error {
	if a.Name == "" {
		return nil
	}
	err := m.nameFree(e, a)
	if err != nil && req.NameIfFree {
		m.log.Warn("an attached link goes without its name", "network", e.live.Name, "link", a.Link, "err", err)
		a.Name = ""
		return nil
	}
	return err
}

func (m *Manager) nameFree(e *entry, a *port.Attachment) error {
	if !isLabel(a.Name) {
		return invalidArg("'%.80s' is not a host name without dots", a.Name)
	}
	taken := invalid("the name '%s' is another's on network '%s'", a.Name, e.live.Name)
	for _, o := range m.attachedNow().of(e.live.UUID) {
		if strings.EqualFold(o.Name, a.Name) {
			return taken
		}
	}
	if l, held := e.leases.LookupName(a.Name); held && !slices.Equal(l.MAC, a.MAC) {
		return taken
	}
	if e.services != nil && e.services.have.names != nil && e.services.have.names.forbidden(a.Name, a.Addr) {
		return taken
	}
	return nil
}

// keepAddrs has the address of a be its lease's, for ever, so that everybody
// sees it as taken. If its guest asked for it by DHCP, that lease is left. What
// is in no subnet of n, as the network is now, is not kept.
func (m *Manager) keepAddrs(e *entry, n *xmlnet.Network, a *port.Attachment) error {
	on := plan.AttachedOn(n, a)
	for _, addr := range []netip.Addr{a.Addr, a.Addr6} {
		if addr != on.Addr && addr != on.Addr6 {
			if err := e.release(a, addr); err != nil {
				return err
			}
		}
	}
	for _, l := range attachedLeases(&on) {
		have, held := e.leases.Lookup(l.Addr)
		if held && slices.Equal(have.MAC, a.MAC) {
			continue
		}
		done := make(chan error, 1)
		err := e.leases.Bind(l, func(err error) { done <- err })
		if errors.Is(err, lease.ErrTaken) {
			return invalid("address %s is another guest's", l.Addr)
		}
		if err == nil {
			err = <-done
		}
		if err != nil {
			return fmt.Errorf("keep address %s: %w", l.Addr, err)
		}
	}
	return nil
}

// attachedLeases are what a's guest holds without having asked. An IPv6 lease
// has a client identifier, which nobody knows of a guest that may ask itself.
func attachedLeases(a *port.Attachment) []lease.Lease {
	var all []lease.Lease
	if a.Addr.IsValid() {
		all = append(all, lease.Lease{Addr: a.Addr, MAC: a.MAC, Hostname: a.Name, Start: time.Now()})
	}
	if a.Addr6.IsValid() && a.Static() {
		// DUID-LL (RFC 8415 §11.4), as if it had asked.
		duid := append([]byte{0, 3, 0, 1}, a.MAC...)
		all = append(all, lease.Lease{Addr: a.Addr6, MAC: a.MAC, ClientID: duid, Hostname: a.Name, Start: time.Now()})
	}
	return all
}

// releaseAddrs ends the leases of a.
func (m *Manager) releaseAddrs(e *entry, a *port.Attachment) error {
	return errors.Join(e.release(a, a.Addr), e.release(a, a.Addr6))
}

// release ends the lease of an address if it is a's, and waits until it is seen
// to be ended.
func (e *entry) release(a *port.Attachment, addr netip.Addr) error {
	l, held := e.leases.Lookup(addr)
	if !addr.IsValid() || !held || !slices.Equal(l.MAC, a.MAC) {
		return nil
	}
	done := make(chan error, 1)
	if e.leases.Release(addr, func(err error) { done <- err }) {
		return <-done
	}
	return nil
}

// attachedAt finds what is attached to a network with an address.
func (m *Manager) attachedAt(network xmlnet.UUID, addr netip.Addr) *port.Attachment {
	return m.attachedNow().find(func(a *port.Attachment) bool {
		return a.Network == network && (a.Addr == addr || a.Addr6 == addr)
	})
}
