package network

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// seed chooses the networks of TestAnyLiveChangeEndsWhereAStartDoes.
var seed = flag.Uint64("seed", 1, "what random networks are drawn from")

// dice draws networks on virbr7, which may each be changed into each other
// while they are active.
type dice struct {
	*rand.Rand
	root string // a directory with boot files
}

func (d dice) pick(of ...string) string { return of[d.IntN(len(of))] }

// some is text, or as often none.
func (d dice) some(text string) string { return d.pick(text, "") }

// network draws a whole definition.
func (d dice) network() string {
	mode := d.pick("", "", "<forward mode='nat'/>", "<forward mode='nat' dev='lo'/>", "<forward mode='nat'><nat ipv6='yes'><port start='2000' end='3000'/></nat></forward>",
		"<forward mode='nat'><nat><address start='192.0.2.1' end='192.0.2.9'/></nat></forward>", "<forward mode='route'/>", "<forward mode='route' dev='lo'/>", "<forward mode='open'/>")
	attrs := d.some(" ipv6='yes'") + d.some(" trustGuestRxFilters='yes'")
	parts := []string{
		mode,
		"<bridge name='virbr7' stp='off'" + d.some(" delay='2'") + d.some(" macTableManager='kernel'") + "/>",
		d.some("<title>A title</title>"), d.some("<description>Some text</description>"), d.some("<metadata><a xmlns='urn:a'/></metadata>"),
		d.pick("", "<mtu size='1400'/>", "<mtu size='9000'/>"),
		d.pick("", "<domain name='a.test'/>", "<domain name='b.test' localOnly='yes'/>"),
		d.dns(),
		d.pick("", "<bandwidth><inbound average='1000'/></bandwidth>", "<bandwidth><inbound average='2000' peak='4000' burst='256'/></bandwidth>"),
		d.some("<port isolated='yes'/>"), d.some("<portgroup name='p' default='yes'/>"),
		d.ip4(mode != ""), d.some("<ip address='10.77.1.1' prefix='24'/>"),
		d.pick("", "<ip family='ipv6' address='fd77::1' prefix='64'/>", "<ip family='ipv6' address='fd77:0:0:1::1' prefix='64'/><ip family='ipv6' address='fd77:0:0:2::1' prefix='64'/>",
			"<ip family='ipv6' address='fd77::1' prefix='64'><dhcp><range start='fd77::10' end='fd77::20'/><host name='six' ip='fd77::33'/></dhcp></ip>"),
		d.options(),
	}
	return "<network" + attrs + strings.TrimPrefix(liveDoc(strings.Join(parts, "")), "<network")
}

func (d dice) dns() string {
	if d.IntN(6) == 0 {
		return "<dns enable='no'/>"
	}
	return "<dns" + d.some(" forwardPlainNames='no'") + ">" +
		d.pick("", "<forwarder addr='127.0.0.2'/>", "<forwarder domain='corp.test' addr='127.0.0.2'/><forwarder domain='public.corp.test'/>") +
		d.pick("", "<txt name='t' value='one'/>", "<txt name='t' value='two'/><txt name='u' value=''/>") +
		d.pick("", "<srv service='ldap' protocol='tcp' target='h.a.test' port='389' weight='5'/>", "<srv service='ldap' protocol='tcp' domain='a.test' target='.'/>") +
		d.pick("", "<host ip='192.168.77.77'><hostname>h</hostname><hostname>i</hostname></host>", "<host ip='fd77::77'><hostname>h</hostname></host>") + "</dns>"
}

