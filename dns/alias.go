package dns

import (
	"strings"

	codec "github.com/miekg/dns"
)

// maxAliases is how many aliases of ours lead to one another; more are a loop.
const maxAliases = 10

// An alias is a CNAME's target, in wire form.
type alias struct {
	shown, folded string
	ttl           uint32
}

func (p *policy) addAliases(cfg Config) {
	p.aliases, p.wild = map[string]alias{}, map[string]alias{}
	for _, c := range cfg.CNAMEs {
		below, isWild := strings.CutPrefix(c.Name, "*.")
		name, ok := foldedName(below)
		target, ok2 := wireName(c.Target)
		if !ok || !ok2 {
			continue
		}
		a := alias{target, fold(target), c.TTL}
		if isWild {
			p.wild[name] = a
		} else {
			p.aliases[name] = a
		}
		p.existAbove(name)
	}
}

// alias returns the alias that a name is: its own, or that of all names below
// one above it if nothing else is known of it (RFC 4592).
func (v *view) alias(name []byte) (a alias, ok bool) {
	p := v.policy
	if a, ok = p.aliases[string(name)]; ok || len(p.wild) == 0 || v.knows(name) {
		return a, ok
	}
	for !isRoot(name) {
		name = parent(name)
		if a, ok = p.wild[string(name)]; ok {
			return a, true
		}
	}
	return a, false
}

// knows tells whether a name exists by records of its own.
func (v *view) knows(name []byte) bool {
	if _, ok := v.policy.static[string(name)]; ok {
		return true
	}
	return v.records.find(name) != nil || v.hostsOwner(name) != nil
}

// alias appends a CNAME of the owner; what follows is its target's.
func (r *reply) alias(q *query, a alias) (fits bool) {
	if !r.record(q, codec.TypeCNAME, a.ttl, len(a.shown)) {
		return false
	}
	r.owner = len(r.buf)
	r.buf = append(r.buf, a.shown...)
	return true
}
