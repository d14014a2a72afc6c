package hosts

import (
	"strings"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// zone is the firewalld zone of a link, in the rules that are in force; "" if
// it is in none.
func (s *site) zone(t *testing.T, link string) string {
	t.Helper()
	r := s.Run(t, "firewall-cmd", "--get-zone-of-interface="+link)
	if r.Code != 0 {
		return ""
	}
	return strings.TrimSpace(r.Stdout)
}

// inZone waits until a link is in a zone.
func (s *site) inZone(t *testing.T, link, zone string) {
	t.Helper()
	lab.Eventually(t, 20*time.Second, link+" to be in zone "+zone, func() bool { return s.zone(t, link) == zone })
}

// works tells whether a guest gets an address, a name and a page from the
// internet.
func (s *site) works(t *testing.T, g *lab.Guest, when string) {
	t.Helper()
	if _, ok := g.Udhcpc(t); !ok {
		t.Fatalf("%s: no address", when)
	}
	if got, want := g.Fetch(t, "www.example.net"), lab.Page(lab.HostAddr); got != want {
		t.Errorf("%s: got %q, want %q", when, got, want)
	}
}

func TestGuestsWorkThroughFirewalld(t *testing.T) {
	s := newSite(t)
	s.systemctl(t, "start", "firewalld")
	s.systemctl(t, "start", "vnetmgr")
	s.Must(t, "vnetmgr", "net-start", "default")
	s.inZone(t, "virbr0", "libvirt")
	g := s.Guest(t, "virbr0", "web")
	s.works(t, g, "at first")

	s.Must(t, "firewall-cmd", "--reload")
	s.inZone(t, "virbr0", "libvirt")
	s.works(t, g, "after firewall-cmd --reload")
	s.Must(t, "firewall-cmd", "--complete-reload")
	s.inZone(t, "virbr0", "libvirt")
	s.works(t, g, "after firewall-cmd --complete-reload")

	s.systemctl(t, "restart", "firewalld")
	s.inZone(t, "virbr0", "libvirt")
	s.works(t, g, "after a restart of firewalld")

	s.systemctl(t, "stop", "firewalld")
	s.works(t, g, "without firewalld")
	s.systemctl(t, "start", "firewalld")
	s.inZone(t, "virbr0", "libvirt")
	s.works(t, g, "with firewalld again")

	s.systemctl(t, "stop", "vnetmgr")
	s.systemctl(t, "restart", "firewalld")
	s.systemctl(t, "start", "vnetmgr")
	s.inZone(t, "virbr0", "libvirt")
	s.works(t, g, "after a restart of firewalld behind our back")

	s.Must(t, "vnetmgr", "net-destroy", "default")
	if zone := s.zone(t, "virbr0"); zone != "" {
		t.Errorf("virbr0 is gone, and in zone %s", zone)
	}
}

func TestZonesAreWhatTheNetworkAsksFor(t *testing.T) {
	s := newSite(t)
	s.systemctl(t, "start", "firewalld")
	s.systemctl(t, "start", "vnetmgr")
	s.start(t, "work", `<network><name>work</name><forward mode='nat'/><bridge name='virbr7' zone='work'/><ip address='10.7.0.1' prefix='24'/></network>`)
	s.inZone(t, "virbr7", "work")
	s.start(t, "routed", `<network><name>routed</name><forward mode='route'/><bridge name='virbr8'/><ip address='10.8.0.1' prefix='24'/></network>`)
	s.inZone(t, "virbr8", "libvirt-routed")

	s.WriteFile(t, "/run/nowhere.xml", `<network><name>nowhere</name><forward mode='nat'/><bridge name='virbr9' zone='nowhere'/><ip address='10.9.0.1' prefix='24'/></network>`, 0o644)
	s.Must(t, "vnetmgr", "net-define", "/run/nowhere.xml")
	r := s.Run(t, "vnetmgr", "net-start", "nowhere")
	want := "error: Failed to start network nowhere\nerror: error from service: GDBus.Error:org.fedoraproject.FirewallD1.Exception: INVALID_ZONE: nowhere\n"
	if r.Code != 1 || r.Stderr != want || s.HasLink("virbr9") {
		t.Errorf("a zone that is not there: %s", r)
	}
	s.systemctl(t, "stop", "firewalld")
	want = "error: Failed to start network nowhere\nerror: internal error: zone nowhere requested for bridge virbr9 but firewalld is not active\n"
	if r := s.Run(t, "vnetmgr", "net-start", "nowhere"); r.Stderr != want || s.HasLink("virbr9") {
		t.Errorf("a zone without firewalld: %s", r)
	}
}
