package dns

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	codec "github.com/miekg/dns"
)

func TestTargetsAddressesAreAdded(t *testing.T) {
	cfg := Config{
		Domain:  "lan",
		SRV:     []SRV{{Name: "_s._tcp.lan", Target: "web.lan", Port: 80}},
		Records: []Record{{Name: "lan", Type: codec.TypeMX, Data: []byte{0, 5}, Target: "Web.lan"}},
	}
	s := newTestServer(t, cfg, &fakeUpstream{answer: world}, "", Name{Addr: netip.MustParseAddr("192.168.1.2"), Names: []string{"web"}}, Name{Addr: netip.MustParseAddr("fd00::2"), Names: []string{"web"}})
	for _, question := range []string{"_s._tcp.lan SRV", "lan MX"} {
		name, qtype, _ := strings.Cut(question, " ")
		m := s.ask(t, name, qtype)
		var added []string
		for _, rr := range m.Extra {
			added = append(added, strings.ToLower(rr.Header().Name)+" "+rdata(rr))
		}
		if got := strings.Join(added, ", "); len(m.Answer) != 1 || got != "web.lan. 192.168.1.2, web.lan. fd00::2" {
			t.Errorf("%s: %s, added %s", question, shown(m), got)
		}
	}
}

func TestAliasesThatLeadInCirclesEnd(t *testing.T) {
	cfg := Config{CNAMEs: []CNAME{{Name: "a.test", Target: "b.test"}, {Name: "b.test", Target: "a.test"}}}
	s := newTestServer(t, cfg, &fakeUpstream{answer: world}, "")
	if m := s.ask(t, "a.test", "A"); len(m.Answer) != maxAliases {
		t.Errorf("%d aliases, want %d", len(m.Answer), maxAliases)
	}
}

func TestWildcardAliasesAreForNamesThatAreNotKnown(t *testing.T) {
	cfg := Config{CNAMEs: []CNAME{{Name: "*.apps.test", Target: "lb.test"}}}
	s := newTestServer(t, cfg, &fakeUpstream{answer: world}, "",
		Name{Addr: netip.MustParseAddr("192.168.1.9"), Names: []string{"lb.test"}}, Name{Addr: netip.MustParseAddr("192.168.1.3"), Names: []string{"own.apps.test"}})
	for name, want := range map[string]string{
		"x.apps.test":   "NOERROR aa | x.apps.test. 0s CNAME lb.test. | lb.test. 0s A 192.168.1.9",
		"x.y.apps.test": "NOERROR aa | x.y.apps.test. 0s CNAME lb.test. | lb.test. 0s A 192.168.1.9",
		"own.apps.test": "NOERROR aa | own.apps.test. 0s A 192.168.1.3",
		"apps.test":     "NOERROR",
	} {
		if got := shown(s.ask(t, name, "A")); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestRebindingAnswersAreEmptyAndNotKept(t *testing.T) {
	up := &fakeUpstream{answer: world} // world's address is one of documentation
	cfg := Config{Resolv: true, Shaping: Shaping{NoRebind: true, RebindDomains: []string{"fine.example"}}}
	s := newTestServer(t, cfg, up, "")
	for range 2 {
		if got := shown(s.ask(t, "evil.example", "A")); got != "NOERROR" {
			t.Errorf("evil.example: %s", got)
		}
	}
	if asked := up.take(); len(asked) != 2 {
		t.Errorf("asked %v, want twice", asked)
	}
	if got := shown(s.ask(t, "www.fine.example", "A")); got != "NOERROR | www.fine.example. 1m40s A 203.0.113.9" {
		t.Errorf("fine.example: %s", got)
	}
}

// Networks with different shapes do not share answers.
func TestShapesOfNetworksStayApart(t *testing.T) {
	up := &fakeUpstream{answer: world}
	plain := newTestServer(t, Config{Resolv: true}, up, "")
	shaped := NewServer(quiet, Config{Resolv: true, Shaping: Shaping{Bogus: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}}, plain.up)
	for range 2 {
		if got := shown(plain.ask(t, "a.example", "A")); got != "NOERROR | a.example. 1m40s A 203.0.113.9" {
			t.Errorf("plain: %s", got)
		}
		if got := shown(shaped.ask(t, "a.example", "A")); got != "NXDOMAIN" {
			t.Errorf("shaped: %s", got)
		}
	}
}

func TestLifetimesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			shape Shaping
			after time.Duration
			want  int // times that the upstream is asked for two queries
		}{
			{Shaping{}, 99 * time.Second, 1},
			{Shaping{}, 101 * time.Second, 2},
			{Shaping{MinTTL: 200 * time.Second}, 150 * time.Second, 1},
			{Shaping{MaxTTL: 50 * time.Second}, 51 * time.Second, 2},
			{Shaping{NoCache: true}, 0, 2},
		} {
			up := &fakeUpstream{answer: world}
			s := newTestServer(t, Config{Resolv: true, Shaping: c.shape}, up, "")
			s.ask(t, "a.example", "A")
			time.Sleep(c.after)
			s.ask(t, "a.example", "A")
			if asked := up.take(); len(asked) != c.want {
				t.Errorf("%+v after %v: asked %v, want %d", c.shape, c.after, asked, c.want)
			}
		}
	})
}

