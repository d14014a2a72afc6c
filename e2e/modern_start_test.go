//go:build modern

package e2e

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hostState is a script that shows what a network is on its host: the link,
// addresses, routes and what is set for the link and for forwarding.
const hostState = `
ip -d link show dev BRIDGE | sed 's/^[0-9]*: //; s/ numtxqueues.*//; /^ *alias /d'
ip addr show dev BRIDGE | grep inet | sed 's/^ *//; s/ nodad//' | sort
ip route show dev BRIDGE; ip -6 route show dev BRIDGE | sort
for f in disable_ipv6 accept_ra autoconf; do echo $f $(cat /proc/sys/net/ipv6/conf/BRIDGE/$f); done
echo forwarding $(cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding)
tc class show dev BRIDGE | sed 's/ burst .*//' | sort
`

// incidental is what the state of two bridges may differ in: timers and
// multicast state, and what docs/compat.md says of them.
var incidental = regexp.MustCompile(`(hello|tcn|topology_change|gc)_timer +[0-9.]+|designated_root \S+|bridge_id \S+|root_(port|path_cost) \d+|` +
	`addrgenmode \w+|tentative|(?m)^(inet6 )?fe80::.*\n|topology_change(_detected)? \d+|proto (118|boot) ?|metric 1 |fdb_n_learned \d+|pref medium|qlen \d+|linkdown|dead|NO-CARRIER,?|,?LOWER_UP|state (UP|DOWN|UNKNOWN)`)

// TestModernNetworksStartAsWithLibvirt starts every network that libvirt
// starts and compares what is on the host.
func TestModernNetworksStartAsWithLibvirt(t *testing.T) {
	p := newPair(t)
	p.script(t, "for d in eth0 eth1 eth2 eth3 enp0s1; do ip link add $d type veth peer name p$d; ip link set $d up; done; ip link add br0 address 52:54:00:00:00:77 type bridge")
	docs := documents(t)
	started := 0
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		if strings.Contains(name, "out/") {
			continue
		}
		p.file(t, "/run/network.xml", fixMAC(docs[name]))
		const create = "v net-create /run/network.xml >/dev/null && v -q net-list --name"
		ours, libvirts := p.script(t, create)
		// A static default route is refused by libvirt beside that of the host.
		onPurpose := strings.Contains(libvirts.Stderr, "Route address '0.0.0.0' conflicts")
		if libvirts.Code != 0 && ours.Code == 0 && !onPurpose || ours.Code != 0 && libvirts.Code == 0 {
			t.Errorf("%s: libvirt: %v\nvnetmgr: %v", name, libvirts, ours)
		}
		if libvirts.Code == 0 && ours.Code == 0 {
			started++
			p.compareHosts(t, name, strings.TrimSpace(ours.Stdout))
		}
		p.script(t, "for n in $(v net-list --uuid); do v net-destroy $n; done; echo 0 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv6/conf/all/forwarding")
	}
	t.Logf("%d networks started with both", started)
}

// fixMAC gives a network's bridge a MAC address, so that both have the same.
func fixMAC(doc string) string {
	if regexp.MustCompile(`(?s)<mac address`).MatchString(hosts.ReplaceAllString(doc, "")) || !strings.Contains(doc, "<ip ") {
		return doc
	}
	return strings.Replace(doc, "</network>", "<mac address='52:54:00:00:00:99'/></network>", 1)
}

// compareHosts compares what the network is on both hosts, if it has a bridge.
func (p pair) compareHosts(t *testing.T, file, network string) {
	t.Helper()
	bridges := regexp.MustCompile(`(?m)^Bridge: +(.*)$`)
	m := bridges.FindStringSubmatch(p.ours.ctl(t, "net-info", network))
	if m == nil {
		return
	}
	script := strings.ReplaceAll(hostState, "BRIDGE", m[1])
	ours, libvirts := p.script(t, script)
	if diff := cmp.Diff(tidy(libvirts.Stdout), tidy(ours.Stdout)); diff != "" {
		t.Errorf("%s on the host (-libvirt +vnetmgr)\n%s", file, diff)
	}
}

// tidy leaves out what is incidental.
func tidy(state string) string {
	state = incidental.ReplaceAllString(state, "")
	state = regexp.MustCompile(` +`).ReplaceAllString(state, " ")
	return regexp.MustCompile(`(?m)^ *| *$`).ReplaceAllString(state, "")
}
