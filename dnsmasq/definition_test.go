package dnsmasq_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	codec "github.com/miekg/dns"

	"github.com/vnetmgr/vnetmgr/dns"
)

// noData is our denial of a type that a name of ours does not have.
const noData = "NOERROR AA"

// soa is what the upstream denies with.
const soa = " ns| . 300 IN SOA ns.example. root.example. 1 2 3 4 60"

// noService is a service that is not offered (RFC 2782).
func noService(name string) string {
	return "NOERROR AA | " + name + "._tcp.test.lan. 0 IN SRV 0 0 0 ."
}

// A documented is a definition, what libvirt writes of it for dnsmasq, and
// what both are asked.
type documented struct {
	name  string
	doc   string // forward, domain, dns
	ip    string // attributes of the ip element
	lines string // beside those that all have
	ask   []string
	// differs are answers of ours that are not dnsmasq's, on purpose
	// (docs/compat.md).
	differs map[string]string
}

// commonLines are what libvirt writes in any case. Hosts stands for the
// host's own file.
const commonLines = `strict-order
pid-file=%[1]s/pid
except-interface=lo
bind-dynamic
interface=virbr0
dhcp-range=192.168.122.2,192.168.122.99,255.255.255.0
dhcp-hostsfile=%[1]s/hostsfile
addn-hosts=%[1]s/addnhosts
dhcp-leasefile=%[1]s/leases
user=root
no-hosts
`

const hostsOfTheHost = "127.0.0.1 localhost\n10.9.9.9 nas.home nas\n10.9.9.8 printer\n"

