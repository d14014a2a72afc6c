package dns

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	codec "github.com/miekg/dns"
)

// step is a query at a time, what it gets and whom it makes us ask.
type step struct {
	after time.Duration // since the step before
	name  string
	qtype string
	want  string
	asked []string
}

// runSteps runs steps in a bubble of fake time.
func runSteps(t *testing.T, up *fakeUpstream, servers string, steps []step) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Config{Resolv: true}, up, "")
		s.up.host.Store(s.up.group(parseResolvConf(servers)))
		for i, st := range steps {
			time.Sleep(st.after) // fake
			if d := cmp.Diff(st.want, shown(s.ask(t, st.name, st.qtype))); d != "" {
				t.Errorf("step %d: answer (-want +got):\n%s", i, d)
			}
			if d := cmp.Diff(st.asked, up.take()); d != "" {
				t.Errorf("step %d: asked (-want +got):\n%s", i, d)
			}
		}
	})
}

const oneServer = "nameserver 198.51.100.53\n"

func TestCachedAnswersCountDownAndExpire(t *testing.T) {
	ask := []string{host + " host.example. A"}
	runSteps(t, &fakeUpstream{answer: world}, oneServer, []step{
		{0, "host.example", "A", "NOERROR | host.example. 1m40s A 203.0.113.9", ask},
		{30 * time.Second, "HOST.example", "A", "NOERROR | HOST.example. 1m10s A 203.0.113.9", nil},
		{69 * time.Second, "host.example", "A", "NOERROR | host.example. 1s A 203.0.113.9", nil},
		{time.Second, "host.example", "A", "NOERROR | host.example. 1m40s A 203.0.113.9", ask},
	})
}

func TestDenialsAreCachedAsTheirSOASays(t *testing.T) {
	runSteps(t, &fakeUpstream{answer: world}, oneServer, []step{
		{0, "missing.example", "A", "NXDOMAIN", []string{host + " missing.example. A"}},
		{59 * time.Second, "missing.example", "A", "NXDOMAIN", nil},
		{time.Second, "missing.example", "A", "NXDOMAIN", []string{host + " missing.example. A"}},
		{0, "host.example", "AAAA", "NOERROR", []string{host + " host.example. AAAA"}},
		{59 * time.Second, "host.example", "AAAA", "NOERROR", nil},
		// Without an SOA there is nothing that allows it.
		{0, "nosuch", "A", "NXDOMAIN", []string{host + " nosuch. A"}},
		{0, "nosuch", "A", "NXDOMAIN", []string{host + " nosuch. A"}},
	})
}

func TestFailuresAreCachedForASecond(t *testing.T) {
	up := &fakeUpstream{answer: func(_ context.Context, _ netip.AddrPort, q *codec.Msg) (*codec.Msg, error) {
		return respond(q, codec.RcodeServerFailure, nil, nil), nil
	}}
	ask := []string{host + " broken.example. A"}
	runSteps(t, up, oneServer, []step{
		{0, "broken.example", "A", "SERVFAIL", ask},
		{999 * time.Millisecond, "broken.example", "A", "SERVFAIL", nil},
		{time.Millisecond, "broken.example", "A", "SERVFAIL", ask},
	})
}

func TestZeroTTLIsNotCached(t *testing.T) {
	up := &fakeUpstream{answer: func(_ context.Context, _ netip.AddrPort, q *codec.Msg) (*codec.Msg, error) {
		return respond(q, 0, []string{q.Question[0].Name + " 0 IN A 203.0.113.9"}, nil), nil
	}}
	ask := []string{host + " a.example. A"}
	runSteps(t, up, oneServer, []step{
		{0, "a.example", "A", "NOERROR | a.example. 0s A 203.0.113.9", ask},
		{0, "a.example", "A", "NOERROR | a.example. 0s A 203.0.113.9", ask},
	})
}

