package dns

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	codec "github.com/miekg/dns"
)

// through passes a response through an entry and returns what a client gets.
func through(t *testing.T, do bool, qtype uint16, rcode int, answer, ns []string) (*codec.Msg, *entry) {
	t.Helper()
	m := new(codec.Msg).SetQuestion("www.example.", qtype)
	m.SetEdns0(1232, do)
	pkt, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	var q query
	if q.parse(pkt) != 0 {
		t.Fatal("bad query")
	}
	packed, err := respond(m, rcode, answer, ns).Pack()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	e, err := newEntry(&q, packed, now, newShaping(Shaping{}))
	if err != nil {
		t.Fatal(err)
	}
	got := new(codec.Msg)
	if err := got.Unpack(e.appendReply(&reply{}, &q, now, true)); err != nil {
		t.Fatal(err)
	}
	return got, e
}

func types(rrs []codec.RR) (names []string) {
	for _, rr := range rrs {
		names = append(names, codec.TypeToString[rr.Header().Rrtype])
	}
	return names
}

func TestProofsOfDenialGoToThoseWhoVerify(t *testing.T) {
	ns := []string{
		"example. 300 IN SOA ns.example. root.example. 1 2 3 4 60",
		"example. 300 IN RRSIG SOA 13 1 300 20300101000000 20200101000000 1 example. c2ln",
		"vvv.example. 300 IN NSEC xxx.example. A",
		"bank. 300 IN SOA ns.bank. root.bank. 1 2 3 4 86400",
		"ns.example. 300 IN A 198.18.0.66",
	}
	for do, want := range map[bool][]string{true: {"SOA", "RRSIG", "NSEC"}, false: {"SOA"}} {
		got, e := through(t, do, codec.TypeA, codec.RcodeNameError, nil, ns)
		if d := cmp.Diff(want, types(got.Ns)); d != "" {
			t.Errorf("do=%v: authority (-want +got):\n%s", do, d)
		}
		if life := e.expires.Sub(e.stored); life != time.Minute {
			t.Errorf("do=%v: kept for %v", do, life)
		}
	}
}

func TestDNAMEAndItsSignatureAreKept(t *testing.T) {
	got, _ := through(t, true, codec.TypeA, 0, []string{
		"example. 60 IN DNAME example.net.",
		"example. 60 IN RRSIG DNAME 13 1 60 20300101000000 20200101000000 1 example. c2ln",
		"example. 60 IN A 198.18.0.66",
		"www.example. 60 IN CNAME www.example.net.",
		"www.example.net. 60 IN A 203.0.113.9",
	}, nil)
	if d := cmp.Diff([]string{"DNAME", "RRSIG", "CNAME", "A"}, types(got.Answer)); d != "" {
		t.Errorf("answer (-want +got):\n%s", d)
	}
}

func TestLifetimes(t *testing.T) {
	soa := "example. 7200 IN SOA ns.example. root.example. 1 2 3 4 86400"
	for name, tc := range map[string]struct {
		rcode      int
		answer, ns []string
		want       time.Duration
	}{
		"least TTL":         {0, []string{"www.example. 60 IN CNAME a.example.", "a.example. 20 IN A 203.0.113.9"}, nil, 20 * time.Second},
		"a week":            {0, []string{"www.example. 604800 IN A 203.0.113.9"}, nil, maxTTL},
		"top bit":           {0, []string{"www.example. 2147483648 IN A 203.0.113.9"}, nil, 0},
		"CNAME to nothing":  {0, []string{"www.example. 60 IN CNAME a.example."}, []string{soa}, time.Minute},
		"SOA's TTL":         {codec.RcodeNameError, nil, []string{soa}, 2 * time.Hour},
		"long denial":       {0, nil, []string{strings.Replace(soa, "7200", "86400", 1)}, maxNegativeTTL},
		"denial, no SOA":    {0, nil, nil, 0},
		"foreign SOA":       {0, nil, []string{"bank. 60 IN SOA ns.bank. root.bank. 1 2 3 4 60"}, 0},
		"CNAME, no address": {0, []string{"www.example. 60 IN CNAME a.example."}, nil, 0},
	} {
		_, e := through(t, false, codec.TypeA, tc.rcode, tc.answer, tc.ns)
		if got := e.expires.Sub(e.stored); got != tc.want {
			t.Errorf("%s: kept for %v, want %v", name, got, tc.want)
		}
	}
}

func TestLogMentionsAServerOnceItIsReallyDownAndNotMoreThanOnceAMinute(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	s := &server{addr: netip.MustParseAddrPort("198.51.100.53:53")}
	now := time.Now()
	for range 20 { // ups and downs within a minute
		for range warnAfter {
			s.failed(log, now, errDown)
		}
		s.succeeded(log)
	}
	if n := strings.Count(out.String(), "does not answer"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, out.String())
	}
	if n := strings.Count(out.String(), "answers again"); n != 1 {
		t.Errorf("%d all-clears:\n%s", n, out.String())
	}
	for range warnAfter {
		s.failed(log, now.Add(logPause), errDown)
	}
	if n := strings.Count(out.String(), "does not answer"); n != 2 {
		t.Errorf("%d warnings after a minute:\n%s", n, out.String())
	}
}

// A name whose records are malformed is its owner's fault, not the server's.
func TestMalformedAnswersDoNotCountAgainstTheServer(t *testing.T) {
	s := newTestServer(t, Config{Resolv: true}, nil, "")
	s.up.cfg.Upstream = upstreamFunc(func(query []byte) ([]byte, error) {
		resp := bytes.Clone(query[:len(query)-optLen])
		resp[2] |= 0x80
		resp[7], resp[11] = 1, 0 // an answer that is not there
		return resp, nil
	})
	if got := shown(s.ask(t, "a.example", "A")); got != "SERVFAIL" {
		t.Error(got)
	}
	if fails := s.up.host.Load().servers[0].fails; fails != 0 {
		t.Errorf("%d failures", fails)
	}
	s.up.cfg.Upstream = upstreamFunc(func([]byte) ([]byte, error) { return nil, errors.New("unreachable") })
	s.ask(t, "b.example", "A")
	if s.up.host.Load().servers[0].fails == 0 {
		t.Error("an unreachable server is taken for well")
	}
}

type upstreamFunc func(query []byte) ([]byte, error)

func (f upstreamFunc) Exchange(_ context.Context, _ netip.AddrPort, query []byte) ([]byte, error) {
	return f(query)
}
