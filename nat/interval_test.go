package nat

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLongestPrefixDecides compares the ranges with a look at all prefixes.
func TestLongestPrefixDecides(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		var prefixes []target
		for i := range 1 + r.IntN(12) {
			// Few different addresses, so that many nest; and both ends.
			a := [4]byte{byte(r.IntN(2)) * 255, byte(r.IntN(2)) * 255, byte(r.IntN(3)) * 127, byte(r.IntN(4)) * 85}
			p := netip.PrefixFrom(netip.AddrFrom4(a), 1+r.IntN(32)).Masked()
			prefixes = append(prefixes, target{p, fmt.Sprint("chain", i)})
		}
		ranges := disjoint(append([]target(nil), prefixes...))
		for i, e := range ranges {
			if e.last.Less(e.first) || i > 0 && !ranges[i-1].last.Less(e.first) {
				t.Fatalf("%v: range %s-%s after %v", prefixes, e.first, e.last, ranges[:i])
			}
		}
		for range 50 {
			checkLookup(t, prefixes, ranges, netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, r.Uint32()))))
		}
		for _, p := range prefixes {
			checkLookup(t, prefixes, ranges, p.prefix.Addr())
			checkLookup(t, prefixes, ranges, lastAddr(p.prefix))
		}
	}
}

func checkLookup(t *testing.T, prefixes []target, ranges []element, a netip.Addr) {
	t.Helper()
	var want, got string
	longest := -1
	for _, p := range prefixes {
		if p.prefix.Contains(a) && p.prefix.Bits() > longest {
			want, longest = p.chain, p.prefix.Bits()
		}
	}
	for _, e := range ranges {
		if !a.Less(e.first) && !e.last.Less(a) {
			got = e.chain
		}
	}
	if got != want {
		t.Fatalf("%v: %s is for %q, want %q", prefixes, a, got, want)
	}
}

func TestRangesReadAsNftListsThem(t *testing.T) {
	for want, e := range map[string]element{
		"10.0.0.0/8":        {first: netip.MustParseAddr("10.0.0.0"), last: netip.MustParseAddr("10.255.255.255")},
		"10.0.0.1":          {first: netip.MustParseAddr("10.0.0.1"), last: netip.MustParseAddr("10.0.0.1")},
		"10.0.0.1-10.0.0.2": {first: netip.MustParseAddr("10.0.0.1"), last: netip.MustParseAddr("10.0.0.2")},
		"fd00::/63":         {first: netip.MustParseAddr("fd00::"), last: netip.MustParseAddr("fd00::1:ffff:ffff:ffff:ffff")},
		`"virbr0"`:          {link: "virbr0"},
	} {
		if diff := cmp.Diff(want, e.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// FuzzUserData: rules of our table may have been made by other programs.
func FuzzUserData(f *testing.F) {
	f.Add(userData("net", 1))
	f.Add([]byte{0, 200, 1})
	f.Add([]byte{hashData, 8, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, data []byte) {
		hashIn(data)
		if got := hashIn(userData(comment(string(data)), 7)); got != 7 {
			t.Errorf("found hash %d, want 7", got)
		}
		verdictChain(data)
		decodeRule(data)
	})
}
