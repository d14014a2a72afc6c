package e2e

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

const (
	firstMAC  = "52:54:00:aa:bb:01"
	secondMAC = "52:54:00:aa:bb:02"
)

// ports are the UUIDs that net-port-list shows.
func (s *site) ports(t *testing.T) []string {
	t.Helper()
	return strings.Fields(s.ctl(t, "net-port-list", "default", "--uuid"))
}

// waitPorts waits until the network has that many ports, and says so in its
// XML as well.
func (s *site) waitPorts(t *testing.T, want int) []string {
	t.Helper()
	var got []string
	lab.Eventually(t, time.Minute, "the number of ports", func() bool { got = s.ports(t); return len(got) == want })
	connections := strings.Count(s.ctl(t, "net-dumpxml", "default", "--xpath", "/network/@connections"), `connections="`+string(rune('0'+want))+`"`)
	if (connections == 1) != (want > 0) {
		t.Errorf("with %d ports:\n%s", want, s.ctl(t, "net-dumpxml", "default"))
	}
	return got
}

// waitMACs waits until BRIDGE.macs has the domains' addresses.
func (s *site) waitMACs(t *testing.T, want map[string][]string) {
	t.Helper()
	var got map[string][]string
	lab.Eventually(t, time.Minute, "virbr0.macs", func() bool {
		text, err := s.ReadFile("/var/lib/libvirt/dnsmasq/virbr0.macs")
		if err != nil {
			return false
		}
		var domains []struct {
			Domain string
			MACs   []string
		}
		if err := json.Unmarshal(text, &domains); err != nil {
			t.Fatalf("virbr0.macs: %v\n%s", err, text)
		}
		got = map[string][]string{}
		for _, d := range domains {
			got[d.Domain] = d.MACs
		}
		return cmp.Equal(want, got)
	})
}

// TestLibvirtsDomainLivesOnOurNetwork starts a guest through libvirt's own
// QEMU driver; the guest takes a lease, resolves names, fetches a page and
// switches off.
func TestLibvirtsDomainLivesOnOurNetwork(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	s.ctl(t, "net-start", "default")
	driver := s.Domains(t)
	s.WriteFile(t, "/run/g1.xml", lab.DomainXML("g1", lab.GuestOS(t, "guest1", []string{"www.example.net", "guest1", "g1"}, "www.example.net"), "default", firstMAC), 0o644)
	driver.Virsh(t, "Domain 'g1' defined", "define /run/g1.xml")
	driver.Virsh(t, "Domain 'g1' started", "start g1")
	id := s.waitPorts(t, 1)[0]
	port := s.ctl(t, "net-port-dumpxml", "default", id)
	for _, part := range []string{"<name>g1</name>", "<mac address='" + firstMAC + "'/>", "<plug type='network' bridge='virbr0'/>"} {
		if !strings.Contains(port, part) {
			t.Errorf("the port lacks %s:\n%s", part, port)
		}
	}
	s.waitMACs(t, map[string][]string{"g1": {firstMAC}})
	lab.Eventually(t, 3*time.Minute, "the guest to switch off", func() bool { return len(s.ports(t)) == 0 })
	s.waitPorts(t, 0)
	s.waitMACs(t, map[string][]string{})
	if said := s.Console("g1"); !strings.Contains(said, "\nPASS\r\n") {
		t.Errorf("the guest's console:\n%s", said)
	}
	if out := s.ctl(t, "net-dhcp-leases", "default"); !strings.Contains(out, firstMAC) {
		t.Errorf("net-dhcp-leases:\n%s", out)
	}
}

// TestPortsFollowLibvirtsDomains has interfaces added, changed and reclaimed,
// with either side killed.
func TestPortsFollowLibvirtsDomains(t *testing.T) {
	s := newSite(t)
	daemon := s.Daemon(t)
	s.ctl(t, "net-start", "default")
	driver := s.Domains(t)
	s.WriteFile(t, "/run/g1.xml", lab.DomainXML("g1", "", "default", firstMAC), 0o644)
	driver.Virsh(t, "Domain 'g1' defined", "define /run/g1.xml")
	driver.Virsh(t, "Domain 'g1' started", "start g1")
	s.waitPorts(t, 1)

	driver.Virsh(t, "Interface attached", "attach-interface g1 network default --mac "+secondMAC+" --model virtio --live")
	s.waitPorts(t, 2)
	s.waitMACs(t, map[string][]string{"g1": {firstMAC, secondMAC}})

	// An update makes a second port of the same address, then deletes one of
	// the two.
	driver.Virsh(t, "Device updated", "domif-setlink g1 "+firstMAC+" down")
	ports := s.waitPorts(t, 2)
	s.waitMACs(t, map[string][]string{"g1": {firstMAC, secondMAC}})

	driver.Virsh(t, "network 'default' has no inbound QoS set", "domiftune g1 "+firstMAC+" --inbound 100,200,300,50 --live")

	if err := daemon.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	daemon.Wait(t)
	daemon = s.Daemon(t)
	if diff := cmp.Diff(ports, s.waitPorts(t, 2)); diff != "" {
		t.Errorf("a killed daemon changed the ports (-before +after)\n%s", diff)
	}

	// Both are killed, and the ports are lost: the driver reclaims them.
	driver.Kill(t)
	if err := daemon.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	daemon.Wait(t)
	s.Script(t, "rm -r /run/vnetmgr/networks/default")
	s.Daemon(t)
	s.waitPorts(t, 0)
	driver = s.Domains(t)
	if diff := cmp.Diff(ports, s.waitPorts(t, 2)); diff != "" {
		t.Errorf("other ports were reclaimed (-before +after)\n%s", diff)
	}
	s.waitMACs(t, map[string][]string{"g1": {firstMAC, secondMAC}})

	// The network goes under the domain; the domain's end harms nobody.
	s.ctl(t, "net-destroy", "default")
	s.ctl(t, "net-start", "default")
	s.waitPorts(t, 0)
	driver.Virsh(t, "Domain 'g1' destroyed", "destroy g1")
	driver.Virsh(t, "Domain 'g1' started", "start g1")
	s.waitPorts(t, 1)
	driver.Virsh(t, "Domain 'g1' destroyed", "destroy g1")
	s.waitPorts(t, 0)
}

func TestDomainOnAnInactiveNetworkIsToldWhy(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	driver := s.Domains(t)
	s.WriteFile(t, "/run/g1.xml", lab.DomainXML("g1", "", "default", firstMAC), 0o644)
	driver.Virsh(t, "Domain 'g1' defined", "define /run/g1.xml")
	driver.Virsh(t, "Requested operation is not valid: network 'default' is not active", "start g1")
	s.WriteFile(t, "/run/g2.xml", lab.DomainXML("g2", "", "nosuch", secondMAC), 0o644)
	driver.Virsh(t, "Domain 'g2' defined", "define /run/g2.xml")
	driver.Virsh(t, "Network not found: no network with matching name 'nosuch'", "start g2")
}
