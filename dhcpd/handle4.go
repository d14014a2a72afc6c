package dhcpd

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/vnetmgr/vnetmgr/lease"
)

// How long the server keeps to what it said or was told.
const (
	// holdTime is how long an offered address is kept for its client.
	holdTime = 30 * time.Second
	// avoidTime is how long an address is not given to anyone after a client
	// declined it or somebody was seen to use it, as in dnsmasq.
	avoidTime = 600 * time.Second
)

// changeKind says what a request changes.
type changeKind int

const (
	noChange changeKind = iota
	offerAddr
	dropOffer
	bindLease
	releaseLease
	declineLease
)

// change4 is what a request changes in the lease table.
type change4 struct {
	kind  changeKind
	lease lease.Lease
	// unproven: nothing is known of who uses the offered address.
	unproven bool
}

// apply does what a request changes. done is called once a lease is on disk;
// an error means that it was not even tried, and done is not called.
func (c change4) apply(now time.Time, leases *lease.Table, done func(error)) error {
	switch c.kind {
	case offerAddr:
		leases.Hold(c.lease.Addr, c.lease.Client(), now.Add(holdTime))
	case dropOffer:
		leases.Unhold(c.lease.Client())
	case bindLease:
		return leases.Bind(c.lease, done)
	case releaseLease:
		leases.Release(c.lease.Addr, done)
	case declineLease:
		leases.Decline(c.lease.Addr, now.Add(avoidTime), done)
	}
	return nil
}

// answer4 is what a request comes to.
type answer4 struct {
	reply  *reply4 // nil: silence
	change change4
	// exhausted tells that there is no address for the client.
	exhausted bool
}

// limited tells whether a client gets no address because its bridge port, or
// the pool, has none left.
func (a *answer4) limited(leases *lease.Table, r *request4) bool {
	refused := a.reply != nil && a.reply.kind == dhcpv4.MessageTypeNak
	return a.exhausted || refused && leases.HasShare(r.client())
}

// The errors of RFC 2131 §4.3.2, in dnsmasq's words.
const (
	nakWrongAddress  = "wrong address"
	nakNoLease       = "lease not found"
	nakWrongNetwork  = "wrong network"
	nakNotAvailable  = "address not available"
	nakStaticWaiting = "static lease available"
	nakReserved      = "address reserved"
	nakInUse         = "address in use"
)

// handle4 answers a request that came in at now; unicast tells that it was
// sent to our address rather than to all. It reads the table and changes
// nothing: what should change is in the answer, and a reply to a bindLease
// may leave only once that is done.
func (s *service4) handle4(now time.Time, leases *lease.Table, r *request4, unicast bool) answer4 {
	if r.giaddr.IsValid() && (!s.subnet.Contains(r.giaddr) || r.giaddr == s.addr) {
		return answer4{}
	}
	if len(r.clientID) == 0 && len(r.mac) == 0 {
		return answer4{}
	}
	if s.tag(r); r.ignored {
		return answer4{}
	}
	switch r.kind {
	case dhcpv4.MessageTypeNone:
		return s.bootp(now, leases, r)
	case dhcpv4.MessageTypeDiscover:
		return s.discover(now, leases, r)
	case dhcpv4.MessageTypeRequest:
		return s.request(now, leases, r, unicast)
	case dhcpv4.MessageTypeDecline:
		return s.decline(leases, r)
	case dhcpv4.MessageTypeRelease:
		return s.release(leases, r)
	case dhcpv4.MessageTypeInform:
		return s.inform(leases, r)
	}
	return answer4{}
}

// discover offers an address, or is silent if there is none.
func (s *service4) discover(now time.Time, leases *lease.Table, r *request4) answer4 {
	res := s.reservation(r)
	a, unproven, ok := s.addressFor(now, leases, r, res)
	if !ok {
		return answer4{exhausted: true}
	}
	l, length, infinite := s.newLease(now, leases, r, res, a)
	p := newReply4(dhcpv4.MessageTypeOffer, r)
	p.yiaddr = a
	s.putLeaseTimes(p, length, infinite)
	s.putOptions(p, r, s.offeredName(r, res))
	return answer4{reply: p, change: change4{kind: offerAddr, lease: l, unproven: unproven}}
}

