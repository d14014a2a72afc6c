package dns

import (
	"encoding/binary"

	codec "github.com/miekg/dns"
)

// Header bits (RFC 1035 §4.1.1, RFC 4035 §3).
const (
	flagQR = 1 << 15
	flagAA = 1 << 10
	flagTC = 1 << 9
	flagRD = 1 << 8
	flagRA = 1 << 7
	flagAD = 1 << 5
	flagCD = 1 << 4

	opcodeMask = 0xf << 11
	rcodeMask  = 0xf

	headerLen = 12
	optLen    = 11 // an OPT record without options

	ednsDO = 1 << 15

	// udpSize is the largest UDP message that we send or ask for: it passes
	// every link without fragments (the value of DNS flag day 2020).
	udpSize = 1232
	// plainSize is the limit for clients without EDNS (RFC 1035 §4.2.1).
	plainSize = 512
)

// A query is a parsed request. The zero value is ready for parse, which
// allocates nothing.
type query struct {
	id, flags     uint16
	qtype, qclass uint16
	raw           []byte // the question as sent, in the packet
	name          []byte // folded, in buf
	edns, do      bool
	tcp           bool // set by the caller
	limit         int  // the largest reply
	buf           [maxName]byte
}

// rcodeSilence is parse's verdict on what deserves no answer.
const rcodeSilence = -1

// parse reads a request and returns the code to refuse it with: 0 if it is
// fine, rcodeSilence if it must not be answered (too short, or a response).
func (q *query) parse(pkt []byte) int {
	q.raw, q.name, q.edns, q.do, q.limit = nil, nil, false, false, plainSize
	if q.tcp {
		q.limit = maxTCP
	}
	if len(pkt) < headerLen {
		return rcodeSilence
	}
	q.id = binary.BigEndian.Uint16(pkt)
	q.flags = binary.BigEndian.Uint16(pkt[2:])
	switch {
	case q.flags&flagQR != 0:
		return rcodeSilence
	case q.flags&opcodeMask != 0:
		return codec.RcodeNotImplemented
	case binary.BigEndian.Uint16(pkt[4:]) != 1 || binary.BigEndian.Uint32(pkt[6:]) != 0:
		return codec.RcodeFormatError
	}
	end := q.parseQuestion(pkt)
	if end < 0 {
		return codec.RcodeFormatError
	}
	return q.parseAdditional(pkt, end)
}

// parseQuestion returns the offset after the question, or -1.
func (q *query) parseQuestion(pkt []byte) int {
	off := headerLen
	for {
		if off >= len(pkt) {
			return -1
		}
		n := int(pkt[off])
		if n == 0 {
			break
		}
		// A question has nothing before it that a pointer could mean.
		if n > maxLabel || off+n+1 >= headerLen+maxName {
			return -1
		}
		off += 1 + n
	}
	off++
	if off+4 > len(pkt) {
		return -1
	}
	q.name = q.buf[:off-headerLen]
	for i, c := range pkt[headerLen:off] {
		q.buf[i] = lower(c)
	}
	q.qtype = binary.BigEndian.Uint16(pkt[off:])
	q.qclass = binary.BigEndian.Uint16(pkt[off+2:])
	q.raw = pkt[headerLen : off+4]
	return off + 4
}

// parseAdditional looks for EDNS (RFC 6891); other records are skipped.
func (q *query) parseAdditional(pkt []byte, off int) int {
	for range binary.BigEndian.Uint16(pkt[10:]) {
		r, ok := readRR(pkt, off)
		if !ok {
			return codec.RcodeFormatError
		}
		off = r.end
		if r.qtype != codec.TypeOPT {
			continue
		}
		if q.edns { // more than one: RFC 6891 §6.1.1
			return codec.RcodeFormatError
		}
		q.edns = true
		q.do = r.ttl&ednsDO != 0
		if !q.tcp {
			q.limit = min(max(int(r.class), plainSize), udpSize)
		}
		if r.ttl>>16&0xff != 0 {
			return codec.RcodeBadVers
		}
	}
	return 0
}

// wantsAD tells whether the client understands the AD bit (RFC 6840 §5.7).
func (q *query) wantsAD() bool { return q.do || q.flags&flagAD != 0 }

// A reply is a response under construction at the start of buf.
type reply struct {
	buf            []byte
	answers, added uint16
	owner          int    // offset of the name that the next records are of
	localTTL       uint32 // of our own names that say none
	additional     bool   // the next records are additional ones
	cached         bool   // it is the cache's
	mentions       [maxMentions]mention
	mentioned      int
}

// A mention is a name in an answer's data whose addresses the client will
// need next.
type mention struct {
	at     int
	target string // folded
}

// maxMentions bounds the names whose addresses are added.
const maxMentions = 8

// maxPointer is the last offset that a compression pointer can mean
// (RFC 1035 §4.1.4).
const maxPointer = 0x3fff

// start writes the header and the question.
func (r *reply) start(q *query, flags uint16, rcode int) {
	flags |= flagQR | flagRA | q.flags&(opcodeMask|flagRD|flagCD) | uint16(rcode&rcodeMask)
	b := binary.BigEndian.AppendUint16(r.buf[:0], q.id)
	b = binary.BigEndian.AppendUint16(b, flags)
	questions := uint16(0)
	if len(q.raw) > 0 {
		questions = 1
	}
	b = binary.BigEndian.AppendUint16(b, questions)
	b = append(b, 0, 0, 0, 0, 0, 0)
	r.buf = append(b, q.raw...)
	r.answers, r.added = 0, 0
	r.owner, r.additional, r.mentioned = headerLen, false, 0
}

// room tells whether n more bytes and the OPT record fit.
func (r *reply) room(q *query, n int) bool {
	if q.edns {
		n += optLen
	}
	return len(r.buf)+n <= q.limit
}

// record appends the head of a record of the owner, at first the question's
// name; its data follows. ok is false when there is no room.
func (r *reply) record(q *query, qtype uint16, ttl uint32, size int) bool {
	if !r.room(q, 12+size) {
		return false
	}
	r.buf = binary.BigEndian.AppendUint16(r.buf, 0xc000|uint16(r.owner))
	r.buf = binary.BigEndian.AppendUint16(r.buf, qtype)
	r.buf = binary.BigEndian.AppendUint16(r.buf, codec.ClassINET)
	if ttl == 0 {
		ttl = r.localTTL
	}
	r.buf = binary.BigEndian.AppendUint32(r.buf, ttl)
	r.buf = binary.BigEndian.AppendUint16(r.buf, uint16(size))
	if r.additional {
		r.added++
	} else {
		r.answers++
	}
	return true
}

// finish writes the OPT record, if the client sent one, and the counts.
func (r *reply) finish(q *query, rcode int) []byte {
	if q.edns {
		var do uint32
		if q.do {
			do = ednsDO
		}
		r.buf = append(r.buf, 0)
		r.buf = binary.BigEndian.AppendUint16(r.buf, codec.TypeOPT)
		r.buf = binary.BigEndian.AppendUint16(r.buf, udpSize)
		r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(rcode>>4)<<24|do)
		r.buf = append(r.buf, 0, 0)
		r.added++
	}
	binary.BigEndian.PutUint16(r.buf[6:], r.answers)
	binary.BigEndian.PutUint16(r.buf[10:], r.added)
	return r.buf
}

// status is a whole reply without records.
func (r *reply) status(q *query, flags uint16, rcode int) []byte {
	r.start(q, flags, rcode)
	return r.finish(q, rcode)
}
