package dns

import (
	"encoding/binary"
	"net/netip"
	"strings"

	codec "github.com/miekg/dns"
)

// A policy is a Config made ready for answering; it is immutable.
type policy struct {
	domain  string // folded wire form, "" if none
	addrs   []netip.Addr
	subnets []netip.Prefix
	zones   map[string]zone // by folded wire name
	rest    zone            // what is in no zone
	noPlain bool
	static  map[string][]static // by folded wire name; none for those above a name
}

// A zone says where queries for a domain and all below it go.
type zone struct {
	local bool   // nowhere: what is not known does not exist
	host  bool   // to the upstreams of the host
	to    *group // to these
}

// static is a TXT or SRV record's type and data.
type static struct {
	qtype uint16
	data  []byte
}

func newPolicy(cfg Config, up *Resolver) *policy {
	p := &policy{
		addrs:   cfg.Addrs,
		subnets: cfg.Subnets,
		zones:   map[string]zone{},
		noPlain: cfg.NoPlainNames,
		static:  map[string][]static{},
	}
	if domain, ok := foldedName(cfg.Domain); ok && cfg.Domain != "" {
		p.domain = domain
	}
	p.rest = zone{host: cfg.Resolv}
	if len(cfg.Forwarders) > 0 {
		p.rest = zone{to: up.group(cfg.Forwarders)}
	}
	p.addForwarders(cfg, up)
	for _, name := range cfg.LocalZones {
		if wire, ok := foldedName(name); ok {
			p.zones[wire] = zone{local: true}
		}
	}
	p.addStatic(cfg)
	return p
}

// addForwarders gathers the servers of each domain, in order. A domain without
// any goes where the rest goes (dnsmasq's server=/domain/#).
func (p *policy) addForwarders(cfg Config, up *Resolver) {
	servers := map[string][]netip.AddrPort{}
	for _, f := range cfg.DomainForwarders {
		wire, ok := foldedName(f.Domain)
		if !ok {
			continue
		}
		servers[wire] = append(servers[wire], f.Servers...)
		if all := servers[wire]; len(all) > 0 {
			p.zones[wire] = zone{to: up.group(all)}
		} else {
			p.zones[wire] = p.rest
		}
	}
}

func (p *policy) addStatic(cfg Config) {
	for _, t := range cfg.TXT {
		if wire, ok := foldedName(t.Name); ok {
			p.give(wire, static{codec.TypeTXT, txtData(t.Value)})
		}
	}
	for _, s := range cfg.SRV {
		name, ok := foldedName(s.Name)
		target, ok2 := wireName(s.Target)
		if !ok || !ok2 {
			continue
		}
		if bare := strings.Count(strings.TrimSuffix(s.Name, "."), ".") < 2; bare && p.domain != "" {
			if name, ok = joined(name, p.domain); !ok {
				continue
			}
		}
		p.give(name, static{codec.TypeSRV, srvData(s, target)})
	}
}

// give adds a record; the names above its own then exist, too.
func (p *policy) give(name string, s static) {
	p.static[name] = append(p.static[name], s)
	for name = parent(name); !isRoot(name); name = parent(name) {
		if _, ok := p.static[name]; !ok {
			p.static[name] = nil
		}
	}
}

// txtData is the value as dnsmasq's txt-record reads it: a comma separates
// strings. Strings longer than 255 bytes are cut.
func txtData(value string) []byte {
	var data []byte
	for s := range strings.SplitSeq(value, ",") {
		for len(s) > 255 {
			data = append(append(data, 255), s[:255]...)
			s = s[255:]
		}
		data = append(append(data, byte(len(s))), s...)
	}
	return data
}

// srvData is RFC 2782's; without a target all is zero: no such service.
func srvData(s SRV, target string) []byte {
	if isRoot(target) {
		return make([]byte, 7)
	}
	data := binary.BigEndian.AppendUint16(nil, s.Priority)
	data = binary.BigEndian.AppendUint16(data, s.Weight)
	data = binary.BigEndian.AppendUint16(data, s.Port)
	return append(data, target...)
}

// zone returns the most specific zone of a name, and whether one was
// configured for it.
func (p *policy) zone(name []byte) (z zone, configured bool) {
	for len(p.zones) > 0 {
		if z, ok := p.zones[string(name)]; ok {
			return z, true
		}
		if isRoot(name) {
			break
		}
		name = parent(name)
	}
	return p.rest, false
}

// route says where a query for a name that is not known here goes.
func (p *policy) route(name []byte) zone {
	z, configured := p.zone(name)
	switch {
	case configured:
		return z
	case p.noPlain && isPlain(name), p.inSubnets(name):
		return zone{local: true}
	}
	return z
}

// inSubnets tells whether name is a reverse name of our own subnets.
func (p *policy) inSubnets(name []byte) bool {
	r, ok := reversed(name)
	if !ok {
		return false
	}
	for _, s := range p.subnets {
		if r.Bits() >= s.Bits() && s.Contains(r.Addr()) {
			return true
		}
	}
	return false
}

// ours tells whether every type of a known name is answered here: it is a
// plain name, in the network's domain, or in a local zone. Of other names
// that the administrator gives addresses to, only those are.
func (p *policy) ours(name []byte) bool {
	if isPlain(name) || (p.domain != "" && within(name, p.domain)) {
		return true
	}
	return p.route(name).local
}