// addressFor finds the address to offer: the client's reservation, its lease,
// the address that it asks for, or one that the table chooses. unproven tells
// that somebody without a lease may be using it.
func (s *service4) addressFor(now time.Time, leases *lease.Table, r *request4, res *Reservation) (a netip.Addr, unproven, ok bool) {
	c := r.client()
	if res.hasAddr() && res.Addr != s.addr && leases.Available(res.Addr, c, now) {
		return res.Addr, false, true
	}
	if l, ok := leases.LookupClient(c); ok && s.dynamic(l.Addr) && leases.Available(l.Addr, c, now) {
		return l.Addr, false, true
	}
	if r.requested.IsValid() && s.dynamic(r.requested) && leases.Available(r.requested, c, now) {
		return r.requested, true, true
	}
	a, ok = leases.Choose(c, now)
	return a, true, ok
}

// dynamic tells whether an address is in a range and reserved for nobody.
func (s *service4) dynamic(a netip.Addr) bool {
	return s.inRange(a) && s.byAddr[a] == nil
}

// request answers a client that wants to have, or keep, one address.
func (s *service4) request(now time.Time, leases *lease.Table, r *request4, unicast bool) answer4 {
	switch {
	case r.requested.IsValid() && r.serverID.IsValid():
		return s.selecting(now, leases, r)
	case r.requested.IsValid():
		return s.initReboot(now, leases, r)
	case r.ciaddr.IsValid():
		return s.extending(now, leases, r, unicast)
	}
	return answer4{}
}

// selecting: the client takes an offer, ours or another server's. dnsmasq,
// being authoritative, refuses the latter; that leaves a client without any
// server where there are two, so we keep silent (RFC 2131 §3.1 step 4).
func (s *service4) selecting(now time.Time, leases *lease.Table, r *request4) answer4 {
	if r.serverID != s.addr {
		return answer4{change: change4{kind: dropOffer, lease: s.leaseOf(r)}}
	}
	return s.grant(now, leases, r, r.requested, true)
}

// initReboot: the client remembers an address. We are authoritative: one that
// we know nothing of is given to it if it is free, so that nobody has to move
// after the leases were lost.
func (s *service4) initReboot(now time.Time, leases *lease.Table, r *request4) answer4 {
	if l, ok := leases.LookupClient(r.client()); ok && l.Addr != r.requested {
		return s.nak(r, nakWrongAddress)
	}
	return s.grant(now, leases, r, r.requested, false)
}

// extending: the client has an address and wants to keep it, RENEWING by
// unicast, REBINDING by broadcast. A broadcast about an address that is not
// the one we gave may be meant for another server.
func (s *service4) extending(now time.Time, leases *lease.Table, r *request4, unicast bool) answer4 {
	if l, ok := leases.LookupClient(r.client()); ok && l.Addr != r.ciaddr {
		if !unicast {
			return answer4{}
		}
		return s.nak(r, nakNoLease)
	}
	return s.grant(now, leases, r, r.ciaddr, false)
}

// grant gives the client an address, unless there is a reason not to.
func (s *service4) grant(now time.Time, leases *lease.Table, r *request4, a netip.Addr, selecting bool) answer4 {
	res := s.reservation(r)
	if why := s.refusal(now, leases, r, res, a, selecting); why != "" {
		return s.nak(r, why)
	}
	l, length, infinite := s.newLease(now, leases, r, res, a)
	p := newReply4(dhcpv4.MessageTypeAck, r)
	p.ciaddr, p.yiaddr = r.ciaddr, a
	s.putLeaseTimes(p, length, infinite)
	s.putOptions(p, r, l.Hostname)
	return answer4{reply: p, change: change4{kind: bindLease, lease: l}}
}

// refusal says why a client cannot have an address, "" if it can.
func (s *service4) refusal(now time.Time, leases *lease.Table, r *request4, res *Reservation, a netip.Addr, selecting bool) string {
	reserved := res.hasAddr() && res.Addr == a && a != s.addr
	switch {
	case !s.subnet.Contains(a):
		return nakWrongNetwork
	case !reserved && !s.inRange(a):
		return nakNotAvailable
	case res.hasAddr() && !reserved && !selecting && res.Addr != s.addr && leases.Available(res.Addr, r.client(), now):
		// Only when it will get that by asking anew, or this never ends.
		return nakStaticWaiting
	case !reserved && s.byAddr[a] != nil:
		return nakReserved
	case !leases.Available(a, r.client(), now):
		return nakInUse
	}
	return ""
}

// nak refuses a request. It is broadcast, as the client may have no address
// that works here (RFC 2131 §4.3.2).
func (s *service4) nak(r *request4, why string) answer4 {
	p := newReply4(dhcpv4.MessageTypeNak, r)
	p.broadcast = true
	p.options.putAddr(dhcpv4.OptionServerIdentifier, s.addr)
	p.options.put(dhcpv4.OptionMessage, []byte(why)...)
	return answer4{reply: p}
}

