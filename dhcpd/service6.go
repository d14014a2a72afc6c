package dhcpd

import (
	"net/netip"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/vnetmgr/vnetmgr/lease"
)

// service6 is a configuration with what is looked up in it for each message.
type service6 struct {
	Config6
	addr     netip.Addr // ours
	subnet   netip.Prefix
	untagged bool // tags make no difference
	reservations
}

// newService6 indexes cfg.
func newService6(cfg Config6) *service6 {
	return &service6{
		Config6: cfg, addr: cfg.Server.Addr(), subnet: cfg.Server.Masked(),
		untagged:     !needsTags(&cfg.Rules, cfg.Reservations),
		reservations: newReservations(cfg.Reservations, cfg.Server.Masked()),
	}
}

// pool is what the lease table may choose from: the ranges without what is
// reserved, our own address, and the one of all routers (RFC 4291 §2.6.1).
func (s *service6) pool() lease.Pool {
	p := lease.Pool{Reserved: []netip.Addr{s.addr, s.subnet.Addr()}, Unshared: s.Unshared}
	for a := range s.byAddr {
		p.Reserved = append(p.Reserved, a)
	}
	for _, r := range s.Ranges {
		p.Ranges = append(p.Ranges, lease.Range{Start: r.Start, End: r.End})
	}
	return p
}

// dynamic tells whether a client without a reservation may have a.
func (s *service6) dynamic(a netip.Addr) bool {
	return a != s.addr && a != s.subnet.Addr() && s.byAddr[a] == nil && findRange(s.Ranges, a) != nil
}

// reservation finds the client's: by DUID, unless that is another's, too, by
// MAC, or by the name that it sends. It may have said its MAC in its DUID only.
func (s *service6) reservation(r *request6) *Reservation {
	if res := s.byID[string(r.clientID)]; res != nil && !r.clone {
		return res
	}
	for _, mac := range [...][]byte{r.mac, macOfDUID(r.clientID)} {
		if res := s.byMAC[string(mac)]; res != nil && len(mac) > 0 {
			return res
		}
	}
	if r.name.host == "" {
		return nil
	}
	return s.byName[strings.ToLower(r.name.host)]
}

// hostname is what a client is called: as its reservation says, else as it
// says itself, unless that is a name that is reserved for another.
func (s *service6) hostname(r *request6, res *Reservation) string {
	if res != nil && res.Name != "" {
		return res.Name
	}
	if r.noHostname {
		return ""
	}
	if other := s.names[strings.ToLower(r.name.host)]; other != nil && other != res {
		return ""
	}
	return r.name.host
}

// defaultLease6 is how long an address is leased where nothing else is said.
const defaultLease6 = 24 * time.Hour

// times is how long a client may have an address: what its reservation says,
// or its range, or less if it asks for less; never under two minutes.
func (s *service6) times(res *Reservation, a netip.Addr, want times6) times6 {
	t := s.configuredTime(res, a)
	length := max(t.Duration, minimumLease)
	if t.Infinite {
		length = forever
	}
	given := times6{preferred: length, valid: length}
	if want.preferred > want.valid {
		return given // RFC 8415 §21.6: not to be heeded
	}
	if want.preferred > 0 {
		given.preferred = min(length, max(want.preferred, minimumLease))
	}
	if want.valid > 0 {
		given.valid = min(length, max(want.valid, minimumLease))
		given.preferred = min(given.preferred, given.valid)
	}
	return given
}

func (s *service6) configuredTime(res *Reservation, a netip.Addr) LeaseTime {
	if res != nil && res.Lease != (LeaseTime{}) {
		return res.Lease
	}
	r := findRange(s.Ranges, a)
	if r == nil && len(s.Ranges) > 0 {
		r = &s.Ranges[0]
	}
	if r == nil || r.Lease == (LeaseTime{}) {
		return LeaseTime{Duration: defaultLease6}
	}
	return r.Lease
}

// putOptions puts what tells the client about its network, if it asked: what
// the rules say, the last rule first, and what no rule is about. given are the
// client's addresses.
func (s *service6) putOptions(p *reply6, r *request6, given []netip.Addr, host string) {
	rules := s.rulesFor(r, given)
	ours := func(code dhcpv6.OptionCode) bool { return rules.rule(uint16(code)) == nil && r.wants(code) }
	s.putRules(p, r, rules)
	if s.DNS && ours(dhcpv6.OptionDNSRecursiveNameServer) {
		a := s.addr.As16()
		p.options.put(dhcpv6.OptionDNSRecursiveNameServer, a[:]...)
	}
	if name := wireName(s.Domain); name != nil && ours(dhcpv6.OptionDomainSearchList) {
		p.options.put(dhcpv6.OptionDomainSearchList, name...)
	}
	if host != "" && (r.name.sent || r.asked != nil && r.wants(dhcpv6.OptionFQDN)) {
		p.options.put(dhcpv6.OptionFQDN, r.name.answer(host, s.Domain)...)
	}
}