func TestDenialsAreKeptAsConfigured(t *testing.T) {
	for _, c := range []struct {
		shape Shaping
		name  string
		want  int
	}{
		{Shaping{}, "missing.example", 1},
		{Shaping{NoNegative: true}, "missing.example", 2},
		{Shaping{}, "nosoa", 2}, // without an SOA nothing says how long
		{Shaping{NegativeTTL: time.Minute}, "nosoa", 1},
	} {
		up := &fakeUpstream{answer: world}
		s := newTestServer(t, Config{Resolv: true, Shaping: c.shape}, up, "")
		s.ask(t, c.name, "A")
		s.ask(t, c.name, "A")
		if asked := up.take(); len(asked) != c.want {
			t.Errorf("%+v: asked %v, want %d", c.shape, asked, c.want)
		}
	}
}

func TestGuestBeyondItsRateIsRefusedAndOthersAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Config{Resolv: true, QueryRate: 10}, &fakeUpstream{answer: world}, "", Name{Addr: netip.MustParseAddr("192.168.1.2"), Names: []string{"web"}})
		n := 0
		ask := func(client string) int {
			n++
			return s.exchange(t, new(codec.Msg).SetQuestion(fmt.Sprintf("n%d.example.", n), codec.TypeA), netip.MustParseAddr(client)).Rcode
		}
		for i := range 20 {
			want := codec.RcodeSuccess
			if i >= 10 {
				want = codec.RcodeRefused
			}
			if got := ask("192.168.1.50"); got != want {
				t.Errorf("query %d: %s", i, codec.RcodeToString[got])
			}
		}
		if got := ask("192.168.1.51"); got != codec.RcodeSuccess {
			t.Errorf("another guest: %s", codec.RcodeToString[got])
		}
		if got := shown(s.ask(t, "web", "A")); got != "NOERROR aa | web. 0s A 192.168.1.2" {
			t.Errorf("a local name: %s", got)
		}
		time.Sleep(100 * time.Millisecond)
		if got := ask("192.168.1.50"); got != codec.RcodeSuccess {
			t.Errorf("a tenth of a second later: %s", codec.RcodeToString[got])
		}
	})
}

func TestRatesOfManyClientsTakeNoMoreMemory(t *testing.T) {
	var r rates
	now := time.Now()
	for i := range 3 * maxRated {
		r.allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1, now)
	}
	if len(r.next) > maxRated {
		t.Errorf("%d clients are remembered", len(r.next))
	}
}

func TestQueriesAreLoggedOnRequest(t *testing.T) {
	var log bytes.Buffer
	s := newTestServer(t, Config{LogQueries: true}, &fakeUpstream{answer: world}, "")
	s.log = slog.New(slog.NewTextHandler(&log, nil))
	pkt := packedQuery(t, `a\010b."c.test.`)
	var q query
	var r reply
	s.answerTCP(t.Context(), pkt, &q, &r, testClient)
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `name="a?b.\"c.test" type=A`) || !strings.Contains(got, "addr=192.168.122.50") {
		t.Errorf("logged %s", got)
	}
}

func TestMoreHostsFilesAreServed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(path, []byte("192.168.1.4 printer p.other.test\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Domain: "lan", NoHosts: true, HostsFiles: []string{path, path + ".missing"}}
	s := newTestServer(t, cfg, &fakeUpstream{answer: world}, "192.168.1.5 nas")
	for question, want := range map[string]string{
		"printer A": "NOERROR aa | printer. 0s A 192.168.1.4", "printer.lan A": "NOERROR aa | printer.lan. 0s A 192.168.1.4",
		"p.other.test A": "NOERROR aa | p.other.test. 0s A 192.168.1.4", "4.1.168.192.in-addr.arpa PTR": "NOERROR aa | 4.1.168.192.in-addr.arpa. 0s PTR printer.lan.",
		"nas A": "REFUSED",
	} {
		name, qtype, _ := strings.Cut(question, " ")
		if got := shown(s.ask(t, name, qtype)); got != want {
			t.Errorf("%s: %s, want %s", question, got, want)
		}
	}
}