// decline: the client found somebody else at its address.
func (s *service4) decline(leases *lease.Table, r *request4) answer4 {
	l, ok := s.ownLease(leases, r)
	if !ok || r.serverID.IsValid() && r.serverID != s.addr || l.Addr != r.requested {
		return answer4{}
	}
	return answer4{change: change4{kind: declineLease, lease: l}}
}

// release: the client has no more need of its address.
func (s *service4) release(leases *lease.Table, r *request4) answer4 {
	l, ok := s.ownLease(leases, r)
	if !ok || r.serverID.IsValid() && r.serverID != s.addr || l.Addr != r.ciaddr {
		return answer4{}
	}
	return answer4{change: change4{kind: releaseLease, lease: l}}
}

// ownLease is the lease of a client that ends it: not that of another who goes
// by the same identifier.
func (s *service4) ownLease(leases *lease.Table, r *request4) (lease.Lease, bool) {
	c, _ := leases.Identify(r.client())
	l, ok := leases.LookupClient(c)
	if ok && !s.OneClient && r.isEthernet() && len(l.MAC) > 0 && !bytes.Equal(l.MAC, r.mac) {
		return l, false
	}
	return l, ok
}

// inform tells a client that has its address from elsewhere the rest
// (RFC 2131 §4.3.5: no lease time, no yiaddr).
func (s *service4) inform(leases *lease.Table, r *request4) answer4 {
	if !s.subnet.Contains(r.ciaddr) {
		return answer4{}
	}
	l, _ := leases.Lookup(r.ciaddr)
	p := newReply4(dhcpv4.MessageTypeAck, r)
	p.ciaddr = r.ciaddr
	p.options.putAddr(dhcpv4.OptionServerIdentifier, s.addr)
	s.putOptions(p, r, l.Hostname)
	return answer4{reply: p}
}

// bootp answers a BOOTP client if an address is reserved for its MAC. It has
// it for ever, unless the reservation says otherwise (RFC 1534).
func (s *service4) bootp(now time.Time, leases *lease.Table, r *request4) answer4 {
	res := s.byMAC[string(r.mac)]
	if !r.isEthernet() || !res.hasAddr() || res.Addr == s.addr || !leases.Available(res.Addr, r.client(), now) {
		return answer4{}
	}
	l := lease.Lease{Addr: res.Addr, MAC: r.mac, HType: r.htype, Hostname: res.Name, Start: now}
	if res.Lease.Duration > 0 && !res.Lease.Infinite {
		l.Expiry = now.Add(max(res.Lease.Duration, minimumLease))
	}
	p := newReply4(dhcpv4.MessageTypeNone, r)
	p.ciaddr, p.yiaddr = r.ciaddr, res.Addr
	r.wanted = nil
	s.putOptions(p, r, res.Name)
	return answer4{reply: p, change: change4{kind: bindLease, lease: l}}
}

// leaseOf is a lease with its client, and nothing else.
func (s *service4) leaseOf(r *request4) lease.Lease {
	return lease.Lease{ClientID: r.clientID, HType: r.htype, MAC: r.mac, Clone: r.clone, Port: r.port}
}

// newLease is the lease that the client is to have. A renewed one keeps its
// start and, when the client does not say its name again, its name.
func (s *service4) newLease(now time.Time, leases *lease.Table, r *request4, res *Reservation, a netip.Addr) (l lease.Lease, length time.Duration, infinite bool) {
	l = s.leaseOf(r)
	l.Addr, l.Hostname, l.Start = a, s.hostname(r, res), now
	if old, ok := leases.LookupClient(r.client()); ok && old.Addr == a {
		l.Start = old.Start
		if l.Hostname == "" && r.name.host == "" {
			l.Hostname = old.Hostname
		}
	}
	if (res == nil || res.Name == "") && nameHeld(leases, l) {
		l.Hostname = ""
	}
	length, infinite = s.leaseTime(r, res, a)
	if !infinite {
		l.Expiry = now.Add(length)
	}
	return l, length, infinite
}

// offeredName is the name in an OFFER: the reservation's, unless the client
// said another, and what it said in full by option 81.
func (s *service4) offeredName(r *request4, res *Reservation) string {
	name := s.hostname(r, res)
	if r.name.fqdn || r.name.host == "" {
		return name
	}
	if res != nil && res.Name == r.name.host {
		return name
	}
	return ""
}
