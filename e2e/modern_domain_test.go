//go:build modern

package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// roleConf makes the daemon stand in for virtnetworkd.
const roleConf = "role = \"virtnetworkd\"\n"

// limited is a network with an inbound limit, so that its ports may have
// floors, and a portgroup.
const limited = `<network>
  <name>limited</name>
  <uuid>00000000-0000-4000-8000-000000000021</uuid>
  <forward mode='nat'/>
  <bridge name='virbr21' stp='off' delay='0'/>
  <mac address='52:54:00:00:01:21'/>
  <bandwidth><inbound average='100000' peak='200000' burst='1000'/></bandwidth>
  <ip address='10.55.0.1' netmask='255.255.255.0'>
    <dhcp><range start='10.55.0.100' end='10.55.0.200'/></dhcp>
  </ip>
  <portgroup name='sure'><bandwidth><inbound average='5000'/></bandwidth></portgroup>
</network>
`

// second is a network to move to.
const second = `<network>
  <name>second</name>
  <bridge name='virbr22' stp='off' delay='0'/>
  <port isolated='yes'/>
  <ip address='10.56.0.1' netmask='255.255.255.0'><dhcp><range start='10.56.0.100' end='10.56.0.200'/></dhcp></ip>
</network>
`

// card is a domain's interface.
func card(mac, source, more string) string {
	return fmt.Sprintf("<interface type='network'><mac address='%s'/><source %s/><model type='virtio'/>%s</interface>", mac, source, more)
}

// device attaches, updates or detaches a card of a running domain.
func (s *site) device(t *testing.T, verb, domain, doc string) {
	t.Helper()
	s.WriteFile(t, "/run/device.xml", doc, 0o644)
	s.Virsh(t, verb, domain, "/run/device.xml", "--live")
}

// portsOf are a network's ports by UUID, as XML; their number is the network's
// count of connections.
func (s *site) portsOf(t *testing.T, network string, want int) map[string]string {
	t.Helper()
	ports := make(map[string]string)
	for _, id := range strings.Fields(s.ctl(t, "net-port-list", network, "--uuid")) {
		ports[id] = s.ctl(t, "net-port-dumpxml", network, id)
	}
	if len(ports) != want {
		t.Errorf("%d ports on %s, want %d: %v", len(ports), network, want, ports)
	}
	count := fmt.Sprintf(" connections=\"%d\"", want)
	if got := strings.TrimRight(s.ctl(t, "net-dumpxml", network, "--xpath", "/network/@connections"), "\n"); want > 0 && got != count {
		t.Errorf("network %s:%s, want%s", network, got, count)
	}
	return ports
}

// portWith is the one of the ports that has all parts.
func portWith(t *testing.T, ports map[string]string, parts ...string) {
	t.Helper()
	for _, doc := range ports {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(doc, part) }) {
			return
		}
	}
	t.Errorf("no port has %q: %v", parts, ports)
}

