package dns

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	codec "github.com/miekg/dns"
)

// packedResponse is a response to name and type, and the query as a guest sent
// it.
func packedResponse(t testing.TB, name string, qtype uint16, m *codec.Msg) (*query, []byte) {
	t.Helper()
	asked := new(codec.Msg).SetQuestion(name, qtype)
	pkt, err := asked.Pack()
	if err != nil {
		t.Fatal(err)
	}
	q := new(query)
	if rcode := q.parse(pkt); rcode != 0 {
		t.Fatal(rcode)
	}
	m.Question = asked.Question
	m.Response = true
	resp, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return q, resp
}

// saidBy is what an entry tells a client, names in lower case.
func saidBy(t testing.TB, q *query, e *entry) string {
	t.Helper()
	var m codec.Msg
	if err := m.Unpack(e.appendReply(&reply{}, q, e.stored.Add(time.Second), true)); err != nil {
		t.Fatalf("%v: %x", err, e.msg)
	}
	return strings.ToLower(m.String()) + e.expires.Sub(e.stored).String()
}

// compareWays fails unless quickEntry leaves a response to thoroughEntry or
// says the same.
func compareWays(t testing.TB, q *query, resp []byte) (quick bool) {
	t.Helper()
	now := time.Now()
	e := quickEntry(q, resp, now)
	if e == nil {
		return false
	}
	other, err := thoroughEntry(q, resp, now, newShaping(Shaping{}))
	if err != nil {
		// It is more lenient with what is dropped, but serves no nonsense.
		saidBy(t, q, e)
		return true
	}
	if diff := cmp.Diff(saidBy(t, q, other), saidBy(t, q, e)); diff != "" {
		t.Errorf("%x (-thorough +quick):\n%s", resp, diff)
	}
	return true
}

func TestQuickAndThoroughEntriesSayTheSame(t *testing.T) {
	const soa = "example. 900 IN SOA ns.example. root.mail.example. 1 2 3 4 77"
	for _, c := range []struct {
		name       string
		qtype      uint16
		rcode      int
		answer, ns []string
		slow       bool
	}{
		{name: "www.example.", answer: []string{"www.example. 60 IN A 198.18.0.1", "www.example. 30 IN A 198.18.0.2"}},
		{name: "WWW.Example.", answer: []string{"www.EXAMPLE. 60 IN A 198.18.0.1"}},
		{name: "www.example.", qtype: codec.TypeAAAA, answer: []string{"www.example. 60 IN AAAA 2001:470::1"}},
		{name: "www.example.", answer: []string{"www.example. 60 IN CNAME Www.cdn.example.", "www.cdn.example. 20 IN CNAME edge.cdn.test.", "EDGE.cdn.test. 10 IN A 198.18.0.1"}},
		{name: "www.example.", answer: []string{"www.example. 60 IN CNAME edge.test."}, ns: []string{"test. 900 IN SOA ns.test. root.test. 1 2 3 4 77"}},
		{name: "www.example.", qtype: codec.TypeCNAME, answer: []string{"www.example. 60 IN CNAME edge.test."}},
		{name: "none.example.", rcode: codec.RcodeNameError, ns: []string{soa}},
		{name: "none.example.", rcode: codec.RcodeNameError},
		{name: "none.example.", rcode: codec.RcodeNameError, ns: []string{". 900 IN SOA a.root. b.root. 1 2 3 4 86400"}},
		{name: "none.example.", rcode: codec.RcodeNameError, ns: []string{"test. 900 IN SOA a.root. b.root. 1 2 3 4 86400"}},
		{name: "www.example.", qtype: codec.TypeTXT, ns: []string{soa}},
		{name: "www.example.", answer: []string{"www.example. 0 IN A 198.18.0.1"}},
		{name: "www.example.", answer: []string{"www.example. 4000000000 IN A 198.18.0.1"}},
		{name: "www.example.", answer: []string{"www.example. 900000 IN A 198.18.0.1"}},
		{name: "www.example.", answer: []string{"www.example. 60 IN A 198.18.0.1", "bank.test. 60 IN A 6.6.6.6"}},
		{name: ".", answer: []string{". 60 IN A 198.18.0.1"}},
		{name: "www.example.", qtype: codec.TypeMX, answer: []string{"www.example. 60 IN MX 1 mail.example."}, slow: true},
		{name: "www.example.", answer: []string{"www.example. 60 IN A 198.18.0.1"}, ns: []string{"example. 60 IN NS ns.example."}, slow: true},
		{name: "www.example.", answer: []string{"example. 60 IN DNAME test.", "www.example. 60 IN CNAME www.test.", "www.test. 60 IN A 198.18.0.1"}, slow: true},
	} {
		for _, compressed := range []bool{false, true} {
			if c.qtype == 0 {
				c.qtype = codec.TypeA
			}
			m := &codec.Msg{Answer: records(c.answer), Ns: records(c.ns), Compress: compressed}
			m.Rcode = c.rcode
			m.SetEdns0(1232, false)
			q, resp := packedResponse(t, c.name, c.qtype, m)
			if quick := compareWays(t, q, resp); quick == c.slow {
				t.Errorf("%s %v %v: quick is %v", c.name, c.answer, c.ns, quick)
			}
		}
	}
}

func TestQuickEntriesSurviveDamage(t *testing.T) {
	m := &codec.Msg{Compress: true, Ns: records([]string{"test. 900 IN SOA ns.test. root.test. 1 2 3 4 77"}),
		Answer: records([]string{"www.example. 60 IN CNAME Www.cdn.example.", "www.cdn.example. 20 IN CNAME edge.cdn.test."})}
	q, resp := packedResponse(t, "www.example.", codec.TypeA, m)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		b := append([]byte(nil), resp...)
		for range 1 + random.IntN(3) {
			b[4+random.IntN(len(b)-4)] = byte(random.IntN(256))
		}
		b = b[:min(len(b), headerLen+random.IntN(2*len(b)))]
		if responds(b, append([]byte{b[0], b[1]}, questionOf(q)...)) {
			compareWays(t, q, b)
		}
	}
}

// questionOf is what follows the id in the query that an upstream gets.
func questionOf(q *query) []byte {
	return append([]byte{1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, append(append([]byte(nil), q.name...), q.raw[len(q.name):]...)...)
}

func BenchmarkNewEntry(b *testing.B) {
	m := &codec.Msg{Answer: records([]string{"www.example. 60 IN A 198.18.0.1"})}
	q, resp := packedResponse(b, "www.example.", codec.TypeA, m)
	now := time.Now()
	shape := newShaping(Shaping{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := newEntry(q, resp, now, shape); err != nil {
			b.Fatal(err)
		}
	}
}
