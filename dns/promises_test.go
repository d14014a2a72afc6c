package dns

import (
	"context"
	"crypto"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	codec "github.com/miekg/dns"
)

// These tests show what a guest is promised, with dig, over real sockets and
// with real upstream servers. What the definition's elements mean is shown in
// package dnsmasq (TestDefinitionsAnswerAsLibvirtsDnsmasqDoes: SRV with
// libvirt's defaults, TXT, PTR, names with and without the domain, localOnly,
// localPtr, forwardPlainNames, forwarders of domains, isolated networks, the
// host's hosts file; TestOptionsMeanWhatTheyMeanToDnsmasq: CNAME, rebinding),
// what concerns guests' names in package network (neighbours_test.go,
// names_test.go, owners), dns enable='no' in its nodns_test.go.

// A digger asks a server that has real upstreams.
type digger struct {
	t    *testing.T
	addr string
	s    *Server
}

func newDigger(t *testing.T, cfg Config, upstreams ...netip.AddrPort) digger {
	cfg.Forwarders = upstreams
	sockets := newSockets(t)
	s := NewServer(quiet, cfg, NewResolver(quiet, ResolverConfig{Upstream: sockets}))
	return digger{t, onLoopback(t, s), s}
}

// dig returns what dig prints with +short, or with args that say otherwise.
func (d digger) dig(args string) string {
	d.t.Helper()
	program, err := exec.LookPath("dig")
	if err != nil {
		d.t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(d.addr)
	how := []string{"@" + host, "-p", port, "+time=10", "+tries=1", "+nocmd"}
	if !strings.Contains(args, "+all") {
		how = append(how, "+short")
	}
	out, err := exec.Command(program, append(how, strings.Fields(args)...)...).CombinedOutput()
	if err != nil {
		d.t.Errorf("dig %s: %v\n%s", args, err, out)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

func (d digger) says(args, want string) {
	d.t.Helper()
	if got := d.dig(args); got != want {
		d.t.Errorf("dig %s:\n got %s\nwant %s", args, got, want)
	}
}

// contains looks for parts of dig's whole output.
func (d digger) contains(args string, parts ...string) {
	d.t.Helper()
	out := d.dig("+all " + args)
	for _, part := range parts {
		if !strings.Contains(out, part) {
			d.t.Errorf("dig %s: no %q in\n%s", args, part, out)
		}
	}
}

// telling is an upstream that answers each A query with its address.
func telling(addr string, asked *atomic.Int64) codec.HandlerFunc {
	return func(w codec.ResponseWriter, q *codec.Msg) {
		asked.Add(1)
		w.WriteMsg(respond(q, 0, []string{q.Question[0].Name + " 60 IN A " + addr}, nil))
	}
}

func TestStrictOrderWithFailoverByHealth(t *testing.T) {
	var dead atomic.Bool
	var first, second atomic.Int64
	answer := telling("198.18.0.1", &first)
	one := realUpstream(t, func(w codec.ResponseWriter, q *codec.Msg) {
		if dead.Load() {
			first.Add(1)
			return
		}
		answer(w, q)
	})
	d := newDigger(t, Config{}, one, realUpstream(t, telling("198.18.0.2", &second)))
	for i := range 5 {
		d.says(fmt.Sprintf("a%d.example", i), "198.18.0.1")
	}
	if n := second.Load(); n != 0 {
		t.Errorf("the second was asked %d times", n)
	}
	dead.Store(true)
	d.says("b.example", "198.18.0.2")
	first.Store(0)
	for i := range 5 {
		d.says(fmt.Sprintf("c%d.example", i), "198.18.0.2")
	}
	if n := first.Load(); n > 1 {
		t.Errorf("the dead one was asked %d times for 5 names", n)
	}
	dead.Store(false)
	deadline := time.Now().Add(20 * time.Second)
	for i := 0; d.dig(fmt.Sprintf("d%d.example", i)) != "198.18.0.1"; i++ {
		if time.Now().After(deadline) {
			t.Fatal("the first one is not asked again")
		}
	}
}

func TestTruncatedUpstreamAnswersAreFetchedOverTCPAndServedInTheClientsSize(t *testing.T) {
	var overTCP atomic.Int64
	up := realUpstream(t, func(w codec.ResponseWriter, q *codec.Msg) {
		m := respond(q, 0, nil, nil)
		if _, udp := w.LocalAddr().(*net.UDPAddr); udp {
			m.Truncated = true
		} else {
			overTCP.Add(1)
			for i := range 40 {
				m.Answer = append(m.Answer, records([]string{fmt.Sprintf("big.example. 60 IN A 198.18.1.%d", i)})...)
			}
		}
		w.WriteMsg(m)
	})
	d := newDigger(t, Config{}, up)
	d.contains("+noedns +ignore big.example", "flags: qr tc rd ra; QUERY: 1, ANSWER: 0")
	d.contains("+bufsize=1232 +ignore big.example", "flags: qr rd ra; QUERY: 1, ANSWER: 40", "udp: 1232")
	d.contains("+noedns big.example", "ANSWER: 40", "(TCP)") // dig asks again over TCP itself
	if n := overTCP.Load(); n != 1 {
		t.Errorf("%d fetches over TCP, want one for all", n)
	}
}

// signedZone answers with records that are really signed, to those who ask
// for signatures, and says that it has checked unless it must not.
type signedZone struct {
	key    *codec.DNSKEY
	signer crypto.Signer
}

func newSignedZone(t *testing.T) signedZone {
	key := &codec.DNSKEY{
		Hdr:   codec.RR_Header{Name: "signed.example.", Rrtype: codec.TypeDNSKEY, Class: codec.ClassINET, Ttl: 60},
		Flags: 257, Protocol: 3, Algorithm: codec.ECDSAP256SHA256,
	}
	private, err := key.Generate(256)
	if err != nil {
		t.Fatal(err)
	}
	return signedZone{key, private.(crypto.Signer)}
}

func (z signedZone) answer(w codec.ResponseWriter, q *codec.Msg) {
	m := respond(q, 0, []string{q.Question[0].Name + " 60 IN A 198.18.0.9", q.Question[0].Name + " 60 IN A 198.18.0.8"}, nil)
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(1232, opt.Do())
		if opt.Do() {
			now := uint32(time.Now().Unix())
			sig := &codec.RRSIG{Inception: now - 3600, Expiration: now + 3600, KeyTag: z.key.KeyTag(), SignerName: "signed.example.", Algorithm: z.key.Algorithm}
			if err := sig.Sign(z.signer, m.Answer); err != nil {
				panic(err)
			}
			m.Answer = append(m.Answer, sig)
		}
	}
	m.AuthenticatedData = !q.CheckingDisabled
	w.WriteMsg(m)
}

func TestSignedRecordsStayValidThroughTheCache(t *testing.T) {
	zone := newSignedZone(t)
	d := newDigger(t, Config{}, realUpstream(t, zone.answer))
	d.contains("www.signed.example", "flags: qr rd ra ad;") // dig sets AD
	d.contains("+noadflag www.signed.example", "flags: qr rd ra; QUERY")
	d.contains("+dnssec +noadflag www.signed.example", "flags: qr rd ra ad;", "flags: do;", "RRSIG A 13 3 60")
	d.contains("+cd +dnssec www.signed.example", "flags: qr rd ra cd;")
	for _, name := range []string{"www.signed.example.", "WWW.Signed.Example."} { // from the cache now
		m := new(codec.Msg).SetQuestion(name, codec.TypeA)
		m.SetEdns0(1232, true)
		resp := overNetwork(t, "udp", d.addr, m)
		var set []codec.RR
		var sig *codec.RRSIG
		for _, rr := range resp.Answer {
			if s, ok := rr.(*codec.RRSIG); ok {
				sig = s
			} else {
				set = append(set, rr)
			}
		}
		if sig == nil || len(set) != 2 {
			t.Fatalf("%s: %v", name, resp)
		}
		if err := sig.Verify(zone.key, set); err != nil {
			t.Errorf("%s: %v\n%v", name, err, resp)
		}
	}
	if hits := d.s.Stats().CacheHits; hits == 0 {
		t.Error("nothing came from the cache")
	}
}

func TestDenialsAndTTLsAreKeptAsTheirZoneSays(t *testing.T) {
	var asked atomic.Int64
	d := newDigger(t, Config{}, realUpstream(t, func(w codec.ResponseWriter, q *codec.Msg) {
		asked.Add(1)
		soa := []string{"example. 900 IN SOA ns.example. root.example. 1 2 3 4 77"}
		switch name := strings.ToLower(q.Question[0].Name); {
		case name == "none.example.":
			w.WriteMsg(respond(q, codec.RcodeNameError, nil, soa))
		case q.Question[0].Qtype == codec.TypeA:
			w.WriteMsg(respond(q, 0, []string{name + " 300 IN A 198.18.0.1"}, nil))
		default:
			w.WriteMsg(respond(q, 0, nil, soa))
		}
	}))
	for range 3 {
		d.contains("none.example", "status: NXDOMAIN", "IN SOA ns.example.")
		d.contains("there.example AAAA", "status: NOERROR", "ANSWER: 0", "IN SOA ns.example.")
		d.contains("+noedns ThErE.example A", "ThErE.example. 300 IN A 198.18.0.1")
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("%d questions upstream, want one for each of three", n)
	}
}

func TestUpstreamQueriesHaveRandomPortsAndIDs(t *testing.T) {
	var mu sync.Mutex
	ports, ids := map[string]bool{}, map[uint16]bool{}
	d := newDigger(t, Config{}, realUpstream(t, func(w codec.ResponseWriter, q *codec.Msg) {
		mu.Lock()
		ports[w.RemoteAddr().String()] = true
		ids[q.Id] = true
		mu.Unlock()
		w.WriteMsg(respond(q, 0, []string{q.Question[0].Name + " 60 IN A 198.18.0.1"}, nil))
	}))
	const n = 400
	var wg sync.WaitGroup
	slots := make(chan struct{}, 32)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			overNetwork(t, "udp", d.addr, new(codec.Msg).SetQuestion(fmt.Sprintf("n%d.example.", i), codec.TypeA))
		})
	}
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	if len(ids) < n-20 || len(ports) < 8 {
		t.Errorf("%d ids and %d ports for %d queries", len(ids), len(ports), n)
	}
}

