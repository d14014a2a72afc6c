package dns

import (
	"bytes"
	"encoding/binary"
	"time"

	codec "github.com/miekg/dns"
)

// Most answers of upstreams are addresses, with or without aliases before
// them, or denials. These are checked and packed here, in one pass and without
// garbage; what has anything else in it takes the codec's way (newEntry). Both
// ways keep the same records (TestQuickAndThoroughEntriesSayTheSame).

// A packer writes a message anew, names compressed (RFC 1035 §4.1.4). It has
// no slices of itself, so that it stays on the stack.
type packer struct {
	out    [packerSize]byte
	size   int // of the message in out
	ttls   [maxRecords]uint16
	rrs    int
	chain  [maxAliases]span // the question's name and its aliases' targets
	links  int
	known  [maxKnown]suffix
	n      int
	folded [packerSize]byte // the names in chain and known
	used   int
}

// What a packer has room for.
const (
	packerSize = 1536
	maxRecords = 64
	maxKnown   = 32
)

// A span is where a name lies in folded.
type span struct{ from, to int }

// A suffix is a name that is in the message at an offset.
type suffix struct {
	off int
	span
}

// at returns the name in a span.
func (p *packer) at(s span) []byte { return p.folded[s.from:s.to] }

// quickEntry makes an entry of resp, an upstream's response to q that has its
// question. It returns nil when the response is not of the usual kind, or not
// well-formed.
func quickEntry(q *query, resp []byte, now time.Time) *entry {
	rcode := int(resp[3] & rcodeMask)
	if q.do || q.qclass != codec.ClassINET || rcode != codec.RcodeSuccess && rcode != codec.RcodeNameError {
		return nil
	}
	var p packer
	life, ok := p.pack(q, resp, rcode)
	if !ok {
		return nil
	}
	e := &entry{msg: bytes.Clone(p.out[:p.size]), ttls: append([]uint16(nil), p.ttls[:p.rrs]...), stored: now}
	e.expires = now.Add(life)
	return e
}

// pack writes the message and returns how long it may be kept.
func (p *packer) pack(q *query, resp []byte, rcode int) (life time.Duration, ok bool) {
	p.size = copy(p.out[:headerLen], resp[:4]) + headerLen - 4
	name, ok := p.keep(q.name)
	if !ok || binary.BigEndian.Uint16(resp[4:]) != 1 {
		return 0, false
	}
	p.chain[0], p.links = name, 1
	p.name(q.name, name)
	p.add(q.raw[len(q.name):])
	answers, least, typed, off := p.answers(q, resp, headerLen+len(q.raw))
	if off < 0 {
		return 0, false
	}
	denials, negative, off := p.authority(resp, off)
	if off < 0 || !skipsRRs(resp, off, binary.BigEndian.Uint16(resp[10:])) {
		return 0, false
	}
	p.out[5] = 1
	binary.BigEndian.PutUint16(p.out[6:], answers)
	binary.BigEndian.PutUint16(p.out[8:], denials)
	if rcode == codec.RcodeNameError || !typed {
		least = min(least, negative, uint32(maxNegativeTTL/time.Second))
	}
	return time.Duration(least) * time.Second, true
}

// answers writes the answers of the chain. It returns how many, their least
// TTL, whether one has the type asked for, and the offset after them: -1 if
// something is unusual.
func (p *packer) answers(q *query, resp []byte, off int) (n uint16, least uint32, typed bool, end int) {
	least = uint32(maxTTL / time.Second)
	for range binary.BigEndian.Uint16(resp[6:]) {
		var buf [maxName]byte
		owner, r, ok := readOwned(resp, off, &buf)
		if !ok || r.class != codec.ClassINET {
			return 0, 0, false, -1
		}
		off = r.end
		link := p.link(owner)
		if link < 0 && r.qtype != codec.TypeDNAME && r.qtype != codec.TypeRRSIG {
			continue // not what was asked for
		}
		ttl := boundedTTL(r.ttl)
		if link < 0 || !p.answer(resp, owner, r, ttl) {
			return 0, 0, false, -1
		}
		n++
		least = min(least, ttl)
		typed = typed || r.qtype == q.qtype
	}
	return n, least, typed, off
}

