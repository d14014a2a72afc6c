package dns

import (
	"bytes"
	"time"
	"unsafe"

	codec "github.com/miekg/dns"
)

// A view is all that an answer depends on, at one moment.
type view struct {
	policy  *policy
	records *Records
	up      *Resolver
}

// A missing says what an answer lacks: where to ask, and what is known.
type missing struct {
	from   *group
	exists bool // the name exists here, without data of that type
}

// answer answers q from what we know: our own names, the hosts file and the
// cache. If that is not enough, it returns where to ask. It allocates nothing
// but what r.buf lacks.
func (v *view) answer(q *query, r *reply, now time.Time) (packed []byte, ask missing) {
	if rcode := refusal(q); rcode != 0 {
		return r.status(q, 0, rcode), ask
	}
	r.start(q, flagAA, codec.RcodeSuccess)
	r.localTTL = v.policy.ttlOf(q.name)
	found, fits := v.local(q, r)
	switch {
	case !fits:
		return r.status(q, flagAA|flagTC, codec.RcodeSuccess), ask
	case r.answers > 0:
		v.addMentioned(q, r)
		return r.finish(q, codec.RcodeSuccess), ask
	case found == ownsAll:
		return r.status(q, flagAA, codec.RcodeSuccess), ask
	}
	return v.remote(q, r, now, found != unknown)
}

// refusal is the code for what is never answered: all classes but IN
// (dnsmasq says NOTIMP, too), zone transfers, the types that are about
// transport, and ANY, whose answers are good for reflection only (RFC 8482).
func refusal(q *query) int {
	switch {
	case q.qclass != codec.ClassINET:
		return codec.RcodeNotImplemented
	case q.qtype >= codec.TypeTKEY && q.qtype <= codec.TypeANY, q.qtype == codec.TypeOPT, q.qtype == 0:
		return codec.RcodeRefused
	}
	return 0
}

// What is known of a name.
type knowledge int

const (
	unknown knowledge = iota
	exists            // but others may know more of it
	ownsAll           // there is nothing but what we know
)

// local writes what we know of the question into r. Fits is false when that
// is too much.
func (v *view) local(q *query, r *reply) (found knowledge, fits bool) {
	found, fits = v.localName(q, r)
	if found == unknown {
		return v.localPointer(q, r)
	}
	return found, fits
}

// localName follows our aliases to the name whose records answer q.
func (v *view) localName(q *query, r *reply) (found knowledge, fits bool) {
	name := q.name
	for range maxAliases {
		a, ok := v.alias(name)
		if !ok {
			break
		}
		if !r.alias(q, a) {
			return ownsAll, false
		}
		if q.qtype == codec.TypeCNAME {
			return ownsAll, true
		}
		name = bytesOf(a.folded)
	}
	found, fits = v.atName(q, r, name)
	if r.answers > 0 {
		found = ownsAll
	}
	return found, fits
}

// atName writes what we know of the type asked for at name.
func (v *view) atName(q *query, r *reply, name []byte) (found knowledge, fits bool) {
	statics, here := v.policy.static[string(name)]
	for _, s := range statics {
		if s.qtype == q.qtype && !r.raw(q, s) {
			return ownsAll, false
		}
	}
	o := v.records.find(name)
	fromHosts := o == nil || len(o.given) == 0
	if fromHosts {
		o = or(v.hostsOwner(name), o)
	}
	if o == nil {
		if !here {
			return unknown, true
		}
		return v.known(q, len(statics) > 0, false), true
	}
	if !v.addresses(q, r, o, fromHosts && !isLocalhost(name)) {
		return ownsAll, false
	}
	return v.known(q, len(statics) > 0, len(o.given) > 0), true
}

func or(a, b *owner) *owner {
	if a != nil {
		return a
	}
	return b
}

// known weighs a name that exists here, by static records, by addresses, or
// only by names below it. With addresses, nobody else is asked for the types
// that are about them.
func (v *view) known(q *query, static, addressed bool) knowledge {
	switch {
	case addressed && aboutAddress(q.qtype):
		return ownsAll
	case (addressed || static) && v.policy.ours(q.name):
		return ownsAll
	}
	return exists
}

func aboutAddress(qtype uint16) bool {
	switch qtype {
	case codec.TypeA, codec.TypeAAAA, codec.TypeHTTPS, codec.TypeSVCB:
		return true
	}
	return false
}

// hostsOwner looks in the hosts files.
func (v *view) hostsOwner(name []byte) *owner {
	for _, f := range v.policy.files {
		if o := f.find(name); o != nil {
			return o
		}
	}
	if v.policy.noHosts {
		return nil
	}
	return v.hostHostsOwner(name)
}

// hostHostsOwner looks in the host's own file, for bare names also with our
// domain (dnsmasq's expand-hosts).
func (v *view) hostHostsOwner(name []byte) *owner {
	hosts := v.up.hosts.Load()
	if o := hosts.find(name); o != nil {
		return o
	}
	domain := v.policy.domain
	if domain == "" || !bytes.HasSuffix(name, bytesOf(domain)) {
		return nil
	}
	var bare [maxLabel + 2]byte
	n := len(name) - len(domain)
	if n == 0 || n != int(name[0])+1 {
		return nil
	}
	copy(bare[:], name[:n])
	return hosts.find(bare[:n+1])
}

