package bridge

import (
	"bytes"
	"testing"
)

// FuzzParse holds the parsers against messages that are cut or damaged.
func FuzzParse(f *testing.F) {
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{8, 0, 3, 0, 'a', 'b', 'c', 0}, 8))
	f.Add(append(make([]byte, 16), 255, 255, 3, 0))
	f.Add(append(make([]byte, 12), 6, 0, 9, 0, 1, 2, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := parseLink(b); err == nil {
			l.belongsTo("x")
		}
		_, _ = parseAddr(b)
		if r, err := parseRoute(b); err == nil {
			matters(r.dst)
		}
		w := &watch{names: map[int]string{}}
		_, _ = w.parse(b)
	})
}
