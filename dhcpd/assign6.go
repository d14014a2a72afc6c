package dhcpd

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/vnetmgr/vnetmgr/lease"
)

// names tells whether the client named an address in the association.
func (ia *ia6) names(a netip.Addr) bool {
	return slices.ContainsFunc(ia.hints, func(h hint6) bool { return h.addr == a })
}

// want is what lifetimes the client would like for an address.
func (ia *ia6) want(a netip.Addr) times6 {
	for _, h := range ia.hints {
		if h.addr == a {
			return h.want
		}
	}
	return times6{}
}

// assign offers or gives an address for each association, and returns the
// options that say so. There are neither prefixes nor temporary addresses:
// the latter a guest makes itself (RFC 8981).
func (c *conversation6) assign(kind changeKind) options6 {
	var o options6
	for i := range c.ias {
		ia := &c.ias[i]
		switch a, unproven, ok := c.addrFor(ia); {
		case ia.kind == dhcpv6.OptionIAPD:
			c.refuse(&o, ia, iana.StatusNoPrefixAvail, "no prefix available")
		case ia.kind == dhcpv6.OptionIATA:
			c.refuse(&o, ia, iana.StatusNoAddrsAvail, "no temporary addresses")
		case c.kind == dhcpv6.MessageTypeRequest && c.hasForeign(ia):
			c.refuse(&o, ia, iana.StatusNotOnLink, "not on link")
		case !ok:
			c.short = true
			c.refuse(&o, ia, iana.StatusNoAddrsAvail, "no addresses available")
		default:
			c.give(&o, ia, a, change4{kind: kind, unproven: unproven})
		}
	}
	return o
}

// addrFor finds the address for an association: the client's reservation, its
// lease, one that it asks for, or one that the table chooses. unproven tells
// that somebody without a lease may be using it.
func (c *conversation6) addrFor(ia *ia6) (a netip.Addr, unproven, ok bool) {
	if ia.kind != dhcpv6.OptionIANA {
		return netip.Addr{}, false, false
	}
	if a, unproven, ok := c.addrToKeep(ia); ok {
		return a, unproven, true
	}
	if _, ok := c.formerSelf(); ok && !slices.Contains(c.given, c.res.Addr) {
		return c.res.Addr, false, true
	}
	a, ok = c.leases.Choose6(c.client(ia), c.now, c.given)
	return a, true, ok
}

// addrToKeep is addrFor without the table's choice.
func (c *conversation6) addrToKeep(ia *ia6) (a netip.Addr, unproven, ok bool) {
	if ia.kind != dhcpv6.OptionIANA {
		return netip.Addr{}, false, false
	}
	if c.res.hasAddr() && c.res.Addr != c.addr && c.free(c.res.Addr, ia) {
		return c.res.Addr, false, true
	}
	if l, ok := c.leases.LookupClient(c.client(ia)); ok && c.dynamic(l.Addr) && c.free(l.Addr, ia) {
		return l.Addr, false, true
	}
	for _, h := range ia.hints {
		if c.dynamic(h.addr) && c.free(h.addr, ia) {
			return h.addr, true, true
		}
	}
	return netip.Addr{}, false, false
}

// formerSelf returns the lease of the client's reserved address that it has
// under another DUID or IAID, as its boot ROM has: the reservation is for the
// guest, whatever it calls itself.
func (c *conversation6) formerSelf() (lease.Lease, bool) {
	if !c.res.hasAddr() || c.res.Addr == c.addr {
		return lease.Lease{}, false
	}
	l, ok := c.leases.Lookup(c.res.Addr)
	return l, ok && (!c.clone && bytes.Equal(l.ClientID, c.clientID) || len(c.mac) > 0 && bytes.Equal(l.MAC, c.mac))
}

// free tells whether an association may have an address.
func (c *conversation6) free(a netip.Addr, ia *ia6) bool {
	return !slices.Contains(c.given, a) && c.leases.Available(a, c.client(ia), c.now)
}

// hasForeign tells whether the client names an address of another link.
func (c *conversation6) hasForeign(ia *ia6) bool {
	return slices.ContainsFunc(ia.hints, func(h hint6) bool { return !c.subnet.Contains(h.addr) })
}

// give puts an association with its address, and with lifetimes of zero every
// other that the client named: it is to stop using those.
func (c *conversation6) give(o *options6, ia *ia6, a netip.Addr, as change4) {
	t := c.times(c.res, a, ia.want(a))
	l := c.leaseOf(ia)
	l.Addr, l.ServerDUID, l.Start = a, c.DUID, c.now
	if old, ok := c.leases.LookupClient(c.client(ia)); ok && old.Addr == a {
		l.Start, l.Hostname = old.Start, old.Hostname
	}
	if t.valid != forever {
		l.Expiry = c.now.Add(t.valid)
	}
	if len(c.given) == 0 {
		if name := c.hostname(c.request6, c.res); name != "" {
			l.Hostname = name
		}
		if (c.res == nil || c.res.Name == "") && nameHeld(c.leases, l) {
			l.Hostname = ""
		}
		c.name = l.Hostname
	}
	if as.kind == bindLease && !c.free(a, ia) {
		c.makeFree(l)
	}
	as.lease = l
	c.given = append(c.given, a)
	c.changes = append(c.changes, as)
	at := o.openIA(ia, t)
	o.putAddr(a, t)
	if as.kind == bindLease {
		o.putEnded(ia, a)
	}
	o.close(at)
}

// leaseOf is an association's lease with its client, and nothing else.
func (r *request6) leaseOf(ia *ia6) lease.Lease {
	return lease.Lease{MAC: r.mac, ClientID: r.clientID, IAID: ia.id, Clone: r.clone, Port: r.port}
}

// makeFree takes the address of a lease that is about to be bound from who has
// it now: the guest itself under another name, or a client that was offered it
// and never took it, which the table chooses when there is nothing else.
func (c *conversation6) makeFree(l lease.Lease) {
	if old, ok := c.formerSelf(); ok && l.Addr == old.Addr {
		c.changes = append(c.changes, change4{kind: releaseLease, lease: old})
	}
	c.changes = append(c.changes, change4{kind: offerAddr, lease: l})
}

// withdraw puts an association whose addresses are of another link.
func (c *conversation6) withdraw(o *options6, ia *ia6) {
	at := o.openIA(ia, times6{})
	o.putEnded(ia, netip.Addr{})
	o.close(at)
}

// refuse puts an association without address, and why.
func (c *conversation6) refuse(o *options6, ia *ia6, code iana.StatusCode, text string) {
	at := o.openIA(ia, times6{})
	o.putStatus(code, text)
	o.close(at)
}

// putEnded puts the addresses that the client named, but one, with lifetimes
// of zero.
func (o *options6) putEnded(ia *ia6, but netip.Addr) {
	for _, h := range ia.hints {
		if h.addr != but {
			o.putAddr(h.addr, times6{})
		}
	}
}

// openIA begins an association's option. The client is to renew it after a
// half of the preferred lifetime, and to rebind it after seven eighths, as
// with dnsmasq.
func (o *options6) openIA(ia *ia6, t times6) int {
	at := o.open(ia.kind)
	*o = binary.BigEndian.AppendUint32(*o, ia.id)
	if ia.kind == dhcpv6.OptionIATA {
		return at
	}
	t1, t2 := t.preferred/2, t.preferred/8*7
	if t.preferred == forever {
		t1, t2 = forever, forever
	}
	*o = binary.BigEndian.AppendUint32(*o, seconds32(t1))
	*o = binary.BigEndian.AppendUint32(*o, seconds32(t2))
	return at
}