// bytesOf is s for reading.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// addresses writes o's addresses of the type asked for. With notUs, loopback
// addresses do not mean the guest.
func (v *view) addresses(q *query, r *reply, o *owner, notUs bool) (fits bool) {
	if notUs && onlyLoopback(o) {
		return v.hostItself(q, r)
	}
	if q.qtype != codec.TypeA && q.qtype != codec.TypeAAAA {
		return true
	}
	for i := range o.given {
		if t, ok := o.target(i, q.qtype == codec.TypeAAAA); ok && !r.address(q, t) {
			return false
		}
	}
	return true
}

// onlyLoopback tells whether a name of the hosts file is the host's own, as
// Debian writes it ("127.0.1.1 myhost"): to a guest, that address would mean
// the guest.
func onlyLoopback(o *owner) bool {
	for _, g := range o.given {
		if !g.addr.IsLoopback() {
			return false
		}
	}
	return len(o.given) > 0
}

// isLocalhost tells whether name is one of the names that mean the asker
// itself, by RFC 6761 or by the custom of hosts files.
func isLocalhost(name []byte) bool {
	for _, prefix := range []string{"\x09localhost", "\x0dip6-localhost", "\x0cip6-loopback"} {
		if bytes.HasPrefix(name, bytesOf(prefix)) {
			return true
		}
	}
	return false
}

// hostItself answers with the bridge's addresses: there a guest reaches the
// host.
func (v *view) hostItself(q *query, r *reply) (fits bool) {
	for _, a := range v.policy.addrs {
		wants := (q.qtype == codec.TypeA && a.Is4()) || (q.qtype == codec.TypeAAAA && a.Is6())
		if wants && !a.IsLinkLocalUnicast() && !r.address(q, target{addr: a}) {
			return false
		}
	}
	return true
}

// localPointer answers reverse look-ups of addresses that we know.
func (v *view) localPointer(q *query, r *reply) (found knowledge, fits bool) {
	p, ok := reversed(q.name)
	if !ok || !p.IsSingleIP() {
		if ok && v.policy.inSubnets(q.name) {
			return exists, true // a zone of ours: it exists, and has no PTR
		}
		return unknown, true
	}
	names, domain := v.records.pointers(p.Addr()), ""
	for _, f := range v.policy.files {
		if len(names) == 0 {
			names = f.pointers(p.Addr())
		}
	}
	if len(names) == 0 && !v.policy.noHosts {
		names, domain = v.up.hosts.Load().pointers(p.Addr()), v.policy.domain
	}
	switch {
	case len(names) == 0:
		return unknown, true
	case q.qtype != codec.TypePTR:
		return ownsAll, true
	}
	return ownsAll, r.pointer(q, names[0], domain)
}

// remote answers what we do not know ourselves: from the cache, or by saying
// whom to ask.
func (v *view) remote(q *query, r *reply, now time.Time, exists bool) (packed []byte, ask missing) {
	z := v.policy.route(q.name, q.qtype)
	exists = exists || v.policy.hasLiteral(q.name)
	if addrs := z.literal(q.qtype); len(addrs) > 0 {
		return r.literal(q, addrs), ask
	}
	if z.local {
		if exists || v.emptyZone(q.name) {
			return r.status(q, 0, codec.RcodeSuccess), ask
		}
		return r.status(q, 0, codec.RcodeNameError), ask
	}
	g := z.to
	if z.host {
		g = v.policy.hostGroup(v.up)
	}
	if g == nil || len(g.servers) == 0 {
		if exists {
			return r.status(q, 0, codec.RcodeSuccess), ask
		}
		return r.status(q, 0, codec.RcodeRefused), ask
	}
	if e := v.up.cached(g, q, now); e != nil {
		r.cached = true
		return e.appendReply(r, q, now, !exists), ask
	}
	return nil, missing{g, exists}
}

// emptyZone tells whether name is the network's domain, or above one of our
// reverse names: such a name exists without data.
func (v *view) emptyZone(name []byte) bool {
	if string(name) == v.policy.domain {
		return true
	}
	p, ok := reversed(name)
	return ok && !p.IsSingleIP()
}

// raw, address and pointer append records; they return false when there is
// no room.

func (r *reply) raw(q *query, s static) bool {
	if !r.record(q, s.qtype, s.ttl, len(s.data)) {
		return false
	}
	r.buf = append(r.buf, s.data...)
	if at := len(r.buf) - len(s.target); s.target != "" && r.mentioned < maxMentions && at <= maxPointer {
		r.mentions[r.mentioned] = mention{at, s.target}
		r.mentioned++
	}
	return true
}

func (r *reply) address(q *query, t target) bool {
	if t.addr.Is4() {
		b := t.addr.As4()
		if !r.record(q, codec.TypeA, t.ttl, len(b)) {
			return false
		}
		r.buf = append(r.buf, b[:]...)
		return true
	}
	b := t.addr.As16()
	if !r.record(q, codec.TypeAAAA, t.ttl, len(b)) {
		return false
	}
	r.buf = append(r.buf, b[:]...)
	return true
}

// pointer appends p's name, a bare one with domain.
func (r *reply) pointer(q *query, p pointer, domain string) bool {
	name, end := p.name, ""
	if domain != "" && isPlain(name) && len(name)+len(domain) <= maxName {
		name, end = name[:len(name)-1], domain
	}
	if !r.record(q, codec.TypePTR, p.ttl, len(name)+len(end)) {
		return false
	}
	r.buf = append(append(r.buf, name...), end...)
	return true
}