func TestRecordsOfOtherNamesAreDropped(t *testing.T) {
	up := &fakeUpstream{answer: func(_ context.Context, _ netip.AddrPort, q *codec.Msg) (*codec.Msg, error) {
		m := respond(q, 0, []string{
			"www.example. 60 IN CNAME cdn.example.net.",
			"bank.example. 9999 IN A 198.18.0.66",
			"CDN.example.net. 20 IN A 203.0.113.9",
			"a.dname.example. 60 IN A 198.18.0.66",
		}, []string{"bank.example. 99 IN NS evil.example.", "example.net. 99 IN NS ns.example.net."})
		m.Extra = records([]string{"ns.example.net. 99 IN A 198.18.0.66"})
		return m, nil
	}}
	s := newTestServer(t, Config{Resolv: true}, up, "")
	got := s.ask(t, "www.example", "A")
	want := "NOERROR | www.example. 1m0s CNAME cdn.example.net. | CDN.example.net. 20s A 203.0.113.9"
	if d := cmp.Diff(want, shown(got)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if len(got.Ns) != 1 || got.Ns[0].Header().Name != "example.net." || len(got.Extra) != 0 {
		t.Errorf("authority %v, additional %v", got.Ns, got.Extra)
	}
}

// secondary is where "down" fails over to.
const twoServers = oneServer + "nameserver 198.51.100.54\n"

func TestNextServerIsAskedAndTheFirstPassedOverUntilItIsBack(t *testing.T) {
	down := true
	up := &fakeUpstream{}
	up.answer = func(ctx context.Context, server netip.AddrPort, q *codec.Msg) (*codec.Msg, error) {
		if down && server.Addr().String() == host {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return world(ctx, server, q)
	}
	answer := func(n string) string { return "NOERROR | " + n + ". 1m40s A 203.0.113.9" }
	first := func(n string) string { return host + " " + n + ". A" }
	second := func(n string) string { return "198.51.100.54 " + n + ". A" }
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Config{Resolv: true}, up, "")
		s.up.host.Store(s.up.group(parseResolvConf(twoServers)))
		ask := func(n string, maxTook time.Duration, asked ...string) {
			t.Helper()
			begun := time.Now()
			if d := cmp.Diff(answer(n), shown(s.ask(t, n, "A"))); d != "" {
				t.Errorf("%s: answer (-want +got):\n%s", n, d)
			}
			if took := time.Since(begun); took > maxTook {
				t.Errorf("%s took %v, at most %v wanted", n, took, maxTook)
			}
			if d := cmp.Diff(asked, up.take()); d != "" {
				t.Errorf("%s: asked (-want +got):\n%s", n, d)
			}
		}
		ask("one.example", hedge, first("one.example"), second("one.example"))
		ask("two.example", 0, second("two.example"))
		down = false
		ask("three.example", 0, second("three.example"))
		time.Sleep(maxSleep) // fake
		ask("four.example", 0, first("four.example"))
		ask("five.example", 0, first("five.example"))
	})
}

func TestRefusingServerIsNotTheLastWord(t *testing.T) {
	up := &fakeUpstream{answer: func(ctx context.Context, server netip.AddrPort, q *codec.Msg) (*codec.Msg, error) {
		if server.Addr().String() == host {
			return respond(q, codec.RcodeRefused, nil, nil), nil
		}
		return world(ctx, server, q)
	}}
	runSteps(t, up, twoServers, []step{
		{0, "a.example", "A", "NOERROR | a.example. 1m40s A 203.0.113.9", []string{host + " a.example. A", "198.51.100.54 a.example. A"}},
		// It is well, and keeps its place.
		{0, "b.example", "A", "NOERROR | b.example. 1m40s A 203.0.113.9", []string{host + " b.example. A", "198.51.100.54 b.example. A"}},
	})
}

func TestServerWithoutEDNSIsAskedWithout(t *testing.T) {
	up := &fakeUpstream{answer: func(ctx context.Context, server netip.AddrPort, q *codec.Msg) (*codec.Msg, error) {
		if q.IsEdns0() != nil {
			return respond(q, codec.RcodeFormatError, nil, nil), nil
		}
		return world(ctx, server, q)
	}}
	runSteps(t, up, oneServer, []step{
		{0, "a.example", "A", "NOERROR | a.example. 1m40s A 203.0.113.9", []string{host + " a.example. A", host + " a.example. A"}},
	})
}

func TestSilentUpstreamsEndInTime(t *testing.T) {
	up := &fakeUpstream{answer: func(ctx context.Context, _ netip.AddrPort, _ *codec.Msg) (*codec.Msg, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, Config{Resolv: true}, up, "")
		begun := time.Now()
		if got := shown(s.ask(t, "a.example", "A")); got != "SERVFAIL" {
			t.Error(got)
		}
		if took := time.Since(begun); took > patience {
			t.Errorf("took %v", took)
		}
		if got := len(up.take()); got != 2 {
			t.Errorf("a lone server was asked %d times", got)
		}
	})
}

func TestEqualQuestionsAtOneTimeBecomeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &fakeUpstream{answer: func(ctx context.Context, server netip.AddrPort, q *codec.Msg) (*codec.Msg, error) {
			time.Sleep(100 * time.Millisecond) // fake
			return respond(q, 0, []string{q.Question[0].Name + " 0 IN A 203.0.113.9"}, nil), nil
		}}
		s := newTestServer(t, Config{Resolv: true}, up, "")
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if got := shown(s.ask(t, "a.example", "A")); got != "NOERROR | a.example. 0s A 203.0.113.9" {
					t.Error(got)
				}
			})
		}
		wg.Wait()
		if asked := up.take(); len(asked) != 1 {
			t.Errorf("asked %d times", len(asked))
		}
		if len(s.up.flights) != 0 || s.queries.n != 0 || len(s.queries.client) != 0 {
			t.Error("something is still counted as under way")
		}
	})
}

func TestOneClientCannotTakeEverybodysShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		up := &fakeUpstream{answer: func(ctx context.Context, server netip.AddrPort, q *codec.Msg) (*codec.Msg, error) {
			select {
			case <-block:
			case <-ctx.Done():
			}
			return world(ctx, server, q)
		}}
		s := newTestServer(t, Config{Resolv: true}, up, "")
		var wg sync.WaitGroup
		for i := range maxQueriesClient {
			wg.Go(func() { s.ask(t, fmt.Sprintf("n%d.example", i), "A") })
		}
		synctest.Wait()
		if got := shown(s.ask(t, "more.example", "A")); got != "REFUSED" {
			t.Errorf("one more: %s", got)
		}
		close(block)
		m := new(codec.Msg).SetQuestion("other.example.", codec.TypeA)
		if got := shown(s.exchange(t, m, netip.MustParseAddr("192.168.122.51"))); !strings.HasPrefix(got, "NOERROR") {
			t.Errorf("another client: %s", got)
		}
		wg.Wait()
	})
}

func TestOwnAddressesAreNoUpstreams(t *testing.T) {
	up := &fakeUpstream{answer: world}
	s := newTestServer(t, Config{Resolv: true}, up, "")
	s.up.host.Store(s.up.group(parseResolvConf("nameserver 192.168.122.1\nnameserver 198.51.100.54\n")))
	s.up.SetOwn([]netip.Addr{netip.MustParseAddr("192.168.122.1")})
	s.ask(t, "a.example", "A")
	if d := cmp.Diff([]string{"198.51.100.54 a.example. A"}, up.take()); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}
	s.up.host.Store(s.up.group(parseResolvConf("nameserver 192.168.122.1\n")))
	if got := shown(s.ask(t, "a.example", "A")); got != "SERVFAIL" {
		t.Errorf("with no other upstream: %s", got)
	}
	if asked := up.take(); asked != nil {
		t.Errorf("asked %v", asked)
	}
}

// A resolver on the host asks us what we ask it: both must be told at once.
func TestLoopThroughTheHostsResolverEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &fakeUpstream{}
		s := newTestServer(t, Config{Resolv: true}, up, "")
		s.up.host.Store(s.up.group(parseResolvConf("nameserver 127.0.0.53\n")))
		bridge := netip.MustParseAddr("192.168.122.1")
		s.up.SetOwn([]netip.Addr{bridge})
		up.answer = func(_ context.Context, _ netip.AddrPort, q *codec.Msg) (*codec.Msg, error) {
			again := new(codec.Msg).SetQuestion(q.Question[0].Name, q.Question[0].Qtype)
			again.SetEdns0(1232, true)
			return respond(q, s.exchange(t, again, bridge).Rcode, nil, nil), nil
		}
		begun := time.Now()
		if got := shown(s.ask(t, "x.test.lan", "A")); got != "SERVFAIL" {
			t.Error(got)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("took %v", took)
		}
		if asked := up.take(); len(asked) != 1 {
			t.Errorf("asked %v", asked)
		}
	})
}

func TestResolvConfIsFollowed(t *testing.T) {
	dir := t.TempDir()
	resolv, hosts := filepath.Join(dir, "resolv.conf"), filepath.Join(dir, "hosts")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write(resolv, oneServer)
	write(hosts, "10.0.0.1 one\n")
	synctest.Test(t, func(t *testing.T) {
		up := &fakeUpstream{answer: world}
		r := NewResolver(quiet, ResolverConfig{ResolvConf: resolv, Hosts: hosts, Upstream: up})
		s := NewServer(quiet, Config{Resolv: true}, r)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { r.Run(ctx) })
		ask := func(name, want string, asked ...string) {
			t.Helper()
			if d := cmp.Diff(want, shown(s.ask(t, name, "A"))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if d := cmp.Diff(asked, up.take()); d != "" {
				t.Errorf("asked (-want +got):\n%s", d)
			}
		}
		ask("a.example", "NOERROR | a.example. 1m40s A 203.0.113.9", host+" a.example. A")
		ask("one", "NOERROR aa | one. 0s A 10.0.0.1")
		write(resolv, "# changed\nsearch lan\nnameserver 198.51.100.54\nnameserver bad\n")
		write(hosts, "10.0.0.22 one\n")
		time.Sleep(time.Second) // fake
		synctest.Wait()
		ask("a.example", "NOERROR | a.example. 1m40s A 203.0.113.9", "198.51.100.54 a.example. A")
		ask("one", "NOERROR aa | one. 0s A 10.0.0.22")
		if err := os.Remove(resolv); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // fake
		synctest.Wait()
		ask("a.example", "REFUSED")
		cancel()
		wg.Wait()
	})
}

func TestCacheIsBounded(t *testing.T) {
	now := time.Now()
	c := newCache(160, 16<<10)
	for i := range 10_000 {
		e := &entry{msg: make([]byte, i%600), stored: now, expires: now.Add(time.Hour)}
		c.put(fmt.Sprintf("key %d", i), e)
	}
	entries, bytes := 0, 0
	for i := range c.shards {
		s := &c.shards[i]
		entries += len(s.entries)
		bytes += s.bytes
		listed := 0
		for e := s.recent.next; e != &s.recent; e = e.next {
			listed++
		}
		if len(s.entries) != listed {
			t.Error("map and list differ")
		}
	}
	if entries == 0 || entries > 160 || bytes > 16<<10 {
		t.Errorf("%d entries of %d bytes", entries, bytes)
	}
}
