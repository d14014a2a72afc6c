package lab

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// Addresses of the internet, all set aside for documentation (RFC 5737).
const (
	WWWAddr    = "203.0.113.10" // answers HTTP
	DNSAddr    = "203.0.113.53" // answers DNS for the names of Internet.Names
	HostAddr   = "198.51.100.2" // the host's own, on its link UplinkName
	routerAddr = "198.51.100.1"
	UplinkName = "uplink0"
)

// Internet is a machine beyond the host's uplink. It has no route to any
// network behind the host, so only what the host translates gets an answer.
type Internet struct {
	*Machine
	// Names are the A records that its DNS server knows; what it does not
	// know does not exist.
	Names map[string]netip.Addr

	mu    sync.Mutex // guards asked
	asked map[string]int
}

// Uplink connects the host to an internet by its link uplink0, with a default
// route and an /etc/resolv.conf that names the internet's DNS server.
func (h *Host) Uplink(t TB) *Internet {
	t.Helper()
	in := &Internet{
		Machine: NewMachine(t, "internet"),
		Names: map[string]netip.Addr{
			"www.example.net.":   netip.MustParseAddr(WWWAddr),
			"dns.example.net.":   netip.MustParseAddr(DNSAddr),
			"other.example.net.": netip.MustParseAddr("203.0.113.99"),
		},
		asked: make(map[string]int),
	}
	h.cable(t, UplinkName, in.Machine, "eth0", nil)
	in.Script(t, `ip addr add `+routerAddr+`/24 dev eth0
		ip addr add `+WWWAddr+`/32 dev lo
		ip addr add `+DNSAddr+`/32 dev lo
		ip link set eth0 up`)
	h.Script(t, `ip addr add `+HostAddr+`/24 dev `+UplinkName+`
		ip link set `+UplinkName+` addrgenmode none up
		ip route add default via `+routerAddr)
	Eventually(t, patience, "the uplink has carrier", func() bool {
		return strings.Contains(h.Must(t, "ip", "link", "show", UplinkName), "state UP")
	})
	h.WriteFile(t, "/etc/resolv.conf", "nameserver "+DNSAddr+"\n", 0o644)
	in.serveHTTP(t)
	in.serveDNS(t)
	return in
}

// Page is what the web server answers: the address that it was asked from.
func Page(from string) string { return "you are " + from + "\n" }

func (in *Internet) serveHTTP(t TB) {
	t.Helper()
	var l net.Listener
	err := in.Net(func() (err error) {
		l, err = net.Listen("tcp4", WWWAddr+":80")
		return err
	})
	if err != nil {
		t.Fatalf("listen for HTTP: %v", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprint(w, Page(host))
	})}
	t.Cleanup(func() { server.Close() })
	go server.Serve(l)
}

func (in *Internet) serveDNS(t TB) {
	t.Helper()
	var l net.Listener
	var pc net.PacketConn
	err := in.Net(func() (err error) {
		if l, err = net.Listen("tcp4", DNSAddr+":53"); err != nil {
			return err
		}
		pc, err = net.ListenPacket("udp4", DNSAddr+":53")
		return err
	})
	if err != nil {
		t.Fatalf("listen for DNS: %v", err)
	}
	for _, server := range []*dns.Server{
		{Listener: l, Handler: dns.HandlerFunc(in.answer)},
		{PacketConn: pc, Handler: dns.HandlerFunc(in.answer)},
	} {
		ready := make(chan struct{})
		server.NotifyStartedFunc = func() { close(ready) }
		go server.ActivateAndServe()
		<-ready
		t.Cleanup(func() { server.Shutdown() })
	}
}

// answer answers one query from Names. The name big.example.net has a TXT
// record that fits no datagram without EDNS.
func (in *Internet) answer(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg).SetReply(query)
	reply.RecursionAvailable = true
	q := query.Question[0]
	name := strings.ToLower(q.Name)
	in.count(name)
	addr, known := in.Names[name]
	switch {
	case name == "big.example.net." && q.Qtype == dns.TypeTXT:
		for i := range 8 {
			text := fmt.Sprintf("%d%s", i, strings.Repeat("x", 200))
			reply.Answer = append(reply.Answer, &dns.TXT{Hdr: header(q), Txt: []string{text}})
		}
	case !known:
		reply.Rcode = dns.RcodeNameError
		reply.Ns = append(reply.Ns, soa())
	case q.Qtype == dns.TypeA:
		reply.Answer = append(reply.Answer, &dns.A{Hdr: header(q), A: addr.AsSlice()})
	default:
		reply.Ns = append(reply.Ns, soa())
	}
	size := dns.MinMsgSize
	if opt := query.IsEdns0(); opt != nil {
		size = int(opt.UDPSize())
	}
	if _, isUDP := w.RemoteAddr().(*net.UDPAddr); isUDP {
		reply.Truncate(size)
	}
	w.WriteMsg(reply)
}

func header(q dns.Question) dns.RR_Header {
	return dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 300}
}

func soa() dns.RR {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: "example.net.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 300},
		Ns:  "dns.example.net.", Mbox: "root.example.net.", Serial: 1, Refresh: 300, Retry: 300, Expire: 300, Minttl: 60,
	}
}

func (in *Internet) count(name string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.asked[name]++
}

// Asked is how often the DNS server was asked for a name, of any type.
func (in *Internet) Asked(name string) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.asked[dns.CanonicalName(name)]
}
