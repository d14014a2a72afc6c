package dhcpd

import (
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// tag finds out what the rules say of a message's client.
func (s *service6) tag(r *request6, res *Reservation) {
	if s.untagged {
		return
	}
	r.tags = append(r.tags, s.Link)
	if res != nil {
		r.tags = append(append(r.tags, "known"), res.Tags...)
		r.ignored = res.Ignore
	}
	for i := range s.Rules.Matches {
		if m := &s.Rules.Matches[i]; m.matches6(r) {
			r.tags = append(r.tags, m.Tag)
		}
	}
	tags := s.Rules.derive(r.tags)
	r.ignored = r.ignored || anyMet(s.Rules.Ignore, tags)
	r.noHostname = anyMet(s.Rules.IgnoreNames, tags)
}

// matches6 tells whether a message is one that the match is about.
func (m *Match) matches6(r *request6) (found bool) {
	switch {
	case m.MAC != nil:
		return m.matchesMAC(r.mac)
	case m.Name != "":
		return m.matchesName(r.name.host)
	}
	r.options.each(func(code dhcpv6.OptionCode, v []byte) {
		found = found || uint16(code) == m.Option && m.matchesValue(v)
	})
	return found
}

// rulesFor returns the option rules that count for a client, and for the range
// of the first address that it gets.
func (s *service6) rulesFor(r *request6, given []netip.Addr) chosen {
	if len(s.Rules.Options) == 0 {
		return nil
	}
	tags := r.tags
	if len(given) > 0 {
		if in := findRange(s.Ranges, given[0]); in != nil && len(in.Tags) > 0 {
			tags = append(slices.Clone(tags), in.Tags...)
		}
	}
	return s.Rules.choose(s.Rules.derive(tags))
}

// isReserved6 are options that belong to the protocol: no rule sends them.
var isReserved6 = []dhcpv6.OptionCode{
	dhcpv6.OptionClientID, dhcpv6.OptionServerID, dhcpv6.OptionIANA, dhcpv6.OptionIATA, dhcpv6.OptionIAAddr,
	dhcpv6.OptionORO, dhcpv6.OptionPreference, dhcpv6.OptionElapsedTime, dhcpv6.OptionRelayMsg, dhcpv6.OptionAuth,
	dhcpv6.OptionUnicast, dhcpv6.OptionStatusCode, dhcpv6.OptionRapidCommit, dhcpv6.OptionInterfaceID,
	dhcpv6.OptionReconfMessage, dhcpv6.OptionReconfAccept, dhcpv6.OptionIAPD, dhcpv6.OptionIAPrefix, dhcpv6.OptionFQDN,
}

// putRules puts the options that the rules give. An empty rule takes one of
// our own away.
func (s *service6) putRules(p *reply6, r *request6, rules chosen) {
	for _, o := range rules {
		code := dhcpv6.OptionCode(o.Code)
		ours := code == dhcpv6.OptionDNSRecursiveNameServer || code == dhcpv6.OptionDomainSearchList
		switch {
		case !o.Force && !r.wants(code), slices.Contains(isReserved6, code), ours && len(o.Value) == 0:
		default:
			p.options.put(code, s.value(o)...)
		}
	}
}

// value is a rule's value on the wire.
func (s *service6) value(o *OptionRule) []byte {
	if o.Servers != nil {
		return s.ntpServers(o.Servers)
	}
	if !o.Addrs {
		return o.Value
	}
	v := slices.Clone(o.Value)
	for i := 0; i+16 <= len(v); i += 16 {
		a := s.orOurs(netip.AddrFrom16([16]byte(v[i:]))).As16()
		copy(v[i:], a[:])
	}
	return v
}

// orOurs is an address of a rule, or ours where that is ::.
func (s *service6) orOurs(a netip.Addr) netip.Addr {
	if a.IsUnspecified() {
		return s.addr
	}
	return a
}

// The suboptions of option 56 (RFC 5908 §4).
const (
	ntpAddr  = 1
	ntpGroup = 2
	ntpName  = 3
)

func (s *service6) ntpServers(servers []NTPServer) []byte {
	var v options6
	for _, n := range servers {
		a := s.orOurs(n.Addr)
		b := a.As16()
		switch {
		case n.Name != nil:
			v.put(ntpName, n.Name...)
		case a.IsMulticast():
			v.put(ntpGroup, b[:]...)
		default:
			v.put(ntpAddr, b[:]...)
		}
	}
	return v
}
