package dns

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// addrsOf lists a name's addresses, and "exists" for a name without any.
func addrsOf(r *Records, name string) []string {
	wire, _ := foldedName(name)
	o := r.find([]byte(wire))
	if o == nil {
		return nil
	}
	var got []string
	var all []target
	for _, six := range []bool{false, true} {
		for i := range o.given {
			if t, ok := o.target(i, six); ok {
				all = append(all, t)
			}
		}
	}
	for _, t := range all {
		got = append(got, t.addr.String())
	}
	if got == nil {
		return []string{"exists"}
	}
	return got
}

func pointerOf(t *testing.T, r *Records, addr string) string {
	t.Helper()
	p := r.pointers(netip.MustParseAddr(addr))
	if len(p) == 0 {
		return ""
	}
	return p[0].name
}

func name(addr, source string, names ...string) Name {
	return Name{Addr: netip.MustParseAddr(addr), Names: names, Source: source}
}

func TestBareNamesAreAlsoKnownWithTheDomain(t *testing.T) {
	r := NewRecords(Config{Domain: "Test.lan"}, []Name{
		name("192.0.2.10", "", "web", "www.alias.net"),
		name("fd00::10", "", "web"),
	})
	for q, want := range map[string][]string{
		"web":                    {"192.0.2.10", "fd00::10"},
		"WEB.test.LAN":           {"192.0.2.10", "fd00::10"},
		"www.alias.net":          {"192.0.2.10"},
		"www.alias.net.test.lan": nil,
		"alias.net":              {"exists"},
		"test.lan":               {"exists"},
		"lan":                    {"exists"},
		"other":                  nil,
		"":                       nil,
	} {
		if d := cmp.Diff(want, addrsOf(r, q)); d != "" {
			t.Errorf("%s (-want +got):\n%s", q, d)
		}
	}
	if got := pointerOf(t, r, "192.0.2.10"); got != "\x03web\x04Test\x03lan\x00" {
		t.Errorf("pointer = %q", got)
	}
}

func TestNameLastsUntilItsLastSourceTakesItBack(t *testing.T) {
	lease := name("192.0.2.10", "lease", "vm")
	reserved := name("192.0.2.10", "reservation", "vm")
	r0 := NewRecords(Config{Domain: "lan"}, []Name{reserved})
	r1 := r0.With([]Name{lease}, nil)
	r2 := r1.With(nil, []Name{lease, lease})
	r3 := r2.With(nil, []Name{reserved})
	for i, tc := range []struct {
		r       *Records
		want    []string
		pointer string
	}{
		{r0, []string{"192.0.2.10"}, "\x02vm\x03lan\x00"},
		{r1, []string{"192.0.2.10"}, "\x02vm\x03lan\x00"},
		{r2, []string{"192.0.2.10"}, "\x02vm\x03lan\x00"},
		{r3, nil, ""},
	} {
		for _, n := range []string{"vm", "vm.lan"} {
			if d := cmp.Diff(tc.want, addrsOf(tc.r, n)); d != "" {
				t.Errorf("step %d, %s (-want +got):\n%s", i, n, d)
			}
		}
		if got := pointerOf(t, tc.r, "192.0.2.10"); got != tc.pointer {
			t.Errorf("step %d: pointer = %q, want %q", i, got, tc.pointer)
		}
	}
	if r3.names.root != nil || r3.addrs.root != nil {
		t.Error("something is left of the empty records")
	}
}

func TestSetReplacesTTLOfTheSameSource(t *testing.T) {
	n := name("192.0.2.10", "lease", "vm")
	r := NewRecords(Config{}, []Name{n, n})
	n.TTL = 7
	r = r.With([]Name{n}, nil)
	o := r.find([]byte("\x02vm\x00"))
	if d := cmp.Diff([]uint32{7}, []uint32{o.given[0].ttl}); d != "" || len(o.given) != 1 {
		t.Errorf("given = %+v", o.given)
	}
}

func TestNamesThatDNSCannotCarryAreLeftOut(t *testing.T) {
	long := fmt.Sprintf("%064d", 0)
	r := NewRecords(Config{Domain: "lan"}, []Name{name("192.0.2.1", "", long, "a..b", "", ".", "ok")})
	if d := cmp.Diff([]string{"192.0.2.1"}, addrsOf(r, "ok")); d != "" {
		t.Error(d)
	}
	if got := pointerOf(t, r, "192.0.2.1"); got != "" {
		t.Errorf("pointer to an impossible name: %q", got)
	}
}

func TestReversedNames(t *testing.T) {
	for in, want := range map[string]string{
		"1.2.0.192.in-addr.arpa":   "192.0.2.1/32",
		"2.0.192.in-addr.arpa":     "192.0.2.0/24",
		"in-addr.arpa":             "0.0.0.0/0",
		"1.1.2.0.192.in-addr.arpa": "",
		"01.2.0.192.in-addr.arpa":  "",
		"256.2.0.192.in-addr.arpa": "",
		"x.2.0.192.in-addr.arpa":   "",
		"d.f.ip6.arpa":             "fd00::/8",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.F.ip6.arpa":   "fd00::1/128",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa": "",
		"g.ip6.arpa":   "",
		"10.ip6.arpa":  "",
		"example.arpa": "",
	} {
		wire, ok := foldedName(in)
		if !ok {
			t.Fatal(in)
		}
		got := ""
		if p, ok := reversed([]byte(wire)); ok {
			got = p.String()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func BenchmarkOneLeaseAmong50000(b *testing.B) {
	var names []Name
	for i := range 50000 {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		names = append(names, Name{Addr: addr, Names: []string{fmt.Sprintf("guest%d", i)}, Source: "lease"})
	}
	r := NewRecords(Config{Domain: "example.lan"}, names)
	n := names[777:778]
	b.ReportAllocs()
	for b.Loop() {
		r = r.With(nil, n)
		r = r.With(n, nil)
	}
}
