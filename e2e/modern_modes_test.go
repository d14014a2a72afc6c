//go:build modern

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// TestModernDomainsOnNetworksWithoutABridgeOfTheirOwn has virtqemud ask for
// ports on a bridge of the host's and on a pool of devices.
func TestModernDomainsOnNetworksWithoutABridgeOfTheirOwn(t *testing.T) {
	s := newModern(t)
	s.Daemon(t)
	s.Script(t, `ip link add other0 type bridge; ip link set other0 up
		for i in 0 1 2; do ip link add pool$i type veth peer name far$i; ip link set pool$i up; done`)
	s.define(t, `<network><name>host</name><forward mode='bridge'/><bridge name='other0'/><portgroup name='p' default='yes'><bandwidth><inbound average='2000'/></bandwidth></portgroup></network>`)
	s.define(t, `<network><name>pool</name><forward mode='bridge'><interface dev='pool0'/><interface dev='pool1'/></forward></network>`)
	s.define(t, `<network><name>alone</name><forward mode='passthrough'><interface dev='pool2'/></forward></network>`)
	s.define(t, `<network><name>gold</name><forward mode='vepa'><interface dev='pool1'/></forward>
		<virtualport type='802.1Qbh'><parameters profileid='net'/></virtualport></network>`)
	for _, network := range []string{"host", "pool", "alone", "gold"} {
		s.ctl(t, "net-start", network)
	}
	s.define(t, second)
	s.ctl(t, "net-start", "second")
	qemu := s.Virtqemud(t)
	s.Domain(t, "second", "g1")

	const one, two, three, four = "52:54:00:aa:00:01", "52:54:00:aa:00:02", "52:54:00:aa:00:03", "52:54:00:aa:00:04"
	s.device(t, "attach-device", "g1", card(one, "network='host'", ""))
	portWith(t, s.portsOf(t, "host", 1), one, "<plug type='bridge' bridge='other0'/>", "<inbound average='2000'/>")
	if out := s.Must(t, "ip", "link", "show", "master", "other0"); !strings.Contains(out, "vnet") {
		t.Errorf("ports of other0:\n%s", out)
	}
	s.device(t, "attach-device", "g1", card(two, "network='pool'", ""))
	s.device(t, "attach-device", "g1", card(three, "network='pool'", ""))
	ports := s.portsOf(t, "pool", 2)
	portWith(t, ports, "<plug type='direct' dev='pool0' mode='bridge'/>")
	portWith(t, ports, "<plug type='direct' dev='pool1' mode='bridge'/>")
	if out := s.Must(t, "ip", "-o", "link", "show", "type", "macvtap"); strings.Count(out, "\n") != 2 {
		t.Errorf("macvtap links:\n%s", out)
	}

	// A device in use is nobody else's, until it is given back.
	s.WriteFile(t, "/run/device.xml", card(four, "network='alone'", ""), 0o644)
	s.device(t, "attach-device", "g1", card(four, "network='alone'", ""))
	portWith(t, s.portsOf(t, "alone", 1), "<plug type='direct' dev='pool2' mode='passthrough'/>")
	s.WriteFile(t, "/run/device.xml", card("52:54:00:aa:00:05", "network='alone'", ""), 0o644)
	if r := s.Run(t, "virsh", "-c", "qemu:///system", "attach-device", "g1", "/run/device.xml", "--live"); r.Code == 0 || !strings.Contains(r.Stderr, "requires exclusive access to interfaces, but none are available") {
		t.Errorf("a second card on a device to be had alone: %v", r)
	}
	s.portsOf(t, "alone", 1)

	// The virtual port of the interface, of the network: two profiles are one
	// too many, and parameters of both are merged.
	s.WriteFile(t, "/run/device.xml", card("52:54:00:aa:00:06", "network='gold'", "<virtualport type='802.1Qbh'><parameters profileid='own'/></virtualport>"), 0o644)
	if r := s.Run(t, "virsh", "-c", "qemu:///system", "attach-device", "g1", "/run/device.xml", "--live"); r.Code == 0 || !strings.Contains(r.Stderr, "attempt to merge virtualports with mismatched profileids") {
		t.Errorf("two profiles: %v", r)
	}
	s.portsOf(t, "gold", 0)

	// virtqemud forgets nothing, and gives all back.
	qemu.Kill(t)
	s.Virtqemud(t)
	s.portsOf(t, "host", 1)
	s.portsOf(t, "pool", 2)
	s.portsOf(t, "alone", 1)
	s.Virsh(t, "destroy", "g1")
	for _, network := range []string{"host", "pool", "alone", "second"} {
		lab.Eventually(t, time.Minute, "the ports on "+network+" to go", func() bool {
			return len(strings.Fields(s.ctl(t, "net-port-list", network, "--uuid"))) == 0
		})
		s.portsOf(t, network, 0)
	}
}
