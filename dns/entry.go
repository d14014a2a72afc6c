package dns

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	codec "github.com/miekg/dns"
)

// An entry is an upstream's answer, checked and packed so that a reply is a
// copy of it with other TTLs. It is immutable once made, but for what the cache
// notes in it.
type entry struct {
	key     string // in the cache
	prev    *entry // there, by use
	next    *entry
	msg     []byte   // header, question in lower case, records; no OPT
	ttls    []uint16 // offsets of the TTLs in msg
	stored  time.Time
	expires time.Time // stored, if it must not be cached
	// disarmed says that it was emptied because it led to a private address.
	disarmed bool
}

const (
	maxTTL = 24 * time.Hour
	// maxNegativeTTL is RFC 2308 §5's.
	maxNegativeTTL = 3 * time.Hour
	// failureTTL keeps a failing name from being asked for at the rate of its
	// clients (RFC 9520 asks for at least a second).
	failureTTL = time.Second
)

// size is what e costs the cache, in bytes.
func (e *entry) size() int {
	return len(e.key) + len(e.msg) + 2*len(e.ttls) + entryOverhead
}

// cacheable tells whether e outlives its arrival.
func (e *entry) cacheable() bool { return e.expires.After(e.stored) }

// appendReply writes the answer to q into r, TTLs counted down to now.
// nxdomainOK is false for names that exist here all the same: then the name
// exists and has no data.
func (e *entry) appendReply(r *reply, q *query, now time.Time, nxdomainOK bool) []byte {
	flags := binary.BigEndian.Uint16(e.msg[2:])
	rcode := int(flags & rcodeMask)
	if rcode == codec.RcodeNameError && !nxdomainOK {
		rcode = codec.RcodeSuccess
	}
	flags &= flagAD
	if !q.wantsAD() {
		flags = 0
	}
	r.start(q, flags, rcode)
	rest := e.msg[headerLen+len(q.raw):]
	if !r.room(q, len(rest)) {
		return r.status(q, flags|flagTC, rcode)
	}
	base := len(r.buf) - headerLen - len(q.raw)
	r.buf = append(r.buf, rest...)
	age := uint32(max(0, now.Sub(e.stored)) / time.Second)
	for _, offset := range e.ttls {
		at := int(offset)
		ttl := binary.BigEndian.Uint32(r.buf[base+at:])
		binary.BigEndian.PutUint32(r.buf[base+at:], ttl-min(ttl, age))
	}
	r.answers = binary.BigEndian.Uint16(e.msg[6:])
	copy(r.buf[8:10], e.msg[8:10])
	return r.finish(q, rcode)
}

// failed is the entry for a query that no upstream answered.
func failed(q *query, now time.Time) *entry {
	e := &entry{msg: make([]byte, headerLen, headerLen+len(q.raw)), stored: now, expires: now.Add(failureTTL)}
	binary.BigEndian.PutUint16(e.msg[2:], codec.RcodeServerFailure)
	e.msg = append(append(e.msg, q.name...), q.raw[len(q.name):]...)
	return e
}

// newEntry makes an entry of resp, an upstream's response to q that has its
// question: records that do not belong to the question are dropped.
func newEntry(q *query, resp []byte, now time.Time, shape *shaping) (*entry, error) {
	if shape.key == "" {
		if e := quickEntry(q, resp, now); e != nil {
			return e, nil
		}
	}
	return thoroughEntry(q, resp, now, shape)
}

// thoroughEntry is newEntry for whatever is in resp.
func thoroughEntry(q *query, resp []byte, now time.Time, shape *shaping) (*entry, error) {
	// The codec takes a message that ends early for one with less in it.
	if _, err := ttlOffsets(resp); err != nil {
		return nil, fmt.Errorf("parse response: %w", err)
	}
	var m codec.Msg
	if err := m.Unpack(resp); err != nil {
		return nil, fmt.Errorf("parse response: %w", err)
	}
	if len(m.Question) != 1 {
		return nil, errors.New("response without its question")
	}
	m.Question[0].Name = strings.ToLower(m.Question[0].Name)
	chain := keepAnswers(&m)
	keepAuthority(&m, chain, q.do)
	m.Extra = nil
	m.Compress = true
	ttl, disarmed := shape.apply(&m, q)
	msg, err := repack(&m)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(msg[headerLen:], q.name) {
		return nil, errors.New("response to another question")
	}
	e := &entry{msg: msg, stored: now, expires: now.Add(ttl), disarmed: disarmed}
	e.ttls, err = ttlOffsets(msg)
	return e, err
}

// repack packs m and makes sure that others can read it: the codec lets
// records pass that end before their last fields.
func repack(m *codec.Msg) ([]byte, error) {
	msg, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("pack response: %w", err)
	}
	if err := new(codec.Msg).Unpack(msg); err != nil {
		return nil, fmt.Errorf("malformed record in response: %w", err)
	}
	return msg, nil
}

