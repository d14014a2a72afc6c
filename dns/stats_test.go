package dns

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	codec "github.com/miekg/dns"
)

func TestEveryQueryIsCountedByWhatBecameOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &fakeUpstream{answer: func(ctx context.Context, server netip.AddrPort, q *codec.Msg) (*codec.Msg, error) {
			switch q.Question[0].Name {
			case "down.example.":
				return nil, errDown
			case "trap.test.":
				return respond(q, codec.RcodeSuccess, []string{"trap.test. 100 IN A 192.168.122.1"}, nil), nil
			}
			return world(ctx, server, q)
		}}
		cfg := Config{Domain: "test.lan", LocalZones: []string{"test.lan"}, Resolv: true, QueryRate: 5, Shaping: Shaping{NoRebind: true, RebindDomains: []string{"example"}}}
		s := newTestServer(t, cfg, up, "", Name{Addr: netip.MustParseAddr("192.168.122.10"), Names: []string{"web"}})
		for _, name := range []string{"web", "nope.test.lan", "www.example", "www.example", "missing.example", "down.example", "trap.test"} {
			s.ask(t, name, "A")
		}
		s.ask(t, "web", "ANY")
		for _, name := range []string{"a.example", "b.example", "c.example"} { // the sixth and later misses within a second
			s.ask(t, name, "A")
		}
		var q query
		var r reply
		s.handle(make([]byte, headerLen), &q, &r, time.Now())
		want := Stats{
			Queries: 12, Malformed: 1, Local: 3, CacheHits: 1, CacheMisses: 7, RateLimited: 2,
			NXDomain: 2, ServFail: 1, Refused: 3, Rebinding: 1,
		}
		if diff := cmp.Diff(want, s.Stats()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		shared := ResolverStats{
			CacheEntries: 4, CacheBytes: s.up.Stats().CacheBytes,
			Upstreams: []UpstreamStats{{netip.MustParseAddrPort("198.51.100.53:53"), 6, 2}},
		}
		if diff := cmp.Diff(shared, s.up.Stats(), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("shared (-want +got):\n%s", diff)
		}
	})
}
