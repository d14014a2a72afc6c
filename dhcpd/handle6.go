package dhcpd

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/vnetmgr/vnetmgr/lease"
)

// answer6 is what a message comes to.
type answer6 struct {
	reply   *reply6 // nil: silence
	changes []change4
	// short tells that there is no address for some association.
	short bool
}

// handle6 answers a message that came in at now; unicast tells that it was
// sent to our address rather than to all servers. It reads the table and
// changes nothing: what should change is in the answer, and a reply to a
// bindLease may leave only once that is done.
func (s *service6) handle6(now time.Time, leases *lease.Table, r *request6, unicast bool) answer6 {
	if !s.legal(r) || !s.onLink(r) {
		return answer6{}
	}
	if unicast && len(r.relays) == 0 {
		return s.useMulticast(r)
	}
	c := &conversation6{service6: s, now: now, leases: leases, request6: r, res: s.reservation(r)}
	if s.tag(r, c.res); r.ignored {
		return answer6{}
	}
	switch r.kind {
	case dhcpv6.MessageTypeSolicit:
		return c.solicit()
	case dhcpv6.MessageTypeRequest:
		return c.request()
	case dhcpv6.MessageTypeConfirm:
		return c.confirm()
	case dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind:
		return c.extend()
	case dhcpv6.MessageTypeRelease:
		return c.end(releaseLease, "release received")
	case dhcpv6.MessageTypeDecline:
		return c.end(declineLease, "success")
	case dhcpv6.MessageTypeInformationRequest:
		return c.inform()
	}
	return answer6{}
}

// legal tells whether a message has the identifiers that its kind must have,
// and none that it must not (RFC 8415 §16).
func (s *service6) legal(r *request6) bool {
	hasClient := len(r.clientID) > 0 && len(r.clientID) <= maxDUID
	switch r.kind {
	case dhcpv6.MessageTypeSolicit, dhcpv6.MessageTypeConfirm, dhcpv6.MessageTypeRebind:
		return hasClient && r.serverID == nil
	case dhcpv6.MessageTypeRequest:
		return hasClient && len(r.serverID) > 0
	case dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeDecline, dhcpv6.MessageTypeRelease:
		return hasClient && bytes.Equal(r.serverID, s.DUID)
	case dhcpv6.MessageTypeInformationRequest:
		return len(r.ias) == 0 && len(r.clientID) <= maxDUID && (r.serverID == nil || bytes.Equal(r.serverID, s.DUID))
	}
	return false
}

// onLink tells whether a client is on our link: the relay next to it that
// knows on which link it is says so (RFC 8415 §13.1).
func (s *service6) onLink(r *request6) bool {
	for i := len(r.relays) - 1; i >= 0; i-- {
		if link := r.relays[i].link; !link.IsUnspecified() {
			return s.subnet.Contains(link)
		}
	}
	return true
}

// useMulticast refuses what a client may only send to all servers, as it was
// not told otherwise (RFC 8415 §18.4); the rest is not answered (§16).
func (s *service6) useMulticast(r *request6) answer6 {
	switch r.kind {
	case dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline:
	default:
		return answer6{}
	}
	if !bytes.Equal(r.serverID, s.DUID) {
		return answer6{}
	}
	p := s.newReply6(dhcpv6.MessageTypeReply, r)
	p.options.putStatus(iana.StatusUseMulticast, "use multicast")
	return answer6{reply: p}
}

// conversation6 is one message with what its answer is made from.
type conversation6 struct {
	*service6
	*request6
	now    time.Time
	leases *lease.Table
	res    *Reservation

	given   []netip.Addr // addresses in the reply
	name    string       // of the client, with the first of them
	changes []change4
	short   bool
}

// solicit offers an address for each association, or gives them at once if
// the client asks for that (RFC 8415 §18.3.1, 18.3.9).
func (c *conversation6) solicit() answer6 {
	p := c.newReply6(dhcpv6.MessageTypeAdvertise, c.request6)
	kind := offerAddr
	if c.rapid {
		p.kind, kind = dhcpv6.MessageTypeReply, bindLease
	}
	ias := c.assign(kind)
	if c.rapid && len(c.given) == 0 {
		p.kind = dhcpv6.MessageTypeAdvertise
	}
	if p.kind == dhcpv6.MessageTypeReply {
		p.options.put(dhcpv6.OptionRapidCommit)
	}
	p.options = append(p.options, ias...)
	if c.Authoritative && p.kind == dhcpv6.MessageTypeAdvertise && len(c.given) > 0 {
		p.options.put(dhcpv6.OptionPreference, 255)
	}
	return c.answer(p)
}

