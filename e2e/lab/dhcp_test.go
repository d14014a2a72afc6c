package lab

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

func TestFrameHasAValidHeader(t *testing.T) {
	f := message{kind: request, xid: 7, own: netip.MustParseAddr("192.0.2.255")}.frame(MAC(1))
	var sum uint32
	for i := 14; i < 34; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(f[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	if sum != 0xffff {
		t.Errorf("checksum of the IPv4 header: %#x", sum)
	}
	if got, want := int(binary.BigEndian.Uint16(f[16:])), len(f)-14; got != want {
		t.Errorf("IPv4 length %d, want %d", got, want)
	}
}
