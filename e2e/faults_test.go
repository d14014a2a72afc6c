package e2e

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// belongs describes whose the network default is, and whether it is whole.
func (s *site) belongs(t *testing.T, guest netip.Addr) string {
	t.Helper()
	s.answers(t, guest)
	rows := regexp.MustCompile(`(?m)^ default .*$`)
	return fmt.Sprintf("libvirt: %q\n%s\nleases there:\n%v\ndnsmasq: %d\nours: %q\n%s\nlink: %v",
		rows.FindString(s.Virsh(t, "net-list", "--all")), s.Virsh(t, "net-dumpxml", "--inactive", "default"),
		strings.Contains(s.Virsh(t, "net-dhcp-leases", "default"), guest.String()+"/"), len(s.Pids(t, "dnsmasq")),
		rows.FindString(s.ctl(t, "net-list", "--all")), s.ctl(t, "net-dumpxml", "--inactive", "default"),
		strings.Contains(s.Must(t, "ip", "link", "show", "vnet0"), "master virbr0"))
}

// TestMoveThatFailsAnywhereIsTakenBack has each change that adopt and release
// ask of libvirtd go wrong, one after the other: refused, and made but with
// the connection lost. The network, its domain and libvirtd's part in it are
// each time what they were.
func TestMoveThatFailsAnywhereIsTakenBack(t *testing.T) {
	s := newSite(t)
	s.Libvirt(t)
	s.Virsh(t, "net-start", "default")
	s.Virsh(t, "net-autostart", "default")
	guest := s.fromLibvirt(t, "default", s.Domain(t, "default", "one"))
	faults := s.Faulty(t, "/run/faulty-sock", "/run/libvirt/libvirt-sock")
	s.Script(t, `mkdir -p /etc/vnetmgr; echo 'libvirt_uri = "qemu:///system?socket=/run/faulty-sock"' >/etc/vnetmgr/vnetmgr.conf`)
	s.Daemon(t)
	for _, command := range []string{"adopt", "release"} {
		before := s.belongs(t, guest)
		failed := 0
		for n, cut := 1, false; ; cut = !cut {
			faults.Arm(n, cut)
			r := s.try(t, command, "default")
			if !faults.Fired() {
				if r.Code != 0 {
					t.Fatalf("%s, unharmed: %s", command, r)
				}
				break
			}
			failed++
			if r.Code == 0 {
				t.Errorf("%s says it worked although change %d failed (connection lost: %v)", command, n, cut)
				break
			}
			if strings.Contains(r.Stderr, "take back") {
				t.Errorf("%s, change %d, connection lost: %v: %s", command, n, cut, r.Stderr)
			}
			after := s.belongs(t, guest)
			for end := time.Now().Add(10 * time.Second); after != before && time.Now().Before(end); {
				after = s.belongs(t, guest)
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Fatalf("%s, change %d, connection lost: %v (-before +after):\n%s%s", command, n, cut, diff, r)
			}
			if cut {
				n++
			}
		}
		t.Logf("%s failed %d times and was taken back", command, failed)
		if failed < 6 {
			t.Errorf("%s failed %d times, want each change to fail", command, failed)
		}
	}
}
