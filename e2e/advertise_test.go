package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// What guests are told about IPv6, as rdisc6 prints it. With -service=libvirt
// the same is asked of libvirt and dnsmasq.
func TestRouterAdvertisementsSayWhatLibvirtsDo(t *testing.T) {
	const head = `Hop limit                 :           64 (      0x40)
Stateful address conf.    :           No
Stateful other conf.      :           No
Mobile home agent         :           No
Router preference         :       medium
Neighbor discovery proxy  :           No
`
	const router = "Router lifetime           :         1800 (0x00000708) seconds\n"
	const noRouter = "Router lifetime           :            0 (0x00000000) seconds\n"
	const times = `Reachable time            :  unspecified (0x00000000)
Retransmit time           :  unspecified (0x00000000)
`
	prefix := func(p string) string {
		return " Prefix                   : " + p + `
  On-link                 :          Yes
  Autonomous address conf.:          Yes
  Valid time              :     infinite (0xffffffff)
  Pref. time              :     infinite (0xffffffff)
`
	}
	const link = ` Source link-layer address: 52:54:00:AA:00:06
`
	const mtu = " MTU                      :         1500 bytes (valid)\n"
	const mtu1400 = " MTU                      :         1400 bytes (valid)\n"
	const resolver = ` Recursive DNS server     : fe80::5054:ff:feaa:6
  DNS server lifetime     :     infinite (0xffffffff)
`
	const from = " from fe80::5054:ff:feaa:6\n"
	for name, tc := range map[string]struct{ doc, want string }{
		"routed": {
			`<forward mode='route'/><ip family='ipv6' address='fd00:6::1' prefix='64'/>`,
			head + router + times + prefix("fd00:6::/64") + mtu + link + resolver + from,
		},
		"isolated": {
			`<ip family='ipv6' address='fd00:6::1' prefix='64'/>`,
			head + noRouter + times + prefix("fd00:6::/64") + mtu + link + resolver + from,
		},
		"both-families-mtu": {
			`<forward mode='route'/><mtu size='1400'/>
<ip address='192.168.66.1' prefix='24'><dhcp><range start='192.168.66.2' end='192.168.66.9'/></dhcp></ip>
<ip family='ipv6' address='fd00:6::1' prefix='64'/>`,
			head + router + times + prefix("fd00:6::/64") + mtu1400 + link + resolver + from,
		},
		"no-dns-but-dhcp": {
			`<forward mode='route'/><dns enable='no'/>
<ip address='192.168.66.1' prefix='24'><dhcp><range start='192.168.66.2' end='192.168.66.9'/></dhcp></ip>
<ip family='ipv6' address='fd00:6::1' prefix='64'/>`,
			head + router + times + prefix("fd00:6::/64") + mtu + link + from,
		},
		"no-service": {
			`<forward mode='route'/><dns enable='no'/><ip family='ipv6' address='fd00:6::1' prefix='64'/>`,
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServiceSite(t)
			s.define(t, `<network><name>six</name><bridge name='virbr6' stp='off'/><mac address='52:54:00:aa:00:06'/>`+tc.doc+`</network>`)
			s.ctl(t, "net-start", "six")
			g := s.Guest(t, "virbr6", "six")
			tries := "3"
			if tc.want != "" {
				tries = "15" // libvirt's bridge is not ready for its first guest
			}
			if diff := cmp.Diff(tc.want, discover(t, g, tries)); diff != "" {
				t.Errorf("rdisc6 (-want +got):\n%s", diff)
			}
		})
	}
}

// discover asks for a router and returns what rdisc6 prints of the answer,
// nothing without one.
func discover(t *testing.T, g *lab.Guest, tries string) string {
	t.Helper()
	g.Must(t, "sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
	g.LinkUp(t)
	lab.Eventually(t, 10*time.Second, "the guest has an address to ask from", func() bool {
		out := g.Must(t, "ip", "-6", "addr", "show", "dev", "eth0", "scope", "link", "-tentative")
		return strings.Contains(out, "inet6 fe80:")
	})
	out := g.Run(t, "rdisc6", "-1", "-r", tries, "-w", "1000", "eth0").Stdout
	// Before the answer, if there is one, come questions and "Timed out.".
	at := strings.Index(out, "Hop limit")
	if at < 0 {
		return ""
	}
	return strings.ReplaceAll(out[at:], " \n", "\n")
}
