package e2e

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// A guest that advertises itself as router and serves DHCP is believed by no
// part of the host, and changes nothing of what we tell the others.
func TestServersThatAGuestRunsConfuseNobody(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	s.define(t, `<network><name>six</name><forward mode='route'/><bridge name='virbr6' stp='off'/><mac address='52:54:00:aa:00:06'/>
<ip address='192.168.66.1' prefix='24'><dhcp><range start='192.168.66.2' end='192.168.66.99'/></dhcp></ip>
<ip family='ipv6' address='fd00:6::1' prefix='64'/></network>`)
	s.ctl(t, "net-start", "six")
	honest := s.Guest(t, "virbr6", "honest")
	before := discover(t, honest, "15")
	if !strings.Contains(before, "fd00:6::/64") {
		t.Fatalf("rdisc6 prints:\n%s", before)
	}
	rogue := s.Guest(t, "virbr6", "rogue")
	rogue.Script(t, `sysctl -qw net.ipv6.conf.eth0.accept_dad=0
		ip link set eth0 up
		ip addr add 192.168.66.200/24 dev eth0
		ip addr add fd00:bad::1/64 dev eth0`)
	view := func() string {
		return s.Script(t, `ip -o addr show dev virbr6; ip route; ip -6 route; cat /etc/resolv.conf`) + s.Rules(t)
	}
	believed := view()
	rogue.Start(t, "dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--user=root", "--port=0", "--bind-interfaces", "--interface=eth0",
		"--dhcp-authoritative", "--dhcp-leasefile=/run/leases", "--enable-ra",
		"--dhcp-range=192.168.66.210,192.168.66.220", "--dhcp-range=fd00:bad::10,fd00:bad::20,64")
	lab.Eventually(t, 30*time.Second, "the rogue's advertisement is there", func() bool {
		return strings.Contains(honest.Run(t, "rdisc6", "-m", "-w", "1000", "eth0").Stdout, "fd00:bad::")
	})
	if diff := cmp.Diff(believed, view()); diff != "" {
		t.Errorf("the host has changed (-before +after):\n%s", diff)
	}
	// What we say comes from the bridge's own address.
	out := honest.Run(t, "rdisc6", "-m", "-w", "1000", "eth0").Stdout
	ours := ""
	for part := range strings.SplitSeq(out, "Hop limit") {
		if strings.Contains(part, "from fe80::5054:ff:feaa:6") {
			ours = "Hop limit" + part
		}
	}
	if got := strings.TrimSpace(strings.ReplaceAll(ours, " \n", "\n")); got != strings.TrimSpace(before) {
		t.Errorf("our advertisement has changed (-before +after):\n%s", cmp.Diff(strings.TrimSpace(before), got))
	}
	leases := s.ctl(t, "net-dhcp-leases", "six")
	got, ok := honest.Udhcpc(t)
	if !ok {
		t.Fatal("no lease at all")
	}
	// Whoever was quicker: a lease of ours is listed, another's is not.
	after := s.ctl(t, "net-dhcp-leases", "six")
	if listed := strings.Contains(after, honest.MAC.String()); listed != got.Less(netip.MustParseAddr("192.168.66.100")) {
		t.Errorf("%v is listed: %v\n%s%s", got, listed, leases, after)
	}
}