func TestForgedAndForeignRecordsAreNeitherServedNorKept(t *testing.T) {
	server := realUpstream(t, func(w codec.ResponseWriter, q *codec.Msg) {
		name := q.Question[0].Name
		// Guesses of a forger who sees the server's address but not our query.
		for i := range 5 {
			forged := respond(q, 0, []string{name + " 60 IN A 6.6.6.6"}, nil)
			forged.Id += uint16(i) + 1
			w.WriteMsg(forged)
		}
		other := respond(q, 0, []string{"other.example. 60 IN A 6.6.6.6"}, nil)
		other.Question[0].Name = "other.example."
		w.WriteMsg(other)
		// The server itself says more than it was asked.
		m := respond(q, 0, []string{name + " 60 IN A 198.18.0.1", "bank.test. 60 IN A 6.6.6.6"}, []string{"test. 60 IN NS ns.evil.example."})
		m.Extra = records([]string{"ns.evil.example. 60 IN A 6.6.6.6", "bank.test. 60 IN A 6.6.6.6"})
		if name == "bank.test." {
			m = respond(q, 0, []string{"bank.test. 60 IN A 198.18.0.2"}, nil)
		}
		if name == "alias.example." {
			m = respond(q, 0, []string{"alias.example. 60 IN CNAME bank.test.", "bank.test. 60 IN A 6.6.6.6"}, nil)
		}
		w.WriteMsg(m)
	})
	d := newDigger(t, Config{}, server)
	out := d.dig("+all evil.example")
	if strings.Contains(out, "6.6.6.6") || !strings.Contains(out, "198.18.0.1") {
		t.Errorf("served:\n%s", out)
	}
	d.says("alias.example", "bank.test. 6.6.6.6") // that server's own word on its own name
	d.says("bank.test", "198.18.0.2")             // and on nobody else's
	d.says("yet.example", "198.18.0.1")
}