func TestModernVirtqemudRunsDomainsOnOurNetworks(t *testing.T) {
	s := newModern(t)
	daemon := s.Daemon(t)
	s.define(t, limited)
	s.define(t, second)
	s.ctl(t, "net-start", "limited")
	s.ctl(t, "net-start", "second")
	qemu := s.Virtqemud(t)
	addr := s.domain(t, "limited", "g1")
	portWith(t, s.portsOf(t, "limited", 1), "<name>g1</name>", "<plug type='network' bridge='virbr21'/>")
	ping := s.pingFromHost(t, addr)

	// Hot-plug: a portgroup's limits, a floor, an isolated port.
	const one, two, three = "52:54:00:aa:00:01", "52:54:00:aa:00:02", "52:54:00:aa:00:03"
	s.device(t, "attach-device", "g1", card(one, "network='limited' portgroup='sure'", ""))
	s.device(t, "attach-device", "g1", card(two, "network='limited'", "<bandwidth><inbound average='1000' floor='300'/></bandwidth>"))
	s.device(t, "attach-device", "g1", card(three, "network='limited'", "<port isolated='yes'/>"))
	ports := s.portsOf(t, "limited", 4)
	portWith(t, ports, one, "<group>sure</group>", "<inbound average='5000'/>")
	portWith(t, ports, two, "<inbound average='1000' floor='300'/>", "classID='3'")
	portWith(t, ports, three, "<port isolated='yes'/>")
	if out := s.Must(t, "tc", "class", "show", "dev", "virbr21"); !strings.Contains(out, "class htb 1:3 ") {
		t.Errorf("no class for the floor:\n%s", out)
	}
	if out := s.Must(t, "bridge", "-d", "link"); strings.Count(out, "isolated on") != 1 {
		t.Errorf("isolated bridge ports:\n%s", out)
	}

	// Updates: limits, link state, the network.
	s.Virsh(t, "domiftune", "g1", two, "--inbound", "1000,0,0,400", "--live")
	portWith(t, s.portsOf(t, "limited", 4), two, "floor='400'")
	s.Virsh(t, "domif-setlink", "g1", one, "down")
	s.Virsh(t, "domif-setlink", "g1", one, "up")
	portWith(t, s.portsOf(t, "limited", 4), one, "<group>sure</group>", "<inbound average='5000'/>")
	s.device(t, "update-device", "g1", card(three, "network='second'", "<port isolated='yes'/>"))
	s.portsOf(t, "limited", 3)
	portWith(t, s.portsOf(t, "second", 1), three, "bridge='virbr22'", "<port isolated='yes'/>")

	// Either daemon restarts, and both are killed; one forgets all.
	ports = s.portsOf(t, "limited", 3)
	same := func(what string) {
		t.Helper()
		if diff := cmp.Diff(ports, s.portsOf(t, "limited", 3)); diff != "" {
			t.Errorf("%s (-before +after)\n%s", what, diff)
		}
		s.answers(t, addr)
	}
	qemu.Stop(t)
	qemu = s.Virtqemud(t)
	same("virtqemud restarted")
	daemon.Stop(t)
	daemon = s.Daemon(t)
	same("we restarted")
	qemu.Kill(t)
	daemon.Kill(t)
	daemon = s.Daemon(t)
	qemu = s.Virtqemud(t)
	same("both were killed")
	qemu.Kill(t)
	daemon.Kill(t)
	s.Script(t, "rm -r /run/vnetmgr/networks/limited")
	s.Daemon(t)
	s.portsOf(t, "limited", 0)
	s.Virtqemud(t)
	lab.Eventually(t, time.Minute, "virtqemud to reclaim its ports", func() bool {
		return len(strings.Fields(s.ctl(t, "net-port-list", "limited", "--uuid"))) == 3
	})
	same("virtqemud reclaimed its ports")

	sent, lost := ping.lost(t)
	t.Logf("%d of %d pings lost", lost, sent)
	if lost > sent/100+2 {
		t.Errorf("the guest did not answer %d of %d pings", lost, sent)
	}
	s.device(t, "detach-device", "g1", card(two, "network='limited'", ""))
	lab.Eventually(t, time.Minute, "the port to go with its card", func() bool {
		return len(strings.Fields(s.ctl(t, "net-port-list", "limited", "--uuid"))) == 2
	})
	s.Virsh(t, "destroy", "g1")
	s.portsOf(t, "limited", 0)
	s.portsOf(t, "second", 0)
}

// TestModernNetworksMoveToUsAndBack has virtnetworkd start a network with a
// guest, us go on with it, and virtnetworkd go on after us.
func TestModernNetworksMoveToUsAndBack(t *testing.T) {
	for _, backend := range []string{"nftables", "iptables"} {
		t.Run(backend, func(t *testing.T) { moveToUsAndBack(t, backend) })
	}
}

// leases are those of the network limited, without what need not stay: dnsmasq,
// which is told how long they last, shifts their ends by a second, and of the
// domain's cards, which give one name, the last one has it with us.
func (s *site) leases(t *testing.T) string {
	t.Helper()
	return passing.ReplaceAllString(s.ctl(t, "net-dhcp-leases", "limited"), "")
}

// leased waits until a card of a domain's has a lease.
func (s *site) leased(t *testing.T, mac string) {
	t.Helper()
	lab.Eventually(t, time.Minute, "a lease of "+mac, func() bool {
		return strings.Contains(s.ctl(t, "net-dhcp-leases", "limited", "--mac", mac), mac)
	})
}

