package dns

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	codec "github.com/miekg/dns"
)

// A shaping is a Shaping made ready for use; it is immutable.
type shaping struct {
	Shaping
	key     string   // "" for the zero Shaping
	trusted []string // RebindDomains in folded wire form
}

func newShaping(s Shaping) *shaping {
	sh := &shaping{Shaping: s}
	if key := fmt.Sprintf("%+v", s); key != fmt.Sprintf("%+v", Shaping{}) {
		sh.key = key
	}
	for _, d := range s.RebindDomains {
		if wire, ok := foldedName(d); ok {
			sh.trusted = append(sh.trusted, wire)
		}
	}
	return sh
}

// apply changes an answer as configured and returns how long to keep it, and
// whether disarm had to empty it.
func (s *shaping) apply(m *codec.Msg, q *query) (keep time.Duration, disarmed bool) {
	denied := s.deny(m)
	disarmed = !denied && s.disarm(m, q)
	if s.DropA || s.DropAAAA {
		s.drop(m)
	}
	ttl := lifetime(m)
	if denied || disarmed {
		return 0, disarmed
	}
	return s.bound(m, ttl), false
}

// deny makes an answer with a bogus address a denial.
func (s *shaping) deny(m *codec.Msg) bool {
	for _, rr := range m.Answer {
		for _, p := range s.Bogus {
			if a, ok := addressOf(rr); ok && p.Contains(a) {
				m.Rcode, m.Answer, m.Ns = codec.RcodeNameError, nil, nil
				return true
			}
		}
	}
	return false
}

// disarm empties an answer that would lead a guest's browser from a name of
// the Internet to an address of a private network.
func (s *shaping) disarm(m *codec.Msg, q *query) bool {
	if !s.NoRebind || s.trusts(q.name) {
		return false
	}
	for _, rr := range m.Answer {
		if a, ok := addressOf(rr); ok && isPrivate(a, !s.RebindLocalhost) {
			m.Answer, m.Ns = nil, nil
			return true
		}
	}
	return false
}

func (s *shaping) trusts(name []byte) bool {
	for _, d := range s.trusted {
		if within(name, d) {
			return true
		}
	}
	return false
}

func (s *shaping) drop(m *codec.Msg) {
	kept := m.Answer[:0]
	for _, rr := range m.Answer {
		t := rr.Header().Rrtype
		if (t == codec.TypeA && s.DropA) || (t == codec.TypeAAAA && s.DropAAAA) {
			continue
		}
		kept = append(kept, rr)
	}
	m.Answer = kept
}

// bound brings the lifetime and the TTLs of an answer within the configured
// bounds.
func (s *shaping) bound(m *codec.Msg, ttl time.Duration) time.Duration {
	denial := m.Rcode != codec.RcodeSuccess || !answersType(m)
	switch {
	case s.NoCache, denial && s.NoNegative:
		ttl = 0
	case denial && ttl == 0:
		ttl = s.NegativeTTL
	case s.MaxTTL > 0 && ttl > s.MaxTTL:
		ttl = s.MaxTTL
	}
	if !denial && !s.NoCache && ttl < s.MinTTL {
		ttl = s.MinTTL
		for _, rr := range m.Answer {
			rr.Header().Ttl = max(rr.Header().Ttl, uint32(s.MinTTL/time.Second))
		}
	}
	if s.ShownTTL > 0 {
		for _, rr := range m.Answer {
			rr.Header().Ttl = min(rr.Header().Ttl, uint32(s.ShownTTL/time.Second))
		}
	}
	return ttl
}

// addressOf returns the address in an A or AAAA record.
func addressOf(rr codec.RR) (a netip.Addr, ok bool) {
	var ip net.IP
	switch rr := rr.(type) {
	case *codec.A:
		ip = rr.A
	case *codec.AAAA:
		ip = rr.AAAA
	}
	a, ok = netip.AddrFromSlice(ip)
	return a.Unmap(), ok
}

// privateNets are dnsmasq's: of private use, of one link, of documentation.
var privateNets = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("255.255.255.255/32"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("fec0::/10"),
	netip.MustParsePrefix("fd00::/8"),
	netip.MustParsePrefix("2001:db8::/32"),
}

// ownNets are the host itself.
var ownNets = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("::/128"),
	netip.MustParsePrefix("::1/128"),
}

// isPrivate tells whether an address means something else in each network;
// own counts those that mean the asker itself.
func isPrivate(a netip.Addr, own bool) bool {
	return containsAddr(privateNets, a) || own && containsAddr(ownNets, a)
}

func containsAddr(nets []netip.Prefix, a netip.Addr) bool {
	for _, p := range nets {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
