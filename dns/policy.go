package dns

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"sync/atomic"

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
	private bool                // reverse names of private addresses are not forwarded
	static  map[string][]static // by folded wire name; none for those above a name
	aliases map[string]alias    // by folded wire name
	wild    map[string]alias    // by the name that they are below
	files   []*Records          // hosts files beside the host's own
	noHosts bool
	ttl     uint32            // of our own names
	ttls    map[string]uint32 // in zones with another
	shape   *shaping
	first   []netip.AddrPort // asked before the host's upstreams
	shaped  atomic.Pointer[shapedHost]
	rate    int
	logs    bool
}

// A zone says where queries for a domain and all below it go.
type zone struct {
	local  bool   // nowhere: what is not known does not exist
	host   bool   // to the upstreams of the host
	to     *group // to these
	set    bool   // it says anything of that
	v4, v6 []netip.Addr
}

// literal returns the addresses that all names in the zone have.
func (z zone) literal(qtype uint16) []netip.Addr {
	switch qtype {
	case codec.TypeA:
		return z.v4
	case codec.TypeAAAA:
		return z.v6
	}
	return nil
}

// static is a record's type and data, which may end in a name.
type static struct {
	qtype  uint16
	data   []byte
	ttl    uint32
	target string // folded, as long as the name at the data's end
}

func newPolicy(cfg Config, up *Resolver) *policy {
	p := &policy{
		addrs:   cfg.Addrs,
		subnets: cfg.Subnets,
		zones:   map[string]zone{},
		noPlain: cfg.NoPlainNames,
		private: cfg.PrivateReverse,
		static:  map[string][]static{},
		noHosts: cfg.NoHosts,
		ttl:     cfg.LocalTTL,
		shape:   newShaping(cfg.Shaping),
		rate:    cfg.QueryRate,
		logs:    cfg.LogQueries,
	}
	if domain, ok := foldedName(cfg.Domain); ok && cfg.Domain != "" {
		p.domain = domain
	}
	p.files = up.readHostsFiles(cfg)
	p.rest = zone{host: cfg.Resolv}
	switch {
	case cfg.Resolv:
		p.first = cfg.Forwarders
	case len(cfg.Forwarders) > 0:
		p.rest = zone{to: up.shapedGroup(cfg.Forwarders, p.shape)}
	}
	p.addForwarders(cfg, up)
	for _, name := range cfg.LocalZones {
		p.keepLocal(name)
	}
	p.addZones(cfg)
	p.addAddresses(cfg)
	p.addStatic(cfg)
	p.addRecords(cfg)
	p.addAliases(cfg)
	return p
}

func (p *policy) keepLocal(name string) (wire string, ok bool) {
	if wire, ok = foldedName(name); ok {
		p.zones[wire] = zone{local: true, set: true}
	}
	return wire, ok
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
			p.zones[wire] = zone{to: up.shapedGroup(all, p.shape), set: true}
		} else {
			z := p.rest
			z.set = true
			p.zones[wire] = z
		}
	}
}

func (p *policy) addStatic(cfg Config) {
	for _, t := range cfg.TXT {
		if wire, ok := foldedName(t.Name); ok {
			p.give(wire, static{qtype: codec.TypeTXT, data: txtData(t.Value)})
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
		srv := static{qtype: codec.TypeSRV, data: srvData(s, target)}
		if !isRoot(target) {
			srv.target = fold(target)
		}
		p.give(name, srv)
	}
}

// give adds a record; the names above its own then exist, too.
func (p *policy) give(name string, s static) {
	p.static[name] = append(p.static[name], s)
	p.existAbove(name)
}

// existAbove notes that the names above one exist.
func (p *policy) existAbove(name string) {
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

// zone returns the most specific zone of a name that says anything of a type,
// and whether one was configured for it.
func (p *policy) zone(name []byte, qtype uint16) (z zone, configured bool) {
	for len(p.zones) > 0 {
		if z, ok := p.zones[string(name)]; ok && (z.set || len(z.literal(qtype)) > 0) {
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
func (p *policy) route(name []byte, qtype uint16) zone {
	z, configured := p.zone(name, qtype)
	switch {
	case configured:
		return z
	case p.noPlain && isPlain(name), p.inSubnets(name), p.private && isPrivateReverse(name):
		return zone{local: true}
	}
	return z
}

// isPrivateReverse tells whether name is the reverse one of an address that
// the Internet's servers know nothing of.
func isPrivateReverse(name []byte) bool {
	p, ok := reversed(name)
	return ok && p.IsSingleIP() && isPrivate(p.Addr(), true)
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
// plain name, or in a local zone. Of other names only what is known of them is:
// the network's domain may be one that upstreams know, too.
func (p *policy) ours(name []byte) bool {
	return isPlain(name) || p.route(name, 0).local
}
