package dns

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	codec "github.com/miekg/dns"
)

// libvirtLike is a network as libvirt's XML gives it, with one of everything.
func libvirtLike() (Config, []Name) {
	return Config{
			Link:    "virbr0",
			Addrs:   []netip.Addr{netip.MustParseAddr("192.168.122.1"), netip.MustParseAddr("fd00::1")},
			Subnets: []netip.Prefix{netip.MustParsePrefix("192.168.122.0/24"), netip.MustParsePrefix("fd00::/64")},
			Domain:  "test.lan",
			Resolv:  true,
			TXT:     []TXT{{"txt.test.lan", "hello world,second"}},
			SRV: []SRV{
				{Name: "_ldap._tcp", Target: "web.test.lan", Port: 389, Priority: 1, Weight: 2},
				{Name: "_none._tcp.example.org"},
			},
			DomainForwarders: []DomainForwarder{
				{Domain: "corp.example", Servers: []netip.AddrPort{netip.MustParseAddrPort("198.51.100.1:53")}},
				{Domain: "www.corp.example"},
			},
		}, []Name{
			name("192.168.122.10", "dns", "web", "www.alias.net"),
			name("192.168.122.11", "dns", "dual"),
			name("fd00::11", "dns", "dual"),
			name("192.168.122.12", "reservation", "Guest"),
			name("192.168.122.12", "lease", "guest"),
		}
}

const hostsFile = `127.0.0.1 localhost
127.0.1.1 kvmhost.example kvmhost # Debian's way
10.7.7.7 nas nas.example.org
fd77::7  nas
bad line
`

type answerCase struct {
	name, qtype, want string
	asked             string // the upstream that was asked
}

func testAnswers(t *testing.T, cfg Config, names []Name, cases []answerCase) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name+" "+tc.qtype, func(t *testing.T) {
			up := &fakeUpstream{answer: world}
			s := newTestServer(t, cfg, up, hostsFile, names...)
			if d := cmp.Diff(tc.want, shown(s.ask(t, tc.name, tc.qtype))); d != "" {
				t.Errorf("answer (-want +got):\n%s", d)
			}
			var want []string
			if tc.asked != "" {
				want = []string{fmt.Sprintf("%s %s %s", tc.asked, strings.ToLower(codec.Fqdn(tc.name)), tc.qtype)}
			}
			if d := cmp.Diff(want, up.take()); d != "" {
				t.Errorf("asked upstream (-want +got):\n%s", d)
			}
		})
	}
}

const host = "198.51.100.53" // the host's upstream

