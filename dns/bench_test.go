package dns

import (
	"testing"
	"time"

	codec "github.com/miekg/dns"
)

// benchmarkAnswers measures what a query costs without the kernel's part.
func benchmarkAnswers(b *testing.B, name string, qtype uint16) {
	cfg, names := libvirtLike()
	s := newTestServer(b, cfg, &fakeUpstream{answer: world}, hostsFile, append(names, many("x", 250)...)...)
	m := new(codec.Msg).SetQuestion(name, qtype)
	m.SetEdns0(1232, false)
	s.exchange(b, m, testClient) // into the cache
	pkt, err := m.Pack()
	if err != nil {
		b.Fatal(err)
	}
	var q query
	r := reply{buf: make([]byte, 0, udpSize)}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if packed, _ := s.handle(pkt, &q, &r, now); packed == nil {
			b.Fatal("not answered")
		}
	}
}

func BenchmarkLocalName(b *testing.B)  { benchmarkAnswers(b, "web.test.lan.", codec.TypeA) }
func BenchmarkCachedName(b *testing.B) { benchmarkAnswers(b, "www.host.example.", codec.TypeA) }
func BenchmarkReverse(b *testing.B) {
	benchmarkAnswers(b, "10.122.168.192.in-addr.arpa.", codec.TypePTR)
}

func TestCommonAnswersAllocateNothing(t *testing.T) {
	cfg, names := libvirtLike()
	s := newTestServer(t, cfg, &fakeUpstream{answer: world}, hostsFile, names...)
	for _, question := range []codec.Question{
		{Name: "web.test.lan.", Qtype: codec.TypeA},
		{Name: "nas.test.lan.", Qtype: codec.TypeA},
		{Name: "host.example.", Qtype: codec.TypeA},
		{Name: "10.122.168.192.in-addr.arpa.", Qtype: codec.TypePTR},
		{Name: "99.122.168.192.in-addr.arpa.", Qtype: codec.TypePTR},
	} {
		m := new(codec.Msg).SetQuestion(question.Name, question.Qtype)
		s.exchange(t, m, testClient) // into the cache
		pkt, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		var q query
		r := reply{buf: make([]byte, 0, udpSize)}
		if n := testing.AllocsPerRun(100, func() { s.handle(pkt, &q, &r, time.Now()) }); n != 0 {
			t.Errorf("%s: %v allocations", question.Name, n)
		}
	}
}
