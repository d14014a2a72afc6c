package bridge

import (
	"encoding/binary"
	"errors"
	"iter"

	"golang.org/x/sys/unix"
)

var errShort = errors.New("short netlink message")

// attrs walks over netlink attributes by type and value, without copying. It
// stops at one that is longer than what is left; the kernel sends none.
func attrs(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofRtAttr {
			length := int(binary.NativeEndian.Uint16(b))
			kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if length < unix.SizeofRtAttr || length > len(b) {
				return
			}
			if !yield(kind, b[unix.SizeofRtAttr:length]) {
				return
			}
			b = b[min((length+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1), len(b)):]
		}
	}
}

// uint32At reads an attribute's value; a short one is 0.
func uint32At(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(b)
}
