package lease

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"time"
)

// The file is a header and then frames:
//
//	magic  2 bytes
//	length 2 bytes, of the payload
//	crc    4 bytes, CRC-32C of length and payload
//	payload
//
// All numbers are big-endian. A payload is a version, a kind, a network and
// what the kind needs; the last record about an address holds.
const (
	fileHeader    = "vnetmgr leases\n\x01"
	frameOverhead = 8
	maxPayload    = 8 << 10

	recordVersion = 1

	// flagClone is a bit of a byte that may follow a lease's other fields.
	flagClone = 1
)

var (
	frameMagic = [2]byte{0xd5, 0x7c}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// recordKind says what a record does.
type recordKind uint8

const (
	putRecord    recordKind = 1 // the address has this lease
	forgetRecord recordKind = 2 // the address has none
	dropRecord   recordKind = 3 // the network has none at all
)

// entry is one record of the log.
type entry struct {
	kind    recordKind
	network string
	lease   Lease // putRecord; of forgetRecord Addr only
}

var errRecord = errors.New("malformed record")

// appendFrame appends e, framed, to b.
func appendFrame(b []byte, e entry) []byte {
	start := len(b)
	b = append(b, make([]byte, frameOverhead)...)
	b = appendPayload(b, e)
	frame := b[start:]
	copy(frame, frameMagic[:])
	binary.BigEndian.PutUint16(frame[2:], uint16(len(frame)-frameOverhead))
	binary.BigEndian.PutUint32(frame[4:], frameSum(frame))
	return b
}

// frameSum is the checksum of a whole frame's length and payload.
func frameSum(frame []byte) uint32 {
	sum := crc32.Update(0, castagnoli, frame[2:4])
	return crc32.Update(sum, castagnoli, frame[frameOverhead:])
}

// frameAt returns the length of the valid frame at the start of b, 0 if there
// is none.
func frameAt(b []byte) int {
	if len(b) < frameOverhead || [2]byte(b) != frameMagic {
		return 0
	}
	n := frameOverhead + int(binary.BigEndian.Uint16(b[2:]))
	if n > len(b) || frameSum(b[:n]) != binary.BigEndian.Uint32(b[4:]) {
		return 0
	}
	return n
}

func appendPayload(b []byte, e entry) []byte {
	b = append(b, recordVersion, byte(e.kind))
	b = appendBytes(b, e.network)
	if e.kind == dropRecord {
		return b
	}
	b = appendBytes(b, e.lease.Addr.AsSlice())
	if e.kind == forgetRecord {
		return b
	}
	l := &e.lease
	b = append(b, l.HType)
	b = appendBytes(b, l.MAC)
	b = appendBytes(b, l.ClientID)
	b = binary.BigEndian.AppendUint32(b, l.IAID)
	b = appendBytes(b, l.Hostname)
	b = appendBytes(b, l.ServerDUID)
	b = appendTime(b, l.Start)
	b = appendTime(b, l.Expiry)
	if l.Clone {
		b = append(b, flagClone)
	}
	return b
}

// parsePayload reads what appendPayload wrote. Bytes after the last known
// field are left for later versions.
func parsePayload(b []byte) (entry, error) {
	r := reader{b: b}
	if v := r.byte(); v != recordVersion {
		return entry{}, fmt.Errorf("record version %d is not known", v)
	}
	e := entry{kind: recordKind(r.byte()), network: string(r.bytes())}
	switch e.kind {
	case dropRecord:
	case forgetRecord:
		e.lease.Addr = r.addr()
	case putRecord:
		e.lease = r.lease()
	default:
		return entry{}, fmt.Errorf("record kind %d is not known", e.kind)
	}
	if r.bad {
		return entry{}, errRecord
	}
	return e, nil
}

func appendBytes[T ~[]byte | string](b []byte, v T) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(v)))
	return append(b, v...)
}

// appendTime writes nanoseconds since 1970, 0 for the zero time.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.BigEndian.AppendUint64(b, 0)
	}
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixNano()))
}

// reader takes fields off a payload; bad is set once one was not there.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.bad = true
		return make([]byte, n)
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte { return r.take(1)[0] }

// bytes returns a copy of a counted field, nil if it is empty.
func (r *reader) bytes() []byte {
	n := int(binary.BigEndian.Uint16(r.take(2)))
	if n > len(r.b) {
		r.bad = true
	}
	if r.bad || n == 0 {
		return nil
	}
	return append([]byte(nil), r.take(n)...)
}

func (r *reader) addr() netip.Addr {
	a, ok := netip.AddrFromSlice(r.bytes())
	if !ok {
		r.bad = true
	}
	return a
}

func (r *reader) time() time.Time {
	n := int64(binary.BigEndian.Uint64(r.take(8)))
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}

func (r *reader) lease() Lease {
	l := Lease{Addr: r.addr(), HType: r.byte(), MAC: r.bytes(), ClientID: r.bytes()}
	l.IAID = binary.BigEndian.Uint32(r.take(4))
	l.Hostname = string(r.bytes())
	l.ServerDUID = r.bytes()
	l.Start, l.Expiry = r.time(), r.time()
	if len(r.b) > 0 {
		l.Clone = r.byte()&flagClone != 0
	}
	return l
}
