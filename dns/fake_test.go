package dns

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	codec "github.com/miekg/dns"
)

// quiet drops the log.
var quiet = slog.New(slog.DiscardHandler)

// fakeUpstream answers in process, and remembers what it was asked.
type fakeUpstream struct {
	answer func(ctx context.Context, server netip.AddrPort, q *codec.Msg) (*codec.Msg, error)

	mu    sync.Mutex
	asked []string // server, name and type
}

func (f *fakeUpstream) Exchange(ctx context.Context, server netip.AddrPort, packed []byte) ([]byte, error) {
	var q codec.Msg
	if err := q.Unpack(packed); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.asked = append(f.asked, server.Addr().String()+" "+q.Question[0].Name+" "+codec.TypeToString[q.Question[0].Qtype])
	f.mu.Unlock()
	resp, err := f.answer(ctx, server, &q)
	if err != nil {
		return nil, err
	}
	return resp.Pack()
}

// take returns what was asked since the last time.
func (f *fakeUpstream) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = nil
	return asked
}

var errDown = errors.New("connection refused")

// respond makes a response of a code and records in zone file form.
func respond(q *codec.Msg, rcode int, answer, ns []string) *codec.Msg {
	m := new(codec.Msg)
	m.SetRcode(q, rcode)
	m.RecursionAvailable = true
	m.Answer, m.Ns = records(answer), records(ns)
	return m
}

func records(lines []string) (rrs []codec.RR) {
	for _, l := range lines {
		rr, err := codec.NewRR(l)
		if err != nil {
			panic(err)
		}
		rrs = append(rrs, rr)
	}
	return rrs
}

// world answers every A question with 203.0.113.9, example's TXT, and says
// that the rest does not exist.
func world(_ context.Context, server netip.AddrPort, q *codec.Msg) (*codec.Msg, error) {
	name := q.Question[0].Name
	switch {
	case codec.IsSubDomain("missing.example.", name):
		return respond(q, codec.RcodeNameError, nil, []string{"example. 300 IN SOA ns.example. root.example. 1 2 3 4 60"}), nil
	case q.Question[0].Qtype == codec.TypeA && codec.CountLabel(name) > 1:
		return respond(q, codec.RcodeSuccess, []string{name + " 100 IN A 203.0.113.9"}, nil), nil
	case codec.CountLabel(name) > 1:
		return respond(q, codec.RcodeSuccess, nil, []string{"example. 300 IN SOA ns.example. root.example. 1 2 3 4 60"}), nil
	}
	return respond(q, codec.RcodeNameError, nil, nil), nil
}

// newTestServer makes a server whose host has the upstream 198.51.100.53, and
// hosts as its hosts file.
func newTestServer(t testing.TB, cfg Config, up *fakeUpstream, hosts string, names ...Name) *Server {
	t.Helper()
	r := NewResolver(quiet, ResolverConfig{Upstream: up})
	r.host.Store(r.group([]netip.AddrPort{netip.MustParseAddrPort("198.51.100.53:53")}))
	r.hosts.Store(NewRecords(Config{}, parseHosts(hosts)))
	s := NewServer(quiet, cfg, r)
	s.SetRecords(NewRecords(cfg, names))
	return s
}

var testClient = netip.MustParseAddr("192.168.122.50")

// exchange is a query over UDP, in process.
func (s *Server) exchange(t testing.TB, m *codec.Msg, client netip.Addr) *codec.Msg {
	t.Helper()
	pkt, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	var q query
	var r reply
	packed, ask := s.handle(pkt, &q, &r, time.Now())
	if packed == nil && ask.from != nil {
		packed = s.forward(t.Context(), &q, &r, ask, client)
	}
	if packed == nil {
		return nil
	}
	resp := new(codec.Msg)
	if err := resp.Unpack(packed); err != nil {
		t.Fatalf("reply to %v: %v", m.Question, err)
	}
	return resp
}

func (s *Server) ask(t testing.TB, name, qtype string) *codec.Msg {
	t.Helper()
	m := new(codec.Msg)
	m.SetQuestion(codec.Fqdn(name), codec.StringToType[qtype])
	return s.exchange(t, m, testClient)
}

// shown is a response in a line: code, aa if set, records.
func shown(m *codec.Msg) string {
	if m == nil {
		return "silence"
	}
	s := codec.RcodeToString[m.Rcode]
	if m.Authoritative {
		s += " aa"
	}
	if m.Truncated {
		s += " tc"
	}
	for _, rr := range m.Answer {
		h := rr.Header()
		s += " | " + h.Name + " " + (time.Duration(h.Ttl) * time.Second).String() + " " + codec.TypeToString[h.Rrtype] + " " + rdata(rr)
	}
	return s
}

func rdata(rr codec.RR) string { return rr.String()[len(rr.Header().String()):] }
