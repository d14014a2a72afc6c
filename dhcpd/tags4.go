package dhcpd

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// tag finds out, once for each request, what the rules say of its client.
func (s *service4) tag(r *request4) {
	if r.tagged {
		return
	}
	r.tagged = true
	if s.untagged {
		r.options = nil
		return
	}
	res := s.reservation(r)
	r.vendor = clone(r.options.Get(dhcpv4.OptionClassIdentifier))
	r.tags = append(r.tags, s.Link)
	if res != nil {
		r.tags = append(append(r.tags, "known"), res.Tags...)
		r.ignored = res.Ignore
	}
	for i := range s.Rules.Matches {
		if m := &s.Rules.Matches[i]; m.matches(r) {
			r.tags = append(r.tags, m.Tag)
		}
	}
	r.options = nil
	tags := s.Rules.derive(r.tags)
	r.ignored = r.ignored || anyMet(s.Rules.Ignore, tags)
	r.noHostname = anyMet(s.Rules.IgnoreNames, tags)
	r.broadcast = r.broadcast || anyMet(s.Rules.Broadcast, tags)
}

// allTags are a client's, with those of the range of the address it gets.
func (s *service4) allTags(r *request4, a netip.Addr) []string {
	tags := r.tags
	if !a.IsValid() {
		a = r.ciaddr
	}
	if in := s.rangeOf(a); in != nil && len(in.Tags) > 0 {
		tags = append(slices.Clone(tags), in.Tags...)
	}
	return s.Rules.derive(tags)
}

// derive adds what tags give rise to, until nothing changes.
func (r *Rules) derive(tags []string) []string {
	for changed := len(r.TagIfs) > 0; changed; {
		changed = false
		for _, t := range r.TagIfs {
			if !t.If.met(tags) {
				continue
			}
			for _, add := range t.Tags {
				if !slices.Contains(tags, add) {
					tags, changed = append(slices.Clip(tags), add), true
				}
			}
		}
	}
	return tags
}

// matches tells whether a request is one that the match is about.
func (m *Match) matches(r *request4) bool {
	switch {
	case m.MAC != nil:
		return m.matchesMAC(r.mac)
	case m.Name != "":
		return m.matchesName(r.name.host)
	}
	v, ok := r.options[uint8(m.Option)]
	return ok && m.matchesValue(v)
}

func (m *Match) matchesMAC(mac []byte) bool {
	if len(mac) != len(m.MAC) {
		return false
	}
	for i, b := range m.MAC {
		if !b.Any && b.Value != mac[i] {
			return false
		}
	}
	return true
}

func (m *Match) matchesName(host string) bool {
	host, want := strings.ToLower(host), strings.ToLower(m.Name)
	if begin, open := strings.CutSuffix(want, "*"); open {
		return strings.HasPrefix(host, begin)
	}
	return host == want
}

// matchesValue compares as dnsmasq does, see Match.
func (m *Match) matchesValue(v []byte) bool {
	n := len(m.Value)
	if n == 0 {
		return true
	}
	step := n
	if m.Text {
		step = 1
	}
	for at := 0; at+n <= len(v); at += step {
		if m.same(v[at : at+n]) {
			return true
		}
		if m.Exact {
			break
		}
	}
	return false
}

func (m *Match) same(v []byte) bool {
	if m.Mask == nil {
		return bytes.Equal(v, m.Value)
	}
	for i, mask := range m.Mask {
		if (v[i]^m.Value[i])&mask != 0 {
			return false
		}
	}
	return true
}

// needsTags tells whether tags make a difference to anybody.
func needsTags(r *Rules, all []Reservation) bool {
	return len(r.Matches)+len(r.Options)+len(r.Boots)+len(r.Ignore)+len(r.IgnoreNames)+len(r.Broadcast) > 0 ||
		slices.ContainsFunc(all, func(r Reservation) bool { return r.Ignore })
}