// maxChain is how many names an upstream's CNAMEs may lead over: resolvers follow
// no more than a dozen. Without an end, one response could take a second.
const maxChain = 16

// keepAnswers drops the answers that are not on the way of CNAMEs and DNAMEs
// from the question's name, and returns the names on it.
func keepAnswers(m *codec.Msg) (chain []string) {
	chain = []string{m.Question[0].Name}
	kept := m.Answer[:0]
	for _, rr := range m.Answer {
		h := rr.Header()
		if h.Class != codec.ClassINET || !onChain(chain, rr) {
			continue
		}
		kept = append(kept, rr)
		if c, ok := rr.(*codec.CNAME); ok && len(chain) < maxChain {
			chain = append(chain, c.Target)
		}
	}
	m.Answer = kept
	return chain
}

// onChain tells whether rr says something of a name in chain.
func onChain(chain []string, rr codec.RR) bool {
	owner := rr.Header().Name
	for _, name := range chain {
		if strings.EqualFold(owner, name) {
			return true
		}
		if above(rr) && codec.IsSubDomain(owner, name) {
			return true
		}
	}
	return false
}

// above tells whether rr may have a name above the one it is about: a DNAME,
// and what signs it.
func above(rr codec.RR) bool {
	if sig, ok := rr.(*codec.RRSIG); ok {
		return sig.TypeCovered == codec.TypeDNAME
	}
	return rr.Header().Rrtype == codec.TypeDNAME
}

// keepAuthority keeps of the authority section the SOA and NS of zones that
// hold a name in chain, and for those who verify (do) what proves a denial.
func keepAuthority(m *codec.Msg, chain []string, do bool) {
	kept := m.Ns[:0]
	for _, rr := range m.Ns {
		switch rr.Header().Rrtype {
		case codec.TypeSOA, codec.TypeNS:
			if !holdsAny(rr.Header().Name, chain) {
				continue
			}
		case codec.TypeNSEC, codec.TypeNSEC3, codec.TypeRRSIG, codec.TypeDS:
			if !do {
				continue
			}
		default:
			continue
		}
		kept = append(kept, rr)
	}
	m.Ns = kept
}

func holdsAny(zone string, names []string) bool {
	for _, n := range names {
		if codec.IsSubDomain(zone, n) {
			return true
		}
	}
	return false
}

// lifetime is how long the response may be kept: the least TTL of its
// answers, or what its SOA allows for denials (RFC 2308 §5). It also brings
// the TTLs within bounds.
func lifetime(m *codec.Msg) time.Duration {
	for _, rr := range append(append([]codec.RR(nil), m.Answer...), m.Ns...) {
		rr.Header().Ttl = boundedTTL(rr.Header().Ttl)
	}
	switch {
	case m.Rcode != codec.RcodeSuccess && m.Rcode != codec.RcodeNameError:
		return failureTTL
	case m.Rcode == codec.RcodeNameError || !answersType(m):
		return negativeLifetime(m)
	}
	least := maxTTL
	for _, rr := range m.Answer {
		least = min(least, time.Duration(rr.Header().Ttl)*time.Second)
	}
	return least
}

// boundedTTL reads values with the top bit set as zero (RFC 2181 §8).
func boundedTTL(ttl uint32) uint32 {
	if ttl > 1<<31-1 {
		return 0
	}
	return min(ttl, uint32(maxTTL/time.Second))
}

// answersType tells whether there is an answer of the type asked for, and not
// just CNAMEs that lead nowhere.
func answersType(m *codec.Msg) bool {
	for _, rr := range m.Answer {
		if rr.Header().Rrtype == m.Question[0].Qtype {
			return true
		}
	}
	return false
}

// negativeLifetime is zero without an SOA.
func negativeLifetime(m *codec.Msg) time.Duration {
	for _, rr := range m.Ns {
		soa, ok := rr.(*codec.SOA)
		if !ok {
			continue
		}
		ttl := min(soa.Hdr.Ttl, soa.Minttl)
		for _, rr := range m.Answer {
			ttl = min(ttl, rr.Header().Ttl)
		}
		return min(time.Duration(ttl)*time.Second, maxNegativeTTL)
	}
	return 0
}

// ttlOffsets finds the TTLs in a message; one that does not hold all that its
// header says is an error.
func ttlOffsets(msg []byte) ([]uint16, error) {
	off := skipName(msg, headerLen)
	if off < 0 {
		return nil, errors.New("bad question")
	}
	off += 4
	var ttls []uint16
	for section := 6; section < headerLen; section += 2 {
		for range binary.BigEndian.Uint16(msg[section:]) {
			r, ok := readRR(msg, off)
			if !ok {
				return nil, errors.New("bad record")
			}
			ttls = append(ttls, uint16(r.ttlAt))
			off = r.end
		}
	}
	return ttls, nil
}
