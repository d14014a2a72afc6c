package observe

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// questions are what is asked of the network's resolver: all that its
// definition names, the guests, the host, and names of elsewhere.
type questions struct {
	all    []string
	domain string
}

func (q *questions) add(kind, name string) {
	name = strings.ToLower(dns.Fqdn(name))
	if line := kind + " " + name; !slices.Contains(q.all, line) {
		q.all = append(q.all, line)
	}
}

// name asks for a host's addresses, with and without the network's domain.
func (q *questions) name(name string) {
	q.add("A", name)
	q.add("AAAA", name)
	if q.domain != "" && !strings.Contains(name, ".") {
		q.add("A", name+"."+q.domain)
		q.add("AAAA", name+"."+q.domain)
	}
}

func (q *questions) addr(a netip.Addr) {
	if name, err := dns.ReverseAddr(a.String()); err == nil && a.IsValid() {
		q.add("PTR", name)
	}
}

func (o *observer) questions() []string {
	n := o.Network
	q := &questions{domain: n.Domain.Name}
	q.defined(o)
	for _, name := range []string{guestName, "asker", "asker6", "kvmhost", "hostsname"} {
		q.name(name)
	}
	for _, ip := range n.IPs {
		q.addr(ip.Prefix.Addr())
		q.addr(unused(ip.Prefix))
	}
	for _, a := range o.leasedAddrs() {
		q.addr(a)
	}
	if q.domain != "" {
		for _, kind := range []string{"A", "SOA", "NS", "TXT"} {
			q.add(kind, q.domain)
		}
		q.add("A", "absent."+q.domain)
		q.add("AAAA", "absent."+q.domain)
		q.add("MX", "absent2."+q.domain)
	}
	q.elsewhere()
	for _, line := range o.Names {
		kind, name, _ := strings.Cut(line, " ")
		q.add(kind, name)
	}
	return q.all
}

// defined asks for what the definition names.
func (q *questions) defined(o *observer) {
	n := o.Network
	for _, h := range n.DNS.Hosts {
		for _, name := range h.Names {
			q.name(name)
		}
		q.addr(h.Addr)
	}
	for _, s := range n.DNS.SRV {
		for _, domain := range []string{s.Domain, q.domain, ""} {
			q.add("SRV", strings.TrimSuffix("_"+s.Service+"._"+s.Protocol+"."+domain, "."))
		}
	}
	for _, t := range n.DNS.TXT {
		q.add("TXT", t.Name)
		q.add("A", t.Name)
	}
	for _, f := range n.DNS.Forwarders {
		if f.Domain != "" {
			q.add("A", f.Domain)
			q.add("A", "www."+f.Domain)
			q.add("TXT", "www."+f.Domain)
		}
	}
	for _, ip := range n.IPs {
		for _, h := range ip.Hosts {
			if h.Name != "" {
				q.name(h.Name)
			}
			q.addr(h.Addr)
		}
	}
}

// elsewhere asks for what is none of the network's.
func (q *questions) elsewhere() {
	for _, line := range []string{
		"A www.example.net", "AAAA www.example.net", "TXT www.example.net", "MX www.example.net", "A absent.example.net",
		"A plain", "AAAA plain", "TXT plain", "A absentplain", "A localhost", "AAAA localhost", "A hostsname.example.com", "AAAA hostsname.example.com",
		"A www.test", "A www.local", "A www.home.arpa", "NS .",
	} {
		kind, name, _ := strings.Cut(line, " ")
		q.add(kind, name)
	}
	for _, a := range []string{"192.0.2.77", "10.77.77.77", "192.168.77.77", "172.30.77.77", "203.0.113.99", "127.0.0.1", "2001:db8::99", "fd77::77", "::1"} {
		q.addr(netip.MustParseAddr(a))
	}
}

// unused is the last but one address of a prefix, which no fixture uses.
func unused(p netip.Prefix) netip.Addr {
	if p.IsSingleIP() {
		return netip.Addr{}
	}
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8-1; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// leasedAddrs are the guest's own addresses.
func (o *observer) leasedAddrs() []netip.Addr {
	var all []netip.Addr
	for _, p := range o.guest.Addrs(o.t) {
		all = append(all, p.Addr())
	}
	return all
}

// dns asks the network's first address everything.
func (o *observer) dns() {
	s := o.report.add("dns")
	if len(o.Network.IPs) == 0 {
		s.line("no address to ask")
		return
	}
	server := o.Network.IPs[0].Prefix.Addr().String()
	if !o.resolves(server) {
		s.line("no answer")
		return
	}
	asked := o.questions()
	var batch strings.Builder
	for _, q := range asked {
		kind, name, _ := strings.Cut(q, " ")
		fmt.Fprintf(&batch, "-q %s -t %s\n", name, kind)
	}
	o.guest.WriteFile(o.t, "/run/questions", batch.String(), 0o644)
	out := o.guest.Run(o.t, "dig", "@"+server, "+tries=2", "+time=4", "+nocookie", "+noall", "+question", "+comments", "+answer",
		"+authority", "-f", "/run/questions").Stdout
	replies := readDig(out)
	for _, q := range asked {
		reply, ok := replies[q]
		if !ok {
			reply = "no answer"
		}
		if upstreams := o.Upstreams.Asked(q); len(upstreams) > 0 {
			reply += " (asked " + strings.Join(upstreams, ", ") + ")"
		}
		s.line("%s: %s", q, reply)
	}
}

// resolves tells whether anybody answers DNS there.
func (o *observer) resolves(server string) bool {
	err := o.guest.Net(func() error {
		c := &dns.Client{Timeout: patience}
		_, _, err := c.Exchange(new(dns.Msg).SetQuestion("up.example.net.", dns.TypeA), net.JoinHostPort(server, "53"))
		return err
	})
	return err == nil
}

var (
	digStatus   = regexp.MustCompile(`status: (\w+)`)
	digFlags    = regexp.MustCompile(`;; flags: ([a-z ]*);`)
	digEDNS     = regexp.MustCompile(`; EDNS: version: 0, flags:([a-z ]*); udp: (\d+)`)
	digQuestion = regexp.MustCompile(`(?m)^;(\S+)\s+IN\s+(\S+)$`)
	digRecord   = regexp.MustCompile(`(?m)^([^;\s]\S*)\s+(\d+)\s+IN\s+(.+)$`)
)

// readDig takes dig's output of many questions apart: question to answer.
func readDig(out string) map[string]string {
	replies := make(map[string]string)
	for part := range strings.SplitSeq(out, ";; Got answer:") {
		q := digQuestion.FindStringSubmatch(part)
		if q == nil {
			continue
		}
		words := []string{first(digStatus, part), strings.TrimPrefix(first(digFlags, part), "qr ")}
		if m := digEDNS.FindStringSubmatch(part); m != nil {
			words = append(words, strings.TrimSpace("edns "+m[2]+m[1]))
		}
		var records []string
		for _, r := range digRecord.FindAllStringSubmatch(part, -1) {
			ttl, _ := strconv.Atoi(r[2])
			records = append(records, fmt.Sprintf("; %s %d %s", r[1], (ttl+59)/60*60, strings.Join(strings.Fields(r[3]), " ")))
		}
		slices.Sort(records)
		replies[q[2]+" "+strings.ToLower(q[1])] = strings.Join(words, " ") + strings.Join(records, "")
	}
	return replies
}

func first(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return "?"
}