// request gives the addresses that were offered, or others if need be
// (RFC 8415 §18.3.2). A client that takes another server's offer leaves ours.
func (c *conversation6) request() answer6 {
	if !bytes.Equal(c.serverID, c.DUID) {
		for i := range c.ias {
			l := c.leaseOf(&c.ias[i])
			l.Addr = netip.IPv6Unspecified()
			c.changes = append(c.changes, change4{kind: dropOffer, lease: l})
		}
		return answer6{changes: c.changes}
	}
	p := c.newReply6(dhcpv6.MessageTypeReply, c.request6)
	p.options = append(p.options, c.assign(bindLease)...)
	return c.answer(p)
}

// confirm tells a client that may have moved whether its addresses are of
// this link; without any there is nothing to say (RFC 8415 §18.3.3). A clone
// that remembers the other's address is to ask for one of its own.
func (c *conversation6) confirm() answer6 {
	known, on := 0, true
	for _, ia := range c.ias {
		for _, h := range ia.hints {
			known++
			on = on && c.subnet.Contains(h.addr) && !(c.clone && c.ofAnother(h.addr))
		}
	}
	if known == 0 {
		return answer6{}
	}
	p := c.newReply6(dhcpv6.MessageTypeReply, c.request6)
	if on {
		p.options.putStatus(iana.StatusSuccess, "all addresses still on link")
	} else {
		p.options.putStatus(iana.StatusNotOnLink, "confirm failed")
	}
	return answer6{reply: p}
}

// extend lets a client keep its addresses (RFC 8415 §18.3.4, 18.3.5). We make
// a lease that we know nothing of if its address is free, so that nobody has
// to move after the leases were lost.
func (c *conversation6) extend() answer6 {
	p := c.newReply6(dhcpv6.MessageTypeReply, c.request6)
	for i := range c.ias {
		ia := &c.ias[i]
		switch a, _, ok := c.addrToKeep(ia); {
		case ia.kind != dhcpv6.OptionIANA:
			c.refuse(&p.options, ia, iana.StatusNoBinding, "no binding found")
		case ok:
			c.give(&p.options, ia, a, change4{kind: bindLease})
		case c.hasForeign(ia):
			c.withdraw(&p.options, ia)
		default:
			c.refuse(&p.options, ia, iana.StatusNoBinding, "no binding found")
		}
	}
	return c.answer(p)
}

// end ends the leases of the addresses that a client names (RFC 8415 §18.3.7,
// 18.3.8).
func (c *conversation6) end(kind changeKind, text string) answer6 {
	p := c.newReply6(dhcpv6.MessageTypeReply, c.request6)
	for i := range c.ias {
		ia := &c.ias[i]
		l, ok := c.ownLease(ia)
		if !ok || ia.kind != dhcpv6.OptionIANA || !ia.names(l.Addr) {
			c.refuse(&p.options, ia, iana.StatusNoBinding, "no binding found")
			continue
		}
		c.changes = append(c.changes, change4{kind: kind, lease: l})
	}
	p.options.putStatus(iana.StatusSuccess, text)
	return answer6{reply: p, changes: c.changes}
}

// ownLease is the lease of an association that is to end: not that of another
// client who goes by the same DUID and IAID.
func (c *conversation6) ownLease(ia *ia6) (lease.Lease, bool) {
	id, _ := c.leases.Identify(c.client(ia))
	l, ok := c.leases.LookupClient(id)
	if ok && !c.OneClient && len(l.MAC) > 0 && len(c.mac) > 0 && !bytes.Equal(l.MAC, c.mac) {
		return l, false
	}
	return l, ok
}

// ofAnother tells whether an address is leased to another MAC.
func (c *conversation6) ofAnother(a netip.Addr) bool {
	l, ok := c.leases.Lookup(a)
	return ok && !bytes.Equal(l.MAC, c.mac)
}

// inform tells a client that has its address from elsewhere the rest
// (RFC 8415 §18.3.6).
func (c *conversation6) inform() answer6 {
	p := c.newReply6(dhcpv6.MessageTypeReply, c.request6)
	c.putOptions(p, c.request6, nil, "")
	c.putRefreshTime(p)
	return answer6{reply: p}
}

// leastRefresh is how soon a client may be told to ask again (RFC 8415 §7.6).
const leastRefresh = 600 * time.Second

// putRefreshTime tells a client when to ask again (RFC 8415 §21.23): after as
// long as a lease lasts, as with dnsmasq, unless a rule says so.
func (c *conversation6) putRefreshTime(p *reply6) {
	if c.rulesFor(c.request6, nil).rule(uint16(dhcpv6.OptionInformationRefreshTime)) != nil {
		return
	}
	t := c.configuredTime(nil, netip.Addr{})
	if t.Infinite {
		t.Duration = forever
	}
	seconds := seconds32(max(t.Duration, leastRefresh))
	p.options.put(dhcpv6.OptionInformationRefreshTime, binary.BigEndian.AppendUint32(nil, seconds)...)
}

// answer completes a reply with associations.
func (c *conversation6) answer(p *reply6) answer6 {
	c.putOptions(p, c.request6, c.given, c.name)
	return answer6{reply: p, changes: c.changes, short: c.short}
}
