package dns

import (
	"encoding/binary"
	"strings"
)

// Names are kept and compared in wire form (RFC 1035 §3.1) with lower-case
// letters: length-prefixed labels and the root's empty one at the end.

const (
	maxName  = 255 // RFC 1035 §2.3.4
	maxLabel = 63
)

// wireName returns name (labels with dots between them, the final dot
// optional) in wire form; ok is false if it is not a name.
func wireName(name string) (wire string, ok bool) {
	name = strings.TrimSuffix(name, ".")
	if name == "" {
		return "\x00", true
	}
	b := make([]byte, 0, len(name)+2)
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabel {
			return "", false
		}
		b = append(append(b, byte(len(label))), label...)
	}
	b = append(b, 0)
	return string(b), len(b) <= maxName
}

// foldedName is wireName in lower case.
func foldedName(name string) (wire string, ok bool) {
	wire, ok = wireName(name)
	return fold(wire), ok
}

// fold lowers the letters of a wire name. Length bytes are at most 63, so no
// letter can be mistaken.
func fold(wire string) string {
	b := []byte(wire)
	for i, c := range b {
		b[i] = lower(c)
	}
	return string(b)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// joined appends a domain to a name, both in wire form.
func joined(name, domain string) (wire string, ok bool) {
	wire = name[:len(name)-1] + domain
	return wire, len(wire) <= maxName
}

// parent returns the name without its first label; the root's is itself.
func parent[T ~string | ~[]byte](wire T) T {
	if wire[0] == 0 {
		return wire
	}
	return wire[1+int(wire[0]):]
}

// isPlain tells whether the name is a single label.
func isPlain[T ~string | ~[]byte](wire T) bool {
	return wire[0] != 0 && parent(wire)[0] == 0
}

// isRoot tells whether the name is the root.
func isRoot[T ~string | ~[]byte](wire T) bool { return wire[0] == 0 }

// within tells whether wire is zone or below it.
func within[T ~string | ~[]byte](wire T, zone string) bool {
	for len(wire) > len(zone) {
		wire = parent(wire)
	}
	return string(wire) == zone
}

// shownName is a wire name as people write it; bytes that could disturb a
// reader are question marks.
func shownName[T ~string | ~[]byte](wire T) string {
	if isRoot(wire) {
		return "."
	}
	var b []byte
	for ; !isRoot(wire); wire = parent(wire) {
		for _, c := range []byte(wire[1 : 1+int(wire[0])]) {
			if c <= ' ' || c > '~' || c == '.' {
				c = '?'
			}
			b = append(b, c)
		}
		b = append(b, '.')
	}
	return string(b[:len(b)-1])
}

// skipName returns the offset after the name at off in msg, which may end in
// a compression pointer, or -1.
func skipName(msg []byte, off int) int {
	for off < len(msg) {
		n := int(msg[off])
		switch {
		case n == 0:
			return off + 1
		case n >= 0xc0:
			if off+2 > len(msg) {
				return -1
			}
			return off + 2
		case n > maxLabel:
			return -1
		}
		off += 1 + n
	}
	return -1
}

// A rr is where a resource record lies in a message.
type rr struct {
	qtype, class uint16
	ttl          uint32
	ttlAt        int // offset of the TTL
	data         []byte
	end          int // offset after the record
}

// readRR reads the record at off.
func readRR(msg []byte, off int) (rr, bool) {
	at := skipName(msg, off)
	if at < 0 || at+10 > len(msg) {
		return rr{}, false
	}
	r := rr{
		qtype: binary.BigEndian.Uint16(msg[at:]),
		class: binary.BigEndian.Uint16(msg[at+2:]),
		ttl:   binary.BigEndian.Uint32(msg[at+4:]),
		ttlAt: at + 4,
		end:   at + 10 + int(binary.BigEndian.Uint16(msg[at+8:])),
	}
	if r.end > len(msg) {
		return rr{}, false
	}
	r.data = msg[at+10 : r.end]
	return r, true
}