// ip4 is the network's first address, with what is served from there.
func (d dice) ip4(must bool) string {
	if !must && d.IntN(4) == 0 {
		return ""
	}
	lease := d.pick("", "<lease expiry='2' unit='hours'/>", "<lease expiry='0'/>")
	dhcp := d.pick("", "<range start='192.168.77.2' end='192.168.77.9'>"+lease+"</range>",
		"<range start='192.168.77.20' end='192.168.77.29'/><range start='192.168.77.40' end='192.168.77.49'>"+lease+"</range>") +
		d.pick("", "<host mac='52:54:00:00:00:99' name='pet' ip='192.168.77.99'>"+lease+"</host>", "<host mac='52:54:00:00:00:99' ip='192.168.77.98'/><host name='cat' ip='192.168.77.97'/>")
	if dhcp != "" {
		dhcp = "<dhcp>" + dhcp + d.pick("", "<bootp file='boot.img'/>", "<bootp file='boot.img' server='192.168.77.3'/>") + "</dhcp>"
	}
	return "<ip address='192.168.77.1' " + d.pick("netmask='255.255.255.0'", "prefix='24' localPtr='yes'", "prefix='25'") + ">" +
		d.some("<tftp root='"+d.root+"'/>") + dhcp + "</ip>" +
		d.pick("", "<route address='10.99.0.0' prefix='16' gateway='192.168.77.3' metric='7'/>", "<route address='10.98.0.0' prefix='16' gateway='192.168.77.4'/>")
}

func (d dice) options() string {
	option := d.pick("", "", "", "log-queries", "address=/wild.test/10.1.1.1", "dhcp-option=option:ntp-server,192.168.77.5", "cname=alias.test,h")
	if option == "" {
		return ""
	}
	return "<d:options xmlns:d='http://libvirt.org/schemas/network/dnsmasq/1.0'><d:option value='" + option + "'/></d:options>"
}

// told is what a guest hears from the servers, but for the address that it
// gets of a range: which one depends on what it had before.
const leaseScript = `
udhcpc -i eth0 -n -q -f -t 2 -T 1 -s %s/bound 2>/dev/null | sort || true`

// bound is what runs when it has a lease.
const bound = `#!/bin/sh
test "$1" = bound || exit 0
env | grep '^[a-z0-9]*=' | grep -v '^interface=\|^ip=\|^opt53=\|^path='
case $ip in *.9[789]) echo reserved $ip;; esac
`

// told is what it hears of names, but for those that leases give: they last
// with the lease, whatever becomes of the network.
const told = `
for q in 't TXT' 'u TXT' 'h A' 'h AAAA' 'h.a.test A' 'i.b.test A' '_ldap._tcp.a.test SRV' '_ldap._tcp SRV' 'cat A' 'x.wild.test A' 'alias.test A' 'none.b.test A' 'plain A' '200.77.168.192.in-addr.arpa PTR'; do
	echo "$q: $(dig +noall +answer +comments +tries=2 +time=5 @192.168.77.1 $q | sed -n 's/.*status: \([A-Z]*\),.*/\1/p; /^[^;]/s/\t[0-9]*\t/ /p' | tr '\n' ' ')"
done`

// state is all of a network: definitions and plan, kernel, sockets, and what a
// guest on eth0 hears, with scripts where they are.
func (s *site) state(t *testing.T, id xmlnet.UUID, g *kerneltest.NS, scripts string) string {
	t.Helper()
	live, config := s.xmls(id)
	s.change.Lock()
	p := s.byID[id].plan
	s.change.Unlock()
	kernel := s.kernelState() + s.ns.Run(t, `ss -Hlnuatw | awk '{print $1, $5}' | sort; wc -l </proc/net/packet; bridge -d link | sed 's/^[0-9]*: //'
cat /sys/class/net/virbr7/bridge/stp_state /sys/class/net/virbr7/bridge/forward_delay /proc/sys/net/ipv6/conf/virbr7/disable_ipv6; tc qdisc show dev virbr7; tc class show dev virbr7`)
	heard := "no server"
	if p.DHCP4 != nil {
		heard = g.Run(t, fmt.Sprintf(leaseScript, scripts))
	}
	if p.DNS != nil && strings.Contains(live, "192.168.77.1") {
		heard += g.Run(t, "ip addr add 192.168.77.50/24 dev eth0 2>/dev/null\n"+told)
	}
	if p.RA != nil {
		heard += g.Run(t, "ip -6 addr flush dev eth0 scope global; rdisc6 -1 -r 3 -w 2000 eth0 | grep -v 'from fe80\\|^ *Source' || true")
	}
	if p.TFTP != nil {
		heard += g.Run(t, "ip addr add 192.168.77.50/24 dev eth0 2>/dev/null\ncurl -s -m 5 tftp://192.168.77.1/boot.img || true")
	}
	// Addresses are in the order in which they were added.
	kernel = sortedLines(kernel, "virbr7    inet")
	all := strings.Join([]string{live, config, p.String(), kernel, heard}, "\n----\n")
	all = regexp.MustCompile(`(?m)^fe80::/64 dev .*\n`).ReplaceAllString(all, "") // in the order of links coming up
	all = withdrawn.ReplaceAllString(all, "")
	return strings.NewReplacer(s.dir, "", " tentative", "", " dadfailed", "").Replace(all)
}

