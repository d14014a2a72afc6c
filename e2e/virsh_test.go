package e2e

import (
	"regexp"
	"strings"
	"testing"
)

// virsh is Debian's, unmodified; it finds the daemon as libvirt's own.
func TestVirshControlsNetworks(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	s.control = []string{"virsh", "-c", "network:///system"}

	all := regexp.MustCompile(`(?m)^ default +inactive +(yes|no|no autostart) +yes$`)
	if out := s.ctl(t, "net-list", "--all"); !all.MatchString(out) {
		t.Errorf("net-list --all printed:\n%s", out)
	}
	if got, want := s.ctl(t, "net-start", "default"), "Network default started\n\n"; got != want {
		t.Errorf("net-start printed %q", got)
	}
	if out := s.ctl(t, "net-info", "default"); !strings.Contains(out, "Active:         yes") || !strings.Contains(out, "Bridge:         virbr0") {
		t.Errorf("net-info printed:\n%s", out)
	}
	doc := s.ctl(t, "net-dumpxml", "default")
	for _, part := range []string{"<name>default</name>", "<bridge name='virbr0'", "<ip address='192.168.122.1' netmask='255.255.255.0'>", "<range start='192.168.122.2' end='192.168.122.254'/>"} {
		if !strings.Contains(doc, part) {
			t.Errorf("net-dumpxml lacks %s:\n%s", part, doc)
		}
	}
	g := s.Guest(t, "virbr0", "seen")
	if _, ok := g.Udhcpc(t); !ok {
		t.Fatal("no lease")
	}
	if row := s.row(t, "default", g); len(row) < 6 || row[5] != "seen" {
		t.Errorf("row of net-dhcp-leases: %q", row)
	}
	if got, want := s.ctl(t, "net-destroy", "default"), "Network default destroyed\n\n"; got != want {
		t.Errorf("net-destroy printed %q", got)
	}
	if s.HasLink("virbr0") {
		t.Error("virbr0 is there after net-destroy")
	}
}

func TestVirshDefinesEditsAndForgets(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	s.control = []string{"virsh", "-c", "network:///system"}
	s.define(t, `<network><name>lab</name><ip address='10.77.0.1' prefix='24'/></network>`)
	s.ctl(t, "net-autostart", "lab")
	s.ctl(t, "net-start", "lab")
	if out := s.ctl(t, "net-info", "lab"); !strings.Contains(out, "Autostart:      yes") {
		t.Errorf("net-info:\n%s", out)
	}
	uuid := strings.TrimSpace(s.ctl(t, "net-uuid", "lab"))
	if got := strings.TrimSpace(s.ctl(t, "net-name", uuid)); got != "lab" {
		t.Errorf("net-name %s = %q", uuid, got)
	}
	s.ctl(t, "net-undefine", "lab")
	if out := s.ctl(t, "net-info", "lab"); !strings.Contains(out, "Persistent:     no") {
		t.Errorf("net-info after net-undefine:\n%s", out)
	}
	s.ctl(t, "net-destroy", "lab")
	r := s.try(t, "net-info", "lab")
	if r.Code != 1 || !strings.Contains(r.Stderr, "Network not found: no network with matching name 'lab'") {
		t.Errorf("net-info of a network that is gone: %v", r)
	}
}

func TestReadOnlySocketReadsOnly(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	s.control = []string{"virsh", "-r", "-c", "network:///system"}
	s.ctl(t, "net-list", "--all")
	r := s.try(t, "net-start", "default")
	if r.Code != 1 || !strings.Contains(r.Stderr, "read only") || s.HasLink("virbr0") {
		t.Errorf("net-start through the read-only socket: %v", r)
	}
}
