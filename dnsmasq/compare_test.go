package dnsmasq_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Clients of the DHCP cases.
const (
	stranger = "52:54:00:00:00:99" // has no reservation; its address is the server's choice
	reserved = "52:54:00:00:00:05"
)

// options that clients ask for.
func asking(codes ...byte) string { return string(codes) }

var (
	usual = discover{55: asking(1, 3, 6, 12, 15, 26, 28, 42, 43, 66, 67, 119, 121, 150)}
	bios  = discover{55: asking(1, 3, 43, 60, 66, 67), 60: "PXEClient:Arch:00000:UNDI:002001", 93: "\x00\x00"}
	uefi  = discover{55: asking(1, 3, 43, 60, 66, 67), 60: "PXEClient:Arch:00007:UNDI:003016", 93: "\x00\x07"}
	http  = discover{55: asking(1, 3, 43, 60, 66, 67), 60: "HTTPClient:Arch:00016:UNDI:003001", 93: "\x00\x10"}
	ipxe  = discover{55: asking(1, 3, 43, 66, 67, 175), 77: "iPXE", 93: "\x00\x07", 175: "\x13\x01\x01\x14\x01\x01"}
	named = discover{55: asking(1, 3, 12), 12: "wpad"}
)

// A comparison is what dnsmasq and our servers are asked, with options.
type comparison struct {
	name    string
	options []string
	ask     []string // names and types
	offers  []discover
	mac     string // "" is reserved
}

