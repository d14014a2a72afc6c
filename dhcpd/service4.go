package dhcpd

import (
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/vnetmgr/vnetmgr/lease"
)

// service4 is a configuration with what is looked up in it for each request.
type service4 struct {
	Config4
	addr      netip.Addr // ours
	subnet    netip.Prefix
	network   netip.Addr
	broadcast netip.Addr
	untagged  bool // tags make no difference
	reservations
}

// newService4 indexes cfg.
func newService4(cfg Config4) *service4 {
	s := &service4{
		Config4:      cfg,
		addr:         cfg.Server.Addr(),
		subnet:       cfg.Server.Masked(),
		untagged:     !needsTags(&cfg.Rules, cfg.Reservations),
		reservations: newReservations(cfg.Reservations, cfg.Server.Masked()),
	}
	s.network = s.subnet.Addr()
	s.broadcast = lastOf(s.subnet)
	return s
}

// pool is what the lease table may choose from: the ranges without what is
// reserved, our own address, and those that no client can use.
func (s *service4) pool() lease.Pool {
	p := lease.Pool{Reserved: []netip.Addr{s.addr, s.network, s.broadcast}, Unshared: s.Unshared}
	for a := range s.byAddr {
		p.Reserved = append(p.Reserved, a)
	}
	for _, r := range s.Ranges {
		p.Ranges = append(p.Ranges, lease.Range{Start: r.Start, End: r.End})
		p.Reserved = append(p.Reserved, unusable(r)...)
	}
	return p
}

// unusable returns the addresses of a range that end in .0 or .255 and are of
// the old class C: Windows refuses them whatever the mask, so dnsmasq does not
// choose them.
func unusable(r Range) []netip.Addr {
	var found []netip.Addr
	first := r.Start.As4()
	if first[0]>>5 != 0b110 {
		return nil
	}
	for a := netip.AddrFrom4([4]byte{first[0], first[1], first[2], 0}); !r.End.Less(a); {
		b := a.As4()
		last := netip.AddrFrom4([4]byte{b[0], b[1], b[2], 255})
		found = append(found, a, last)
		if a = last.Next(); !a.IsValid() {
			break
		}
	}
	return found
}

// rangeOf returns the first range with a, or nil.
func (s *service4) rangeOf(a netip.Addr) *Range {
	return findRange(s.Ranges, a)
}

// inRange tells whether a client without a reservation may have a.
func (s *service4) inRange(a netip.Addr) bool {
	return a != s.addr && a != s.network && a != s.broadcast && s.rangeOf(a) != nil
}

// reservation finds the client's: by client identifier, unless that is
// another's, too, by MAC, or by the name that it sends.
func (s *service4) reservation(r *request4) *Reservation {
	if len(r.clientID) > 0 && !r.clone {
		if res := s.byID[string(r.clientID)]; res != nil {
			return res
		}
	}
	if res := s.byMAC[string(r.mac)]; res != nil && r.isEthernet() {
		return res
	}
	if r.name.host == "" {
		return nil
	}
	return s.byName[strings.ToLower(r.name.host)]
}

// isEthernet tells whether the client's hardware address is an Ethernet one.
func (r *request4) isEthernet() bool {
	return r.htype == 1 && len(r.mac) == 6
}

// hostname is what a client is called: as its reservation says, else as it
// says itself, unless that is a name that is reserved for another.
func (s *service4) hostname(r *request4, res *Reservation) string {
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

// The lease times that hold where nothing else is said.
const (
	defaultLease = time.Hour
	minimumLease = 120 * time.Second
	// infinite32 is how an infinite lease goes over the wire.
	infinite32 = 0xffffffff
)

// leaseTime is how long a client may have an address: what its reservation
// says, or its range, or less if it asks for less; never under two minutes.
// The second result tells that it may have it for ever.
func (s *service4) leaseTime(r *request4, res *Reservation, a netip.Addr) (time.Duration, bool) {
	t := s.configuredTime(res, a)
	length, infinite := max(t.Duration, minimumLease), t.Infinite
	if !r.asksTime || r.leaseTime == infinite32*time.Second {
		return length, infinite
	}
	asked := max(r.leaseTime, minimumLease)
	if infinite || asked < length {
		return asked, false
	}
	return length, false
}

func (s *service4) configuredTime(res *Reservation, a netip.Addr) LeaseTime {
	if res != nil && res.Lease != (LeaseTime{}) {
		return res.Lease
	}
	r := s.rangeOf(a)
	if r == nil && len(s.Ranges) > 0 {
		r = &s.Ranges[0]
	}
	if r == nil || r.Lease == (LeaseTime{}) {
		return LeaseTime{Duration: defaultLease}
	}
	return r.Lease
}

// lastOf returns a subnet's last address, its broadcast address.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	mask := net.CIDRMask(p.Bits(), 32)
	for i := range b {
		b[i] |= ^mask[i]
	}
	return netip.AddrFrom4(b)
}