// withdrawn is how rdisc6 prints what was advertised before a change and is
// taken back: a network that was started so has nothing to take back.
var withdrawn = regexp.MustCompile(`(?m)^ Prefix .*\n  On-link .*\n  Autonomous .*\n  Valid time .*: +0 .*\n  Pref\. time .*: +0 .*\n|^ (?:Recursive DNS server|DNS search list) .*\n  DNS .* lifetime *: +0 .*\n`)

// sortedLines sorts the lines of text with a word in them, where they are.
func sortedLines(text, word string) string {
	lines := strings.Split(text, "\n")
	var some []string
	for _, l := range lines {
		if strings.Contains(l, word) {
			some = append(some, l)
		}
	}
	slices.Sort(some)
	for i, l := range lines {
		if strings.Contains(l, word) {
			lines[i], some = some[0], some[1:]
		}
	}
	return strings.Join(lines, "\n")
}

// A guest plugs in with the same MAC address everywhere.
func (s *site) sameGuest(t *testing.T) *kerneltest.NS {
	g := kerneltest.New(t)
	g.Run(t, "sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0")
	s.ns.Veth(t, "tap0", g, "eth0")
	g.Run(t, "ip link set eth0 down; ip link set eth0 address 52:54:00:00:00:99; ip link set eth0 up")
	s.ns.Run(t, "ip link set tap0 down; ip link set tap0 address fe:54:00:00:00:99; ip link set tap0 mtu 1500 master virbr7; ip link set tap0 up")
	waitFor(t, s.ns, "ip -o -6 addr show dev tap0 -tentative; cat /sys/class/net/tap0/brport/state", "fe80::fc54:ff:fe00:99/64")
	waitFor(t, s.ns, "cat /sys/class/net/tap0/brport/state", "3")
	waitFor(t, s.ns, "cat /sys/class/net/virbr7/operstate", "up")
	return g
}

// A network that was changed while active, from any definition to any other, is
// as one that was started so: in the kernel, in the rules, on disk, and in what
// a guest hears that was there all the time.
func TestAnyLiveChangeEndsWhereAStartDoes(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "boot.img"), []byte("boot image\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(root, 0o755), os.WriteFile(filepath.Join(root, "bound"), []byte(bound), 0o755)); err != nil {
		t.Fatal(err)
	}
	d := dice{rand.New(rand.NewPCG(*seed, 1)), root}
	const networks, changes = 4, 8
	var docs, want []string
	for range networks {
		doc := d.network()
		s := newSite(t)
		ref := s.mustStart(doc)
		docs, want = append(docs, doc), append(want, s.state(t, ref.UUID, s.sameGuest(t), root))
		s.stop()
	}
	s := newSite(t)
	ref := s.mustStart(docs[0])
	g := s.sameGuest(t)
	for range changes {
		i := d.IntN(networks)
		if _, err := s.DefineLive(t.Context(), []byte(docs[i]), false); err != nil {
			t.Fatalf("to %s: %v", docs[i], err)
		}
		// Addresses of IPv6 and tentative answers take a moment.
		var diff string
		for deadline := time.Now().Add(15 * time.Second); ; {
			if diff = cmp.Diff(want[i], s.state(t, ref.UUID, g, root)); diff == "" || time.Now().After(deadline) {
				break
			}
		}
		if diff != "" {
			t.Fatalf("%s\n(-started +changed):\n%s", docs[i], diff)
		}
	}
}