var definitions = []documented{
	{
		name:  "domain",
		doc:   `<forward mode='nat'/><domain name='test.lan'/>`,
		lines: "resolv-file=RESOLV\ndomain=test.lan\nexpand-hosts\n",
		ask: []string{"web A", "web.test.lan A", "WeB.TEST.Lan A", "web.test.lan MX", "web.test.lan TXT", "web.test.lan AAAA", "nope.test.lan A", "nope A", "test.lan A",
			"7.122.168.192.in-addr.arpa PTR", "7.122.168.192.in-addr.arpa A", "9.122.168.192.in-addr.arpa PTR", "nas A", "nas.home A", "nas.test.lan A", "nas.home AAAA",
			"9.9.9.10.in-addr.arpa PTR", "8.9.9.10.in-addr.arpa PTR", "localhost A", "pub.example A", "pub.example AAAA", "pub.example TXT", "alias.example A", "alias.example CNAME", "gone.example A", "text.example TXT",
			"web SOA", "web.test.lan HTTPS", "x.web.test.lan A", "printer.local A", "x.onion A"},
		differs: map[string]string{
			"7.122.168.192.in-addr.arpa A": noData, "9.122.168.192.in-addr.arpa PTR": "NXDOMAIN", "alias.example CNAME": "NOERROR | alias.example. 100 IN CNAME pub.example.",
			"web.test.lan AAAA": noData, "web.test.lan HTTPS": noData, "nas.home AAAA": noData, "web SOA": noData,
			"web.test.lan MX": "NOERROR" + soa, "web.test.lan TXT": "NOERROR" + soa, "test.lan A": "NOERROR" + soa, // without AA: it is another's answer
		},
	},
	{
		name:  "local domain",
		doc:   `<forward mode='nat'/><domain name='test.lan' localOnly='yes'/>`,
		lines: "resolv-file=RESOLV\nlocal=/test.lan/\ndomain=test.lan\nexpand-hosts\n",
		ask: []string{"nope.test.lan A", "nope.test.lan TXT", "test.lan A", "test.lan SOA", "test.lan NS", "web.test.lan MX", "web.test.lan AAAA", "x.web.test.lan A",
			"nope A", "plain A", "pub.example A"},
		differs: map[string]string{"web.test.lan MX": noData, "web.test.lan AAAA": noData},
	},
	{
		name:    "no domain",
		doc:     `<forward mode='nat'/>`,
		lines:   "resolv-file=RESOLV\n",
		ask:     []string{"web A", "web.test.lan A", "7.122.168.192.in-addr.arpa PTR", "nas A", "nope A", "plain A", "web MX"},
		differs: map[string]string{"web MX": noData},
	},
	{
		name:    "reverse zone",
		doc:     `<forward mode='nat'/>`,
		ip:      `localPtr='yes'`,
		lines:   "resolv-file=RESOLV\nlocal=/122.168.192.in-addr.arpa/\n",
		ask:     []string{"7.122.168.192.in-addr.arpa PTR", "9.122.168.192.in-addr.arpa PTR", "122.168.192.in-addr.arpa PTR", "122.168.192.in-addr.arpa SOA", "5.1.168.192.in-addr.arpa PTR", "8.8.8.8.in-addr.arpa PTR"},
		differs: map[string]string{"122.168.192.in-addr.arpa PTR": "NOERROR", "122.168.192.in-addr.arpa SOA": "NOERROR"},
	},
	{
		name:    "plain names stay",
		doc:     `<forward mode='nat'/><domain name='test.lan'/><dns forwardPlainNames='no'>HOSTS</dns>`,
		lines:   "resolv-file=RESOLV\ndomain-needed\nlocal=//\ndomain=test.lan\nexpand-hosts\n",
		ask:     []string{"web A", "plain A", "plain AAAA", "plain TXT", "plain MX", "web MX", "pub.example A", "nope.test.lan A", "nas A", "com NS"},
		differs: map[string]string{"web MX": noData},
	},
	{
		name: "forwarders",
		doc: `<forward mode='nat'/><dns><forwarder addr='127.0.0.2'/><forwarder domain='third.example' addr='127.0.0.3'/>` +
			`<forwarder domain='up.third.example'/>HOSTS</dns>`,
		lines: "server=127.0.0.2\nserver=/third.example/127.0.0.3\nserver=/up.third.example/#\nno-resolv\n",
		ask:   []string{"pub.example A", "third.example A", "x.third.example A", "X.Third.Example A", "up.third.example A", "x.up.third.example A", "notthird.example A", "web A"},
	},
	{
		name:  "forwarders of domains beside the host's servers",
		doc:   `<forward mode='nat'/><dns><forwarder domain='third.example' addr='127.0.0.3'/><forwarder domain='up.third.example'/>HOSTS</dns>`,
		lines: "resolv-file=RESOLV\nserver=/third.example/127.0.0.3\nserver=/up.third.example/#\n",
		ask:   []string{"pub.example A", "x.third.example A", "x.up.third.example A"},
	},
	{
		name:  "isolated",
		doc:   `<domain name='test.lan'/>`,
		lines: "no-resolv\ndhcp-option=3\ndomain=test.lan\nexpand-hosts\n",
		ask:   []string{"web A", "web.test.lan A", "pub.example A", "nope.test.lan A", "nope A", "nas A", "7.122.168.192.in-addr.arpa PTR", "8.8.8.8.in-addr.arpa PTR"},
	},
	{
		name: "services and texts",
		doc: `<forward mode='nat'/><domain name='test.lan'/><dns><txt name='t.test.lan' value='one two,three'/><txt name='bare' value='x'/>` +
			`<srv service='a' protocol='tcp' domain='other.lan' target='web.test.lan' port='80' priority='3' weight='4'/>` +
			`<srv service='b' protocol='udp' target='web.test.lan'/><srv service='c' protocol='tcp'/><srv service='d' protocol='tcp' target='.'/>HOSTS</dns>`,
		lines: "resolv-file=RESOLV\ndomain=test.lan\nexpand-hosts\ntxt-record=t.test.lan,one two,three\ntxt-record=bare,x\n" +
			"srv-host=_a._tcp.other.lan,web.test.lan,80,3,4\nsrv-host=_b._udp,web.test.lan\nsrv-host=_c._tcp\nsrv-host=_d._tcp,.\n",
		ask: []string{"t.test.lan TXT", "bare TXT", "bare.test.lan TXT", "t.test.lan A", "_a._tcp.other.lan SRV", "_b._udp.test.lan SRV", "_b._udp SRV", "_c._tcp.test.lan SRV", "_d._tcp.test.lan SRV", "_b._udp.test.lan A", "_tcp.other.lan A"},
		differs: map[string]string{
			"_c._tcp.test.lan SRV": noService("_c"), "_d._tcp.test.lan SRV": noService("_d"),
			"t.test.lan A": "NOERROR" + soa, "_b._udp.test.lan A": "NOERROR" + soa, "_tcp.other.lan A": "NOERROR" + soa,
		},
	},
}

