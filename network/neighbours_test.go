package network

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

const slaacDoc = `<network><name>slaac</name><mac address='52:54:00:5d:00:16'/><forward mode='nat'/>
<bridge name='virbr8' stp='off'/><domain name='six.test' localOnly='yes'/>
<dns><host ip='fd00:8::cafe'><hostname>ns</hostname></host></dns>
<ip address='192.168.88.1' prefix='24'><dhcp><range start='192.168.88.20' end='192.168.88.20'/></dhcp></ip>
<ip family='ipv6' address='fd00:8::1' prefix='64'/></network>`

const neighbourMAC = "52:54:00:00:00:01"

// slaacGuest plugs in a guest that makes itself addresses, also temporary
// ones.
func (s *site) slaacGuest(t *testing.T) *kerneltest.NS {
	t.Helper()
	g := kerneltest.New(t)
	g.Run(t, "sysctl -qw net.ipv6.conf.default.accept_ra=1 net.ipv6.conf.default.use_tempaddr=2")
	s.ns.Veth(t, "tap0", g, "eth0")
	g.Run(t, "ip link set eth0 down; ip link set eth0 address "+neighbourMAC)
	s.ns.Run(t, "ip link set tap0 master virbr8")
	g.Run(t, "ip link set eth0 up")
	kerneltest.Wait(t, 20*time.Second, "a temporary address", func() bool {
		return len(globalAddrs(t, g)) >= 2
	})
	return g
}

// globalAddrs are the addresses that the guest made itself, those that are
// not tentative any more.
func globalAddrs(t *testing.T, g *kerneltest.NS) (addrs []string) {
	for line := range strings.Lines(g.Run(t, "ip -6 -o addr show dev eth0 scope global -tentative")) {
		if f := strings.Fields(line); len(f) > 3 {
			addrs = append(addrs, strings.TrimSuffix(f[3], "/64"))
		}
	}
	return addrs
}

// digs waits until the guest resolves a question to exactly the answers.
func digs(t *testing.T, g *kerneltest.NS, question string, want ...string) {
	t.Helper()
	got := ""
	defer func() {
		if t.Failed() {
			t.Logf("dig %s: %s", question, got)
		}
	}()
	kerneltest.Wait(t, 20*time.Second, "dig "+question+" to say "+strings.Join(want, " "), func() bool {
		got = g.Run(t, "dig +short +time=1 +tries=1 @fd00:8::1 "+question+" || :")
		lines := strings.Fields(got)
		if len(lines) != len(want) {
			return false
		}
		for _, w := range want {
			if !strings.Contains("\n"+got, "\n"+w+"\n") {
				return false
			}
		}
		return true
	})
}

func TestGuestsNamesLeadToTheAddressesThatItMadeItself(t *testing.T) {
	s := newSite(t)
	s.mustStart(slaacDoc)
	g := s.slaacGuest(t)
	addrs := globalAddrs(t, g)
	g.Run(t, "busybox udhcpc -i eth0 -n -q -t 10 -x hostname:kate -s /bin/true")
	digs(t, g, "kate.six.test A", "192.168.88.20")
	digs(t, g, "kate.six.test AAAA", addrs...)
	digs(t, g, "kate AAAA", addrs...)
	for _, a := range addrs {
		digs(t, g, "-x "+a, "kate.six.test.")
	}

	// A new address, as when a temporary one is replaced; one that is the
	// definition's; the host's own.
	g.Run(t, "ip addr add fd00:8::abcd/64 dev eth0")
	g.Run(t, "ip addr add fd00:8::cafe/64 dev eth0 nodad")
	digs(t, g, "kate AAAA", append(addrs, "fd00:8::abcd")...)
	digs(t, g, "-x fd00:8::cafe", "ns.six.test.")

	// What serves goes on where it was after a restart of the daemon.
	s.stop()
	s.start()
	digs(t, g, "kate A", "192.168.88.20")
	digs(t, g, "-x fd00:8::abcd", "kate.six.test.")
}

