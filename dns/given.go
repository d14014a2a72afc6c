package dns

import (
	"encoding/binary"
	"net/netip"

	codec "github.com/miekg/dns"
)

// This file holds what a configuration gives beside TXT and SRV records:
// records of any type, addresses of whole domains, zones of our own, and what
// else of it answers need.

func (p *policy) addRecords(cfg Config) {
	for _, r := range cfg.Records {
		name, ok := foldedName(r.Name)
		if !ok {
			continue
		}
		s := static{qtype: r.Type, data: r.Data, ttl: r.TTL}
		if r.Target != "" {
			target, ok := wireName(r.Target)
			if !ok {
				continue
			}
			s.data, s.target = append(append([]byte(nil), r.Data...), target...), fold(target)
		}
		p.give(name, s)
	}
}

func (p *policy) addAddresses(cfg Config) {
	for _, a := range cfg.Addresses {
		wire, ok := foldedName(a.Domain)
		if !ok {
			continue
		}
		z := p.zones[wire]
		if a.Addr.Is4() {
			z.v4 = append(z.v4, a.Addr)
		} else {
			z.v6 = append(z.v6, a.Addr)
		}
		p.zones[wire] = z
	}
}

// hasLiteral tells whether a name has an address because a domain has.
func (p *policy) hasLiteral(name []byte) bool {
	for len(p.zones) > 0 {
		if z, ok := p.zones[string(name)]; ok && (z.set || len(z.v4)+len(z.v6) > 0) {
			return len(z.v4)+len(z.v6) > 0
		}
		if isRoot(name) {
			break
		}
		name = parent(name)
	}
	return false
}

// addZones makes the zones of our own local, with what is at their tops.
func (p *policy) addZones(cfg Config) {
	p.ttls = map[string]uint32{}
	for _, z := range cfg.Zones {
		wire, ok := p.keepLocal(z.Domain)
		if !ok {
			continue
		}
		p.ttls[wire] = z.TTL
		server, ok := wireName(z.Server)
		if !ok || z.Server == "" {
			continue
		}
		p.give(wire, static{qtype: codec.TypeSOA, data: soaData(z, server)})
		p.give(wire, static{qtype: codec.TypeNS, data: []byte(server), target: fold(server)})
		for _, name := range z.Secondary {
			if other, ok := wireName(name); ok {
				p.give(wire, static{qtype: codec.TypeNS, data: []byte(other), target: fold(other)})
			}
		}
	}
}

// soaData is RFC 1035 §3.3.13's.
func soaData(z Zone, server string) []byte {
	mailbox, ok := wireName(z.Hostmaster)
	if !ok {
		mailbox = "\x00"
	}
	data := append([]byte(server), mailbox...)
	for _, n := range [...]uint32{z.Serial, z.Refresh, z.Retry, z.Expire, z.TTL} {
		data = binary.BigEndian.AppendUint32(data, n)
	}
	return data
}

// ttlOf is the TTL of our own records of a name that say none themselves.
func (p *policy) ttlOf(name []byte) uint32 {
	for len(p.ttls) > 0 {
		if ttl, ok := p.ttls[string(name)]; ok {
			return ttl
		}
		if isRoot(name) {
			break
		}
		name = parent(name)
	}
	return p.ttl
}

// A shapedHost is the host's upstreams as one configuration uses them.
type shapedHost struct{ base, group *group }

// hostGroup returns the host's upstreams, after those of the configuration,
// with its shape.
func (p *policy) hostGroup(up *Resolver) *group {
	base := up.host.Load()
	if p.shape.key == "" && len(p.first) == 0 {
		return base
	}
	if h := p.shaped.Load(); h != nil && h.base == base {
		return h.group
	}
	servers := append([]netip.AddrPort(nil), p.first...)
	for _, s := range base.servers {
		servers = append(servers, s.addr)
	}
	g := up.shapedGroup(servers, p.shape)
	p.shaped.Store(&shapedHost{base, g})
	return g
}

// literal is the whole answer of addresses that a domain's names all have.
func (r *reply) literal(q *query, addrs []netip.Addr) []byte {
	r.start(q, flagAA, codec.RcodeSuccess)
	for _, a := range addrs {
		if !r.address(q, target{addr: a}) {
			return r.status(q, flagAA|flagTC, codec.RcodeSuccess)
		}
	}
	return r.finish(q, codec.RcodeSuccess)
}

// addMentioned adds the addresses of names that the answer leads to, as far as
// there is room (RFC 1035 §3.3.9, RFC 2782).
func (v *view) addMentioned(q *query, r *reply) {
	r.additional = true
	for _, m := range r.mentions[:r.mentioned] {
		o := v.records.find(bytesOf(m.target))
		if o == nil {
			continue
		}
		r.owner = m.at
		for _, six := range [...]bool{false, true} {
			for i := range o.given {
				if t, ok := o.target(i, six); ok {
					r.address(q, t)
				}
			}
		}
	}
}