var passing = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\S+ +01:`)

func moveToUsAndBack(t *testing.T, backend string) {
	s := newModern(t)
	s.WriteFile(t, "/etc/vnetmgr.conf", roleConf, 0o644)
	s.FirewallBackend(t, backend)
	libvirts := s.Virtnetworkd(t)
	s.define(t, strings.Replace(limited, "  <portgroup name='sure'>", "  <route address='10.99.0.0' prefix='16' gateway='10.55.0.9'/>\n  <portgroup name='sure'>", 1))
	s.ctl(t, "net-autostart", "limited")
	s.ctl(t, "net-start", "limited")
	s.Virtqemud(t)
	addr := s.domain(t, "limited", "g1")
	const one, two, three = "52:54:00:aa:00:01", "52:54:00:aa:00:02", "52:54:00:aa:00:03"
	floor := func(mac string) string {
		return card(mac, "network='limited'", "<bandwidth><inbound average='1000' floor='300'/></bandwidth>")
	}
	s.device(t, "attach-device", "g1", floor(one))
	ports := s.portsOf(t, "limited", 2)
	portWith(t, ports, one, "classID='3'")
	s.leased(t, one)
	leases := s.leases(t)
	ping := s.pingFromHost(t, addr)
	rules := s.Script(t, "nft list ruleset | grep -c virbr21")

	if r := s.Run(t, "vnetmgr", "daemon", "-config", "/etc/vnetmgr.conf"); r.Code == 0 || !strings.Contains(r.Stderr, "virtnetworkd") {
		t.Errorf("our daemon beside virtnetworkd: %v", r)
	}
	libvirts.Stop(t)
	daemon := s.Daemon(t, "-config", "/etc/vnetmgr.conf")
	same := func(who string, want map[string]string) {
		t.Helper()
		if diff := cmp.Diff(want, s.portsOf(t, "limited", len(want))); diff != "" {
			t.Errorf("ports after %s went on (-before +after)\n%s", who, diff)
		}
		if out := s.ctl(t, "net-info", "limited"); !strings.Contains(out, "Active:         yes\nPersistent:     yes\nAutostart:      yes\nBridge:         virbr21\n") {
			t.Errorf("net-info after %s went on:\n%s", who, out)
		}
		s.answers(t, addr)
	}
	same("we", ports)
	if got := s.leases(t); got != leases {
		t.Errorf("leases of libvirt's\n%s\nleases of ours\n%s", leases, got)
	}
	if pids := s.Pids(t, "dnsmasq"); len(pids) > 0 {
		t.Errorf("libvirt's dnsmasq still runs: %v", pids)
	}
	if out := s.Script(t, "nft list ruleset | sed '/^table inet vnetmgr/,/^}/d'"); strings.Contains(out, "virbr21") {
		t.Errorf("rules of libvirt's are left:\n%s", out)
	}
	if out := s.Must(t, "ip", "route"); !strings.Contains(out, "10.99.0.0/16 via 10.55.0.9 dev virbr21 proto 118 metric 1") {
		t.Errorf("routes:\n%s", out)
	}
	s.device(t, "attach-device", "g1", floor(two))
	ports = s.portsOf(t, "limited", 3)
	portWith(t, ports, two, "classID='4'")
	g := s.Guest(t, "virbr21", "newcomer")
	if _, ok := g.Udhcpc(t); !ok {
		t.Error("no lease from us")
	}
	s.leased(t, two)
	leases = s.leases(t)

	daemon.Stop(t)
	s.Must(t, "nft", "delete", "table", "inet", "vnetmgr")
	libvirts = s.Virtnetworkd(t)
	same("virtnetworkd", ports)
	if got := s.leases(t); got != leases {
		t.Errorf("leases of ours\n%s\nleases of libvirt's\n%s", leases, got)
	}
	if got := s.Script(t, "nft list ruleset | grep -c virbr21"); got != rules {
		t.Errorf("libvirt had %s rules before us, %s after", rules, got)
	}
	s.device(t, "attach-device", "g1", floor(three))
	portWith(t, s.portsOf(t, "limited", 4), three, "classID='5'")

	// And once more, as this is what a trial is.
	libvirts.Kill(t)
	daemon = s.Daemon(t, "-config", "/etc/vnetmgr.conf")
	s.portsOf(t, "limited", 4)
	s.answers(t, addr)
	sent, lost := ping.lost(t)
	t.Logf("%d of %d pings lost", lost, sent)
	if lost > sent/100+2 {
		t.Errorf("the guest did not answer %d of %d pings", lost, sent)
	}
	s.Virsh(t, "destroy", "g1")
	s.portsOf(t, "limited", 0)
	s.ctl(t, "net-destroy", "limited")
	if s.HasLink("virbr21") {
		t.Error("the bridge is there after net-destroy")
	}
	daemon.Stop(t)
}