const hostElements = `<host ip='192.168.122.7'><hostname>web</hostname></host>`

// document is the whole definition.
func (d documented) document() string {
	doc := strings.Replace(d.doc, "HOSTS", hostElements, 1)
	if !strings.Contains(doc, hostElements) {
		if strings.Contains(doc, "<dns") {
			panic("no HOSTS")
		}
		doc += "<dns>" + hostElements + "</dns>"
	}
	return fmt.Sprintf(`<network><name>n</name><uuid>6f2a4a30-9c05-4d0a-8d38-0d6d8b9a9f01</uuid><bridge name='virbr0'/><mac address='52:54:00:00:00:01'/>
		%s<ip address='192.168.122.1' netmask='255.255.255.0' %s><dhcp><range start='192.168.122.2' end='192.168.122.99'/>
		<host mac='52:54:00:00:00:05' name='five' ip='192.168.122.105'/></dhcp></ip></network>`, doc, d.ip)
}

// said is an answer with all that a client may see of it.
func (s side) said(question string) string {
	name, qtype, _ := strings.Cut(question, " ")
	m, err := s.query(name, qtype, 10*time.Second)
	if err != nil {
		return err.Error()
	}
	out := codec.RcodeToString[m.Rcode]
	for flag, set := range map[string]bool{"AA": m.Authoritative, "TC": m.Truncated, "AD": m.AuthenticatedData} {
		if set {
			out += " " + flag
		}
	}
	if !m.RecursionAvailable {
		out += " no RA"
	}
	for section, rrs := range [][]codec.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range rrs {
			// From upstream, counting down: 100 for answers, 300 for denials.
			if h := rr.Header(); h.Ttl > 90 && h.Ttl <= 100 || h.Ttl > 290 && h.Ttl <= 300 {
				h.Ttl = (h.Ttl + 9) / 10 * 10
			}
			out += fmt.Sprintf(" %s| %s", []string{"", "ns", "extra"}[section], strings.ReplaceAll(rr.String(), "\t", " "))
		}
	}
	return out
}

// TestDefinitionsAnswerAsLibvirtsDnsmasqDoes asks dnsmasq, with the lines that
// libvirt writes, and our server the same questions.
func TestDefinitionsAnswerAsLibvirtsDnsmasqDoes(t *testing.T) {
	theirs, ours := newSide(t), newSide(t)
	dir := t.TempDir()
	hosts, resolv := filepath.Join(dir, "hosts"), filepath.Join(dir, "resolv.conf")
	for path, text := range map[string]string{hosts: hostsOfTheHost, resolv: "nameserver 127.0.0.2\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range definitions {
		t.Run(d.name, func(t *testing.T) {
			lines := commonLines + "addn-hosts=" + hosts + "\n" + strings.Replace(d.lines, "RESOLV", resolv, 1)
			p := theirs.startDnsmasqAs(t, lines, "web")
			defer p.Stop()
			defer ours.startOursAs(t, d.document(), dns.ResolverConfig{ResolvConf: resolv, Hosts: hosts})()
			for _, q := range d.ask {
				want, differs := d.differs[q]
				if !differs {
					want = theirs.said(q)
				}
				if diff := cmp.Diff(want, ours.said(q)); diff != "" {
					t.Errorf("%s (-dnsmasq +vnetmgr):\n%s", q, diff)
				}
			}
		})
	}
}