// answer writes one answer of a usual type.
func (p *packer) answer(resp, owner []byte, r rr, ttl uint32) bool {
	switch {
	case r.qtype == codec.TypeA && len(r.data) == 4, r.qtype == codec.TypeAAAA && len(r.data) == 16:
		return p.head(owner, r.qtype, ttl) && p.data(r.data)
	case r.qtype == codec.TypeCNAME && p.links < maxAliases:
		var buf [maxName]byte
		target, end := expand(resp, r.end-len(r.data), &buf)
		if target == nil || end != r.end || !p.head(owner, r.qtype, ttl) {
			return false
		}
		kept, ok := p.keep(target)
		if !ok || !p.named(target, kept) {
			return false
		}
		p.chain[p.links] = kept
		p.links++
		return true
	}
	return false
}

// authority writes the SOA of zones that hold a name of the chain. It returns
// how many, and how long a denial may be kept by the first of them.
func (p *packer) authority(resp []byte, off int) (n uint16, negative uint32, end int) {
	for range binary.BigEndian.Uint16(resp[8:]) {
		var buf [maxName]byte
		owner, r, ok := readOwned(resp, off, &buf)
		if !ok || r.qtype != codec.TypeSOA || r.class != codec.ClassINET || n > 0 {
			return 0, 0, -1
		}
		off = r.end
		if !p.below(owner) {
			continue
		}
		ttl := boundedTTL(r.ttl)
		least, ok := p.soa(resp, owner, r, ttl)
		if !ok {
			return 0, 0, -1
		}
		n, negative = 1, min(ttl, least)
	}
	return n, negative, off
}

// soa writes an SOA and returns its last field (RFC 2308 §4).
func (p *packer) soa(resp, owner []byte, r rr, ttl uint32) (least uint32, ok bool) {
	const numbers = 20
	var server, mailbox [maxName]byte
	at := r.end - len(r.data)
	s, at := expand(resp, at, &server)
	if s == nil {
		return 0, false
	}
	m, at := expand(resp, at, &mailbox)
	if m == nil || at+numbers != r.end || !p.head(owner, r.qtype, ttl) || !p.fits(2) {
		return 0, false
	}
	sizeAt := p.size
	p.add16(0)
	for _, name := range [...][]byte{s, m} {
		kept, ok := p.keep(name)
		if !ok || !p.fits(len(name)) {
			return 0, false
		}
		p.name(name, kept)
	}
	if !p.fits(numbers) {
		return 0, false
	}
	p.add(resp[at:r.end])
	binary.BigEndian.PutUint16(p.out[sizeAt:], uint16(p.size-sizeAt-2))
	return binary.BigEndian.Uint32(resp[r.end-4:]), true
}

// fits tells whether there is room for n more bytes; what adds looks first.
func (p *packer) fits(n int) bool { return p.size+n <= packerSize }

func (p *packer) add(b []byte) { p.size += copy(p.out[p.size:], b) }

func (p *packer) add16(v uint16) {
	binary.BigEndian.PutUint16(p.out[p.size:], v)
	p.size += 2
}

// keep makes a folded copy of a name that lasts.
func (p *packer) keep(name []byte) (kept span, ok bool) {
	if p.used+len(name) > packerSize {
		return kept, false
	}
	kept = span{p.used, p.used + len(name)}
	for i, c := range name {
		p.folded[kept.from+i] = lower(c)
	}
	p.used = kept.to
	return kept, true
}