func TestGuestThatIsGoneHasNoNames(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(slaacDoc)
	g := s.slaacGuest(t)
	addrs := globalAddrs(t, g)
	s.mustPort(ref.UUID, portDoc(1, "six_only", neighbourMAC, "")) // without DHCP: the domain's name
	digs(t, g, "six_only.six.test AAAA", addrs...)
	digs(t, g, "-x "+addrs[0], "six_only.six.test.")
	if err := s.DeletePort(ref.UUID, portID(1)); err != nil {
		t.Fatal(err)
	}
	digs(t, g, "six_only.six.test AAAA")
	digs(t, g, "-x "+addrs[0])
}

func TestLiveChangeBeginsAndEndsLearning(t *testing.T) {
	s := newSite(t)
	before := strings.Replace(slaacDoc, "<ip family='ipv6' address='fd00:8::1' prefix='64'/>", "", 1)
	ref := s.mustStart(before)
	s.mustPort(ref.UUID, portDoc(1, "six", neighbourMAC, ""))
	change := func(doc string) {
		t.Helper()
		if _, err := s.DefineLive(t.Context(), []byte(doc), false); err != nil {
			t.Fatal(err)
		}
	}
	change(slaacDoc)
	g := s.slaacGuest(t)
	addrs := globalAddrs(t, g)
	digs(t, g, "six AAAA", addrs...)
	change(before)
	g.Run(t, "ip addr add 192.168.88.60/24 dev eth0")
	kerneltest.Wait(t, 20*time.Second, "the names to be gone", func() bool {
		return g.Run(t, "dig +short @192.168.88.1 six.six.test AAAA || :") == ""
	})
	change(slaacDoc)
	digs(t, g, "six AAAA", addrs...)
}

func TestOfTwoThatWantOneNameTheDefinitionThenTheDomainThenTheGuestHasIt(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(strings.Replace(natDoc, "<ip ", "<domain name='lan'/><dns><host ip='192.168.77.200'><hostname>first</hostname></host></dns><ip ", 1))
	resolves := func(question, want string) {
		t.Helper()
		got := ""
		kerneltest.Wait(t, 10*time.Second, question+" to be "+want, func() bool {
			got = strings.Join(strings.Fields(s.ns.Run(t, "dig +short +tries=1 +time=2 @192.168.77.1 "+question+" || true")), " ")
			return got == want
		})
	}
	const one, two = "52:54:00:00:00:01", "52:54:00:00:00:02"
	s.lease(ref, "192.168.77.11", one, "web")
	resolves("web A", "192.168.77.11")
	resolves("-x 192.168.77.11", "web.lan.")
	s.mustPort(ref.UUID, portDoc(2, "web", two, ""))
	resolves("web A", "") // the domain's, which has no address yet
	resolves("-x 192.168.77.11", "")
	s.lease(ref, "192.168.77.12", two, "other")
	resolves("web A", "192.168.77.12")
	resolves("other A", "192.168.77.12")
	resolves("-x 192.168.77.12", "other.lan.")
	s.mustPort(ref.UUID, portDoc(1, "first", one, ""))
	resolves("first A", "192.168.77.200")
	resolves("-x 192.168.77.11", "")
	if err := s.DeletePort(ref.UUID, portID(2)); err != nil {
		t.Fatal(err)
	}
	resolves("web A", "192.168.77.11")

	// The host's hosts file is followed.
	hosts := filepath.Join(s.dir, "hosts")
	if err := os.WriteFile(hosts, []byte("10.9.9.9 web\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	resolves("web A", "10.9.9.9")
	resolves("-x 192.168.77.11", "")
	if err := os.WriteFile(hosts, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	resolves("web A", "192.168.77.11")

	// Domains without a port: on a facade.
	s.SetGuests([]Guest{
		{Domain: "db", MAC: net.HardwareAddr{0x52, 0x54, 0, 0, 0, 2}, Bridge: "virbr7"},
		{Domain: "far", MAC: net.HardwareAddr{0x52, 0x54, 0, 0, 0, 1}, Bridge: "virbr9"},
	})
	resolves("db A", "192.168.77.12")
	resolves("far A", "")
	s.SetGuests(nil)
	resolves("db A", "")
}