func TestAnswers(t *testing.T) {
	cfg, names := libvirtLike()
	testAnswers(t, cfg, names, []answerCase{
		// Names of the network, bare and with the domain, in any case.
		{"web", "A", "NOERROR aa | web. 0s A 192.168.122.10", ""},
		{"WEB.Test.Lan", "A", "NOERROR aa | WEB.Test.Lan. 0s A 192.168.122.10", ""},
		{"www.alias.net", "A", "NOERROR aa | www.alias.net. 0s A 192.168.122.10", ""},
		{"dual", "AAAA", "NOERROR aa | dual. 0s AAAA fd00::11", ""},
		{"guest.test.lan", "A", "NOERROR aa | guest.test.lan. 0s A 192.168.122.12", ""},
		// They have no other addresses, and nobody else is asked.
		{"web", "AAAA", "NOERROR aa", ""},
		{"web", "MX", "NOERROR aa", ""},
		// But the domain may be one that others know, too.
		{"web.test.lan", "MX", "NOERROR", host},
		{"www.alias.net", "AAAA", "NOERROR aa", ""},
		{"www.alias.net", "HTTPS", "NOERROR aa", ""},
		// The administrator's name in someone else's domain keeps its mail.
		{"www.alias.net", "MX", "NOERROR", host},
		// Reverse.
		{"10.122.168.192.in-addr.arpa", "PTR", "NOERROR aa | 10.122.168.192.in-addr.arpa. 0s PTR web.test.lan.", ""},
		{"12.122.168.192.in-addr.arpa", "PTR", "NOERROR aa | 12.122.168.192.in-addr.arpa. 0s PTR Guest.test.lan.", ""},
		{"1.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", "PTR", "NOERROR aa | 1.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa. 0s PTR dual.test.lan.", ""},
		{"10.122.168.192.in-addr.arpa", "A", "NOERROR aa", ""},
		{"99.122.168.192.in-addr.arpa", "PTR", "NXDOMAIN", ""},
		{"122.168.192.in-addr.arpa", "SOA", "NOERROR", ""},
		{"168.192.in-addr.arpa", "SOA", "NOERROR", host},
		{"8.8.8.10.in-addr.arpa", "PTR", "NOERROR", host},
		// TXT and SRV.
		{"txt.test.lan", "TXT", `NOERROR aa | txt.test.lan. 0s TXT "hello world" "second"`, ""},
		{"txt.test.lan", "A", "NOERROR | txt.test.lan. 1m40s A 203.0.113.9", host},
		{"_ldap._tcp.test.lan", "SRV", "NOERROR aa | _ldap._tcp.test.lan. 0s SRV 1 2 389 web.test.lan.", ""},
		{"_none._tcp.example.org", "SRV", "NOERROR aa | _none._tcp.example.org. 0s SRV 0 0 0 .", ""},
		// The host's hosts file, with our domain too; the host's own name is
		// where guests reach it.
		{"nas", "A", "NOERROR aa | nas. 0s A 10.7.7.7", ""},
		{"nas.test.lan", "AAAA", "NOERROR aa | nas.test.lan. 0s AAAA fd77::7", ""},
		{"nas.example.org", "AAAA", "NOERROR aa", ""},
		{"nas.example.org", "TXT", "NOERROR", host},
		{"7.7.7.10.in-addr.arpa", "PTR", "NOERROR aa | 7.7.7.10.in-addr.arpa. 0s PTR nas.test.lan.", ""},
		{"localhost", "A", "NOERROR aa | localhost. 0s A 127.0.0.1", ""},
		{"kvmhost", "A", "NOERROR aa | kvmhost. 0s A 192.168.122.1", ""},
		{"kvmhost.example", "AAAA", "NOERROR aa | kvmhost.example. 0s AAAA fd00::1", ""},
		// The rest of the world.
		{"host.example", "A", "NOERROR | host.example. 1m40s A 203.0.113.9", host},
		{"missing.example", "A", "NXDOMAIN", host},
		{"nosuch.test.lan", "MX", "NOERROR", host},
		{"nosuch", "A", "NXDOMAIN", host},
		{"net", "A", "NOERROR", host}, // www.alias.net is below: it exists
		{"host.corp.example", "A", "NOERROR | host.corp.example. 1m40s A 203.0.113.9", "198.51.100.1"},
		{"www.corp.example", "A", "NOERROR | www.corp.example. 1m40s A 203.0.113.9", host},
		{"xcorp.example", "A", "NOERROR | xcorp.example. 1m40s A 203.0.113.9", host},
		// What nobody gets.
		{"web", "ANY", "REFUSED", ""},
		{"test.lan", "AXFR", "REFUSED", ""},
		{"test.lan", "IXFR", "REFUSED", ""},
	})
}

func TestLocalDomainIsNotForwarded(t *testing.T) {
	cfg, names := libvirtLike()
	cfg.LocalZones = []string{"Test.lan", "corp.example"}
	cfg.NoPlainNames = true
	testAnswers(t, cfg, names, []answerCase{
		{"nosuch.test.lan", "A", "NXDOMAIN", ""},
		{"test.lan", "SOA", "NOERROR", ""},
		{"_tcp.test.lan", "A", "NOERROR", ""},
		{"web.test.lan", "TXT", "NOERROR aa", ""},
		{"nosuch", "A", "NXDOMAIN", ""},
		{"net", "A", "NOERROR", ""},
		{"host.corp.example", "A", "NXDOMAIN", ""},
		{".", "NS", "NXDOMAIN", host},
		{"host.example", "A", "NOERROR | host.example. 1m40s A 203.0.113.9", host},
	})
}