var comparisons = []comparison{
	{name: "none", ask: []string{"web A", "web.test.lan A", "pub.example A", "nope.test.lan A"}, offers: []discover{usual, bios}},
	{
		name:    "address",
		options: []string{"address=/apps.test/198.18.1.1", "address=/.lead.test/198.18.1.2", "address=/nx.test/", "address=/null.test/#", "address=/two.test/198.18.1.3", "address=/two.test/2001:db8::3", "address=/a.test/b.test/198.18.1.4"},
		ask: []string{"apps.test A", "deep.x.apps.test A", "x.apps.test AAAA", "x.lead.test A", "a.nx.test A", "nx.test AAAA", "null.test A", "x.null.test AAAA",
			"x.two.test A", "x.two.test AAAA", "b.test A", "x.a.test A", "notapps.test A", "x.apps.test TXT", "x.apps.test MX"},
	},
	{name: "address of all names", options: []string{"address=/#/198.18.1.9"}, ask: []string{"pub.example A", "nothing A", "web A"}},
	{
		name:    "host-record",
		options: []string{"host-record=lb.o.test,bare,198.18.2.1,2001:db8::1,77", "host-record=only6.test,2001:db8::6"},
		ask:     []string{"lb.o.test A", "lb.o.test AAAA", "bare A", "1.2.18.198.in-addr.arpa PTR", "only6.test AAAA"},
	},
	{
		name:    "cname",
		options: []string{"host-record=lb.o.test,198.18.2.1", "cname=one.o.test,two.o.test,lb.o.test", "cname=ttl.o.test,lb.o.test,55", "cname=www.test.lan,web.test.lan", "cname=chain.o.test,one.o.test", "cname=open.o.test,nowhere.invalid"},
		ask:     []string{"one.o.test A", "two.o.test A", "ttl.o.test A", "www.test.lan A", "chain.o.test A", "one.o.test CNAME", "one.o.test AAAA", "open.o.test A"},
	},
	{
		name: "records",
		options: []string{`txt-record=t.o.test,"a,b",c`, "srv-host=_s._tcp.o.test,web.test.lan,80,1,2", "srv-host=_d._tcp,web.test.lan", "srv-host=_n._tcp.o.test",
			"mx-target=mail.o.test", "mx-host=o.test,web.test.lan,20", "mx-host=p.test", "mx-host=q.test,30", "ptr-record=9.9.9.9.in-addr.arpa,nine.test",
			"caa-record=o.test,0,issue,ca.test", "naptr-record=n.test,10,20,s,SIP+D2U,,_s._udp.o.test", "dns-rr=h.test,13,0561626364650178"},
		ask: []string{"t.o.test TXT", "_s._tcp.o.test SRV", "_d._tcp.test.lan SRV", "o.test MX", "p.test MX", "9.9.9.9.in-addr.arpa PTR", "o.test CAA", "n.test NAPTR", "h.test HINFO"},
	},
	{
		name:    "own zone",
		options: []string{"auth-server=z.test,", "auth-zone=z.test", "host-record=lb.z.test,198.18.2.7", "cname=*.apps.z.test,lb.z.test", "auth-soa=7,root.z.test,1,2,3"},
		ask:     []string{"lb.z.test A", "x.apps.z.test A", "nope.z.test A", "z.test NS"},
	},
	{
		name:    "server",
		options: []string{"server=/pub.example/127.0.0.3", "server=/gone.example/", "local=/local.example/", "server=/up.pub.example/#", "rev-server=198.51.100.0/24,127.0.0.3"},
		ask:     []string{"pub.example A", "x.pub.example A", "ok.example A", "gone.example A", "x.local.example A", "up.pub.example A"},
	},
	{name: "second server", options: []string{"server=127.0.0.3#53", "strict-order"}, ask: []string{"pub.example A"}},
	{
		name: "what is not forwarded", options: []string{"domain-needed", "bogus-priv"},
		ask: []string{"plain A", "5.1.168.192.in-addr.arpa PTR", "8.8.8.8.in-addr.arpa PTR"},
	},
	{
		name: "rebinding", options: []string{"stop-dns-rebind", "rebind-domain-ok=/ok.example/"},
		ask: []string{"pub.example A", "priv.example A", "lo.example A", "priv6.example AAAA", "ok.example A", "in.ok.example A"},
	},
	{name: "rebinding to localhost", options: []string{"stop-dns-rebind", "rebind-localhost-ok"}, ask: []string{"lo.example A", "priv.example A"}},
	{name: "bogus", options: []string{"bogus-nxdomain=198.18.0.66"}, ask: []string{"bad.example A", "pub.example A"}},
	{name: "filter", options: []string{"filter-AAAA"}, ask: []string{"pub.example A", "pub.example AAAA"}},
	{
		name: "ttl", options: []string{"local-ttl=33", "max-ttl=50"},
		ask: []string{"web.test.lan A", "pub.example A", "7.122.168.192.in-addr.arpa PTR"},
	},
	{
		name: "dhcp-option",
		options: []string{"dhcp-option=3,192.168.122.9", "dhcp-option=option:ntp-server,0.0.0.0,192.168.122.4", "dhcp-option=option:dns-server", "dhcp-option=119,a.test,b.a.test",
			"dhcp-option=121,10.0.0.0/8,192.168.122.3,0.0.0.0/0,192.168.122.1", "dhcp-option=150,192.168.122.66", "dhcp-option=26,1300", "dhcp-option=12,forced", "dhcp-option=67,boot.img", "dhcp-option=66,tftp.test"},
		offers: []discover{usual, {55: asking(3)}},
	},
	{
		name: "values", options: []string{"dhcp-option=224,01:02:ff", "dhcp-option=225,300", "dhcp-option=226,5i", "dhcp-option=227,-1", "dhcp-option=228,1.2.3.4,5.6.7.8", `dhcp-option=229,"a,b:c"`, "dhcp-option=230,text", "dhcp-option=231", "dhcp-option=232,/path/1", "dhcp-option=233,0x1"},
		offers: []discover{{55: asking(224, 225, 226, 227, 228, 229, 230, 231, 232, 233)}},
	},
	{
		name: "forced and tagged", options: []string{"dhcp-option-force=208,f1:00:74:7e", "dhcp-mac=set:five,52:54:00:*:*:05", "dhcp-option=tag:five,42,192.168.122.5", "dhcp-option=42,192.168.122.6", "dhcp-option=tag:!five,15,not.five", "dhcp-option=tag:known,252,known"},
		offers: []discover{usual, {55: asking(252)}},
	},
	{
		name: "boot", options: []string{"dhcp-vendorclass=set:bios,PXEClient:Arch:00000", "dhcp-match=set:efi,option:client-arch,7", "dhcp-userclass=set:ipxe,iPXE", "dhcp-vendorclass=set:http,HTTPClient:Arch:00016",
			"dhcp-option-force=tag:http,60,HTTPClient", `dhcp-boot=tag:http,"http://192.168.122.1/EFI/BOOT/BOOTX64.EFI"`, "dhcp-boot=tag:bios,undionly.kpxe", "dhcp-boot=tag:efi,tag:!ipxe,ipxe.efi,srv,192.168.122.8", "dhcp-boot=tag:ipxe,http://boot.test/menu.ipxe", "dhcp-boot=fallback"},
		offers: []discover{usual, bios, uefi, http, ipxe},
	},
	{
		name: "match", options: []string{"dhcp-match=set:any,175", "dhcp-match=set:http,175,19", "dhcp-match=set:no,175,99", "tag-if=set:both,tag:any,tag:http,tag:!no", "dhcp-option=tag:both,224,both", "dhcp-option-force=tag:no,225,no", "dhcp-boot=tag:!any,ipxe.efi", "dhcp-boot=tag:any,chain"},
		offers: []discover{ipxe, uefi, {55: asking(224), 175: "\x01"}},
	},
	{
		name: "encapsulated", options: []string{"dhcp-option=encap:175,190,user", "dhcp-option=encap:175,191,pass", "dhcp-option=vendor:PXEClient,6,2b", "dhcp-option=vendor:MSFT,2,1i"},
		offers: []discover{ipxe, bios, http},
	},
	{name: "ignore", options: []string{"dhcp-vendorclass=set:x,PXEClient", "dhcp-ignore=tag:x"}, offers: []discover{bios, usual}},
	{name: "ignore a host", options: []string{"dhcp-host=52:54:00:00:00:99,ignore"}, offers: []discover{usual}, mac: stranger},
	{name: "ignore strangers", options: []string{"dhcp-ignore=tag:!known"}, offers: []discover{usual}, mac: stranger},
	{name: "host", options: []string{"dhcp-host=52:54:00:00:00:99,192.168.122.44,nine,set:nine,1h", "dhcp-option=tag:nine,42,9.9.9.9"}, offers: []discover{usual}, mac: stranger, ask: []string{"nine A", "nine.test.lan A"}},
	{name: "range", options: []string{"dhcp-host=52:54:00:00:00:99,192.168.122.150", "dhcp-range=set:up,192.168.122.150,192.168.122.150,255.255.255.0,3h", "dhcp-option=tag:up,224,up"}, offers: []discover{{55: asking(224)}}, mac: stranger},
	{name: "names that do not count", options: []string{"dhcp-name-match=set:wpad,wp*", "dhcp-ignore-names=tag:wpad", "dhcp-option=tag:wpad,12,other"}, offers: []discover{named}},
	{name: "domain", options: []string{"domain=other.lan"}, offers: []discover{usual}, ask: []string{"web.other.lan A", "web A"}},
}

// TestOptionsMeanWhatTheyMeanToDnsmasq asks dnsmasq, run as libvirt runs it,
// and our servers the same questions.
func TestOptionsMeanWhatTheyMeanToDnsmasq(t *testing.T) {
	theirs, ours := newSide(t), newSide(t)
	for _, c := range comparisons {
		t.Run(c.name, func(t *testing.T) {
			mac := c.mac
			if mac == "" {
				mac = reserved
			}
			options := append([]string{"no-ping"}, c.options...)
			p := theirs.startDnsmasq(t, options)
			defer p.Stop()
			defer ours.startOurs(t, options)()
			for _, q := range c.ask {
				if diff := cmp.Diff(theirs.resolve(q), ours.resolve(q)); diff != "" {
					t.Errorf("%s (-dnsmasq +vnetmgr):\n%s", q, diff)
				}
			}
			for _, d := range c.offers {
				if diff := cmp.Diff(theirs.offer(t, mac, d), ours.offer(t, mac, d)); diff != "" {
					t.Errorf("%v (-dnsmasq +vnetmgr):\n%s", d, diff)
				}
			}
		})
	}
}
