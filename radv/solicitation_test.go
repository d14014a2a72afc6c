package radv

import (
	"net/netip"
	"testing"
)

func TestOnlyProperSolicitationsCount(t *testing.T) {
	guest, nobody := netip.MustParseAddr("fe80::2"), netip.IPv6Unspecified()
	plain := "\x85\x00\xaa\xbb\x00\x00\x00\x00"
	sourceLLA := "\x01\x01\x52\x54\x00\x01\x02\x03"
	for _, tc := range []struct {
		name, message string
		hops          int
		from          netip.Addr
		want          bool
	}{
		{"plain", plain, 255, guest, true},
		{"with source address option", plain + sourceLLA, 255, guest, true},
		{"with unknown option", plain + "\xfd\x02" + string(make([]byte, 14)), 255, guest, true},
		{"from a guest without address", plain, 255, nobody, true},
		{"address option, but no address", plain + sourceLLA, 255, nobody, false},
		{"came over a router", plain, 254, guest, false},
		{"short", plain[:7], 255, guest, false},
		{"empty", "", 255, guest, false},
		{"code", "\x85\x01" + plain[2:], 255, guest, false},
		{"another type", "\x86\x00" + plain[2:], 255, guest, false},
		{"option of length 0", plain + "\x01\x00\x00\x00\x00\x00\x00\x00", 255, guest, false},
		{"option beyond the end", plain + "\x01\x02\x00\x00\x00\x00\x00\x00", 255, guest, false},
		{"half an option header", plain + "\x01", 255, guest, false},
	} {
		if got := solicits([]byte(tc.message), tc.hops, tc.from); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func FuzzSolicits(f *testing.F) {
	f.Add([]byte("\x85\x00\x00\x00\x00\x00\x00\x00\x01\x01\x52\x54\x00\x01\x02\x03"), false)
	f.Add([]byte("\x85\x00\x00\x00\x00\x00\x00\x00\x01\x00"), true)
	f.Fuzz(func(t *testing.T, b []byte, unspecified bool) {
		from := netip.MustParseAddr("fe80::1")
		if unspecified {
			from = netip.IPv6Unspecified()
		}
		if solicits(b, ndpHops, from) && len(b)%8 != 0 {
			t.Errorf("%x is no whole number of options", b)
		}
	})
}
