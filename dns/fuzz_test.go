package dns

import (
	"context"
	"net/netip"
	"testing"
	"time"

	codec "github.com/miekg/dns"
)

// Whatever arrives, there is a well-formed reply to it, a question for an
// upstream, or silence.
func FuzzQuery(f *testing.F) {
	for _, name := range []string{"web.", "host.example.", "10.122.168.192.in-addr.arpa.", "_ldap._tcp.test.lan.", "1.0.0.0.ip6.arpa.", "."} {
		for _, qtype := range []uint16{codec.TypeA, codec.TypePTR, codec.TypeSRV, codec.TypeANY} {
			m := new(codec.Msg).SetQuestion(name, qtype)
			m.SetEdns0(1232, true)
			pkt, err := m.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(pkt, false)
		}
	}
	cfg, names := libvirtLike()
	cfg.LocalZones = []string{"test.lan"}
	s := newTestServer(f, cfg, &fakeUpstream{answer: world}, hostsFile, names...)
	f.Fuzz(func(t *testing.T, pkt []byte, tcp bool) {
		q := query{tcp: tcp}
		var r reply
		packed, ask := s.handle(pkt, &q, &r, time.Now())
		if packed == nil && ask.from == nil {
			if len(pkt) >= headerLen && pkt[2]&0x80 == 0 {
				t.Fatal("no answer to a query")
			}
			return
		}
		if packed == nil {
			packed = s.forward(t.Context(), &q, &r, ask, testClient)
		}
		var m codec.Msg
		if err := m.Unpack(packed); err != nil {
			t.Fatalf("reply %x: %v", packed, err)
		}
		if !m.Response || len(packed) > max(q.limit, plainSize) || packed[0] != pkt[0] || packed[1] != pkt[1] {
			t.Fatalf("reply of %d bytes: %s", len(packed), m.String())
		}
	})
}

// rawUpstream answers with given bytes, after the id and question of the
// query if it is asked to.
type rawUpstream struct {
	rest   []byte
	honest bool
}

func (u rawUpstream) Exchange(_ context.Context, _ netip.AddrPort, query []byte) ([]byte, error) {
	if !u.honest {
		return u.rest, nil
	}
	if len(u.rest) < 10 {
		return nil, errDown
	}
	resp := append(append([]byte(nil), query[:2]...), u.rest[:10]...)
	resp[2] |= 0x80
	resp[4], resp[5] = 0, 1
	resp = append(resp, query[headerLen:len(query)-optLen]...)
	return append(resp, u.rest[10:]...), nil
}

// Whatever an upstream says, the client gets a well-formed answer to its own
// question, also a second time from the cache.
func FuzzUpstreamAnswer(f *testing.F) {
	q := new(codec.Msg).SetQuestion("www.example.", codec.TypeA)
	m := respond(q, 0, []string{
		"www.example. 60 IN CNAME a.example.net.", "a.example.net. 20 IN A 203.0.113.9",
		"example. 60 IN DNAME example.net.", "www.example. 60 IN TXT \"x\"",
	}, []string{"example. 300 IN SOA ns.example. root.example. 1 2 3 4 60"})
	pkt, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pkt, false)
	f.Add(append(append([]byte(nil), pkt[2:12]...), pkt[12+17:]...), true)
	f.Fuzz(func(t *testing.T, rest []byte, honest bool) {
		s := newTestServer(t, Config{Resolv: true}, nil, "")
		s.up.cfg.Upstream = rawUpstream{rest, honest}
		for range 2 {
			resp := s.exchange(t, new(codec.Msg).SetQuestion("WWW.example.", codec.TypeA), testClient)
			if resp == nil || len(resp.Question) != 1 || resp.Question[0].Name != "WWW.example." {
				t.Fatalf("got %v", resp)
			}
		}
		for i := range s.up.cache.shards {
			if sh := &s.up.cache.shards[i]; sh.bytes > sh.maxBytes {
				t.Fatalf("cache holds %d bytes", sh.bytes)
			}
		}
	})
}

func FuzzHostFiles(f *testing.F) {
	f.Add(hostsFile)
	f.Add("nameserver fe80::1%eth0\nnameserver 192.0.2.1 # x\n")
	f.Fuzz(func(t *testing.T, text string) {
		NewRecords(Config{Domain: "lan"}, parseHosts(text))
		parseResolvConf(text)
	})
}
