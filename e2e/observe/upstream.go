package observe

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Upstreams are DNS servers beyond a host's uplink that write down what they
// are asked. They know every name, except those that begin with "absent": an
// A record says 203.0.113.99, an AAAA record 2001:db8::99, a TXT record the
// server's own address.
type Upstreams struct {
	mu    sync.Mutex // guards asked
	asked map[string][]string
}

// upstreamAddr is that of the host's own server.
const upstreamAddr = "203.0.113.54"

// NewUpstreams makes the internet that the host has an uplink to answer DNS:
// at the address that the host knows, and at those that the network names.
func NewUpstreams(t lab.TB, h *lab.Host, in *lab.Internet, n *xmlnet.Network) *Upstreams {
	t.Helper()
	gateway := strings.Fields(h.Must(t, "ip", "route", "show", "default"))[2]
	in.Script(t, "ip -6 addr add 2001:db8:1::1/64 dev eth0 nodad")
	h.Script(t, `ip -6 addr add 2001:db8:1::2/64 dev `+lab.UplinkName+` nodad
		ip -6 route add default via 2001:db8:1::1
		# libvirt starts no network with a default route where there is one.
		ip route del default
		ip route add 0.0.0.0/1 via `+gateway+`
		ip route add 128.0.0.0/1 via `+gateway)
	h.WriteFile(t, "/etc/resolv.conf", "nameserver "+upstreamAddr+"\n", 0o644)
	u := &Upstreams{asked: make(map[string][]string)}
	for _, addr := range upstreamAddrs(n) {
		bits := "/32"
		if strings.Contains(addr, ":") {
			bits = "/128 nodad"
		}
		in.Script(t, "ip addr add dev lo "+addr+bits)
		u.serve(t, in, addr)
	}
	return u
}

// upstreamAddrs are where servers are to be: what forwarders and the option
// server= name, beside the host's own.
func upstreamAddrs(n *xmlnet.Network) []string {
	all := []string{upstreamAddr}
	for _, f := range n.DNS.Forwarders {
		if f.Addr.IsValid() && !slices.Contains(all, f.Addr.String()) {
			all = append(all, f.Addr.String())
		}
	}
	for _, option := range n.DNSMasqOptions {
		server, isServer := strings.CutPrefix(option, "server=")
		if addr, err := netip.ParseAddr(server[strings.LastIndexByte(server, '/')+1:]); isServer && err == nil {
			all = append(all, addr.String())
		}
	}
	return all
}

func (u *Upstreams) serve(t lab.TB, in *lab.Internet, addr string) {
	t.Helper()
	var pc net.PacketConn
	err := in.Net(func() (err error) {
		pc, err = net.ListenPacket("udp", net.JoinHostPort(addr, "53"))
		return err
	})
	if err != nil {
		t.Fatalf("listen for DNS on %s: %v", addr, err)
	}
	ready := make(chan struct{})
	server := &dns.Server{
		PacketConn: pc, NotifyStartedFunc: func() { close(ready) },
		Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { u.answer(w, q, addr) }),
	}
	go server.ActivateAndServe()
	<-ready
	t.Cleanup(func() { server.Shutdown() })
}

func (u *Upstreams) answer(w dns.ResponseWriter, query *dns.Msg, addr string) {
	q := query.Question[0]
	u.note(questionText(q), addr)
	reply := new(dns.Msg).SetReply(query)
	reply.RecursionAvailable = true
	if query.IsEdns0() != nil {
		reply.SetEdns0(1232, false)
	}
	h := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: q.Qclass, Ttl: 300}
	switch {
	case strings.HasPrefix(strings.ToLower(q.Name), "absent"):
		reply.Rcode = dns.RcodeNameError
	case q.Qtype == dns.TypeA:
		reply.Answer = append(reply.Answer, &dns.A{Hdr: h, A: net.ParseIP("203.0.113.99")})
	case q.Qtype == dns.TypeAAAA:
		reply.Answer = append(reply.Answer, &dns.AAAA{Hdr: h, AAAA: net.ParseIP("2001:db8::99")})
	case q.Qtype == dns.TypeTXT:
		reply.Answer = append(reply.Answer, &dns.TXT{Hdr: h, Txt: []string{addr}})
	case q.Qtype == dns.TypePTR:
		reply.Answer = append(reply.Answer, &dns.PTR{Hdr: h, Ptr: "upstream.example."})
	}
	w.WriteMsg(reply)
}

// questionText is a question as text, the name in small letters: servers may
// change its case.
func questionText(q dns.Question) string {
	return dns.TypeToString[q.Qtype] + " " + strings.ToLower(q.Name)
}

func (u *Upstreams) note(question, addr string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !slices.Contains(u.asked[question], addr) {
		u.asked[question] = append(u.asked[question], addr)
	}
}

// Asked are the servers that a question came to, in order, each once.
func (u *Upstreams) Asked(question string) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.asked[question]
}