// head writes the record's head up to its length.
func (p *packer) head(owner []byte, qtype uint16, ttl uint32) bool {
	kept, ok := p.keep(owner)
	if !ok || !p.fits(len(owner)+8) || p.rrs == maxRecords {
		return false
	}
	p.name(owner, kept)
	p.add16(qtype)
	p.add16(codec.ClassINET)
	p.ttls[p.rrs] = uint16(p.size)
	p.rrs++
	p.add16(uint16(ttl >> 16))
	p.add16(uint16(ttl))
	return true
}

// data writes the record's length and data.
func (p *packer) data(data []byte) bool {
	if !p.fits(2 + len(data)) {
		return false
	}
	p.add16(uint16(len(data)))
	p.add(data)
	return true
}

// named is data for a name.
func (p *packer) named(name []byte, kept span) bool {
	if !p.fits(2 + len(name)) {
		return false
	}
	at := p.size
	p.add16(0)
	p.name(name, kept)
	binary.BigEndian.PutUint16(p.out[at:], uint16(p.size-at-2))
	return true
}

// name writes a name, of which kept is the folded copy.
func (p *packer) name(name []byte, kept span) {
	for i := 0; name[i] != 0; i += 1 + int(name[i]) {
		rest := span{kept.from + i, kept.to}
		for _, k := range p.known[:p.n] {
			if bytes.Equal(p.at(k.span), p.at(rest)) {
				p.add16(0xc000 | uint16(k.off))
				return
			}
		}
		if p.n < maxKnown {
			p.known[p.n] = suffix{p.size, rest}
			p.n++
		}
		p.add(name[i : i+1+int(name[i])])
	}
	p.out[p.size] = 0
	p.size++
}

// link is a name's place in the chain, or -1.
func (p *packer) link(name []byte) int {
	for i, c := range p.chain[:p.links] {
		if equalFold(p.at(c), name) {
			return i
		}
	}
	return -1
}

// below tells whether a name of the chain is the zone or below it.
func (p *packer) below(zone []byte) bool {
	for _, s := range p.chain[:p.links] {
		c := p.at(s)
		for len(c) > len(zone) {
			c = parent(c)
		}
		if equalFold(c, zone) {
			return true
		}
	}
	return false
}

// equalFold compares a folded name with any.
func equalFold(folded, name []byte) bool {
	if len(folded) != len(name) {
		return false
	}
	for i, c := range name {
		if lower(c) != folded[i] {
			return false
		}
	}
	return true
}

// readOwned reads a record and its owner's name.
func readOwned(msg []byte, off int, buf *[maxName]byte) (owner []byte, r rr, ok bool) {
	if owner, _ = expand(msg, off, buf); owner == nil {
		return nil, r, false
	}
	r, ok = readRR(msg, off)
	return owner, r, ok
}

// skipsRRs tells whether msg holds n records from off.
func skipsRRs(msg []byte, off int, n uint16) bool {
	for range n {
		r, ok := readRR(msg, off)
		if !ok {
			return false
		}
		off = r.end
	}
	return true
}

// expand returns the name at off without compression, in buf, and the offset
// after it. It returns nil if that is no name: pointers must lead backwards.
func expand(msg []byte, off int, buf *[maxName]byte) (name []byte, end int) {
	name, end, limit := buf[:0], -1, off
	for off < len(msg) {
		n := int(msg[off])
		switch {
		case n == 0:
			if end < 0 {
				end = off + 1
			}
			return append(name, 0), end
		case n >= 0xc0:
			if off+2 > len(msg) {
				return nil, -1
			}
			if end < 0 {
				end = off + 2
			}
			if off = n&0x3f<<8 | int(msg[off+1]); off >= limit {
				return nil, -1
			}
			limit = off
			continue
		case n > maxLabel, off+1+n > len(msg), len(name)+1+n >= maxName:
			return nil, -1
		}
		name = append(name, msg[off:off+1+n]...)
		off += 1 + n
	}
	return nil, -1
}