func TestIsolatedNetworkAsksNobody(t *testing.T) {
	cfg, names := libvirtLike()
	cfg.Resolv = false
	testAnswers(t, cfg, names, []answerCase{
		{"web", "A", "NOERROR aa | web. 0s A 192.168.122.10", ""},
		{"web", "AAAA", "NOERROR aa", ""},
		{"www.alias.net", "MX", "NOERROR", ""},
		{"nosuch.test.lan", "A", "REFUSED", ""},
		{"99.122.168.192.in-addr.arpa", "PTR", "NXDOMAIN", ""},
		{"host.example", "A", "REFUSED", ""},
		{"host.corp.example", "A", "NOERROR | host.corp.example. 1m40s A 203.0.113.9", "198.51.100.1"},
	})
}

func TestForwardersReplaceTheHostsUpstreams(t *testing.T) {
	cfg, _ := libvirtLike()
	cfg.Forwarders = []netip.AddrPort{netip.MustParseAddrPort("198.51.100.9:53")}
	testAnswers(t, cfg, nil, []answerCase{
		{"host.corp.example", "A", "NOERROR | host.corp.example. 1m40s A 203.0.113.9", "198.51.100.1"},
		{"www.corp.example", "A", "NOERROR | www.corp.example. 1m40s A 203.0.113.9", "198.51.100.9"},
		{"host.example", "A", "NOERROR | host.example. 1m40s A 203.0.113.9", "198.51.100.9"},
	})
}

func TestMalformedQueries(t *testing.T) {
	s := newTestServer(t, Config{Resolv: true}, &fakeUpstream{answer: world}, "")
	question := "\x01a\x00\x00\x01\x00\x01"
	opt := "\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"
	for name, tc := range map[string]struct {
		pkt   string
		rcode int
	}{
		"empty":             {"", rcodeSilence},
		"short header":      {"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00", rcodeSilence},
		"response":          {"\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00" + question, rcodeSilence},
		"update":            {"\x12\x34\x29\x00\x00\x01\x00\x00\x00\x00\x00\x00" + question, codec.RcodeNotImplemented},
		"no question":       {"\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", codec.RcodeFormatError},
		"two questions":     {"\x12\x34\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00" + question + question, codec.RcodeFormatError},
		"answer in query":   {"\x12\x34\x01\x00\x00\x01\x00\x01\x00\x00\x00\x00" + question, codec.RcodeFormatError},
		"no name":           {"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", codec.RcodeFormatError},
		"cut name":          {"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05ab", codec.RcodeFormatError},
		"cut type":          {"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01", codec.RcodeFormatError},
		"pointer":           {"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01", codec.RcodeFormatError},
		"long name":         {"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + strings.Repeat("\x3f"+strings.Repeat("a", 63), 4) + "\x00\x00\x01\x00\x01", codec.RcodeFormatError},
		"missing OPT":       {"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01" + question, codec.RcodeFormatError},
		"two OPTs":          {"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x02" + question + opt + opt, codec.RcodeFormatError},
		"EDNS version 1":    {"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01" + question + "\x00\x00\x29\x04\xd0\x00\x01\x00\x00\x00\x00", codec.RcodeBadVers},
		"class CH":          {"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x10\x00\x03", codec.RcodeNotImplemented},
		"trailing bytes":    {"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + question + "xyz", 0},
		"longest name fits": {"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + strings.Repeat("\x3f"+strings.Repeat("a", 63), 3) + "\x3d" + strings.Repeat("a", 61) + "\x00\x00\x01\x00\x01", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var q query
			if got := q.parse([]byte(tc.pkt)); got != tc.rcode && name != "class CH" {
				t.Fatalf("parse = %d, want %d", got, tc.rcode)
			}
			var r reply
			packed, ask := s.handle([]byte(tc.pkt), &q, &r, time.Now())
			switch {
			case tc.rcode == 0:
				if ask.from == nil {
					t.Error("not forwarded")
				}
				return
			case tc.rcode == rcodeSilence:
				if packed != nil || ask.from != nil {
					t.Error("answered")
				}
				return
			}
			var m codec.Msg
			if err := m.Unpack(packed); err != nil {
				t.Fatal(err)
			}
			if m.Rcode != tc.rcode || m.Id != 0x1234 || !m.Response {
				t.Errorf("got %s", m.String())
			}
		})
	}
}