func TestForgersFromOtherAddressesAreNotHeard(t *testing.T) {
	// Knowing id, question and port does not help who is not the server.
	var port atomic.Pointer[net.UDPAddr]
	forger, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer forger.Close()
	d := newDigger(t, Config{}, realUpstream(t, func(w codec.ResponseWriter, q *codec.Msg) {
		from := w.RemoteAddr().(*net.UDPAddr)
		port.Store(from)
		pkt, err := respond(q, 0, []string{q.Question[0].Name + " 60 IN A 6.6.6.6"}, nil).Pack()
		if err == nil {
			_, err = forger.WriteTo(pkt, from)
		}
		if err != nil {
			t.Error(err)
		}
		w.WriteMsg(respond(q, 0, []string{q.Question[0].Name + " 60 IN A 198.18.0.1"}, nil))
	}))
	d.says("www.example", "198.18.0.1")
	if port.Load() == nil {
		t.Error("the server was not asked")
	}
}

func TestAnswersOutliveTheirServersOnlyForTheirTTL(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := newDigger(t, Config{}, realUpstream(t, func(w codec.ResponseWriter, q *codec.Msg) {
		if ctx.Err() == nil {
			w.WriteMsg(respond(q, 0, []string{q.Question[0].Name + " 1 IN A 198.18.0.1"}, nil))
			return
		}
		w.WriteMsg(respond(q, codec.RcodeServerFailure, nil, nil))
	}))
	d.says("www.example", "198.18.0.1")
	cancel()
	deadline := time.Now().Add(20 * time.Second)
	for !strings.Contains(d.dig("+all www.example"), "SERVFAIL") {
		if time.Now().After(deadline) {
			t.Fatal("an answer with a TTL of a second is still served")
		}
	}
}
