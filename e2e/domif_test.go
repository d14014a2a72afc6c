package e2e

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// counters are what two calls one after the other do not agree on.
var counters = regexp.MustCompile(`(?m)([rt]x_\w+) \d+$`)

// Each command is given to virsh and to vnetmgr, on the same domain.
func TestDomainInterfaceCommandsPrintWhatVirshPrints(t *testing.T) {
	s, _, _ := newLibvirtSite(t)
	s.ctl(t, "net-update", "default", "add", "portgroup", "<portgroup name='lab'/>", "--config")
	s.ctl(t, "net-start", "default")
	s.facade(t, "default", "active")
	addr := s.domain(t, "default", "one")
	same := func(args ...string) {
		t.Helper()
		want := s.Run(t, append([]string{"virsh", "-c", "qemu:///system"}, args...)...)
		got := s.try(t, args...)
		for _, r := range []*lab.Result{&want, &got} {
			r.Stdout = counters.ReplaceAllString(r.Stdout, "$1 N")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-virsh +vnetmgr):\n%s", args, diff)
		}
	}
	const second = "52:54:00:aa:bb:01"
	card := func(mac string) []string {
		return []string{"attach-interface", "one", "network", "default", "--mac", mac, "--model", "virtio"}
	}
	cards := func(n int) {
		t.Helper()
		lab.Eventually(t, 30*time.Second, "the domain has cards", func() bool {
			return strings.Count(s.Virsh(t, "domiflist", "one"), " 52:54:") == n
		})
	}
	same("domiflist", "one")
	same("domiflist", "one", "--inactive")
	row := regexp.MustCompile(`(?m)^ vnet0 +bridge +default +virtio +\S+ +default +` + regexp.QuoteMeta(addr.String()) + ` +one$`)
	if out := s.ctl(t, "domiflist", "one", "--addresses"); !row.MatchString(out) {
		t.Errorf("domiflist --addresses:\n%s", out)
	}
	same("domiflist", "nope")
	same("domiflist", "1")
	same("domifaddr", "one")
	same("domifaddr", "one", "--full", "--interface", "vnet0")
	same("domifaddr", "one", "--source", "x")
	same("domifaddr", "one", "--source", "agent")
	same("domifaddr", "one", "--source", "arp")
	same("domifstat", "one", "vnet0")
	same("domifstat", "one", "vnet9")
	same("domif-getlink", "one", "vnet0")
	same("domif-getlink", "one", "vnet9")
	same("domif-getlink", "one", "52:54:00:00:00:99")
	same("domif-setlink", "one", "vnet0", "sideways")
	same("domif-setlink", "one", "vnet9", "up")
	same("domif-setlink", "one", "vnet0", "down", "--print-xml")
	same("domif-setlink", "one", "vnet0", "down")
	same("domif-getlink", "one", "vnet0")
	same("domif-setlink", "one", "vnet0", "up")
	same("domiftune", "one", "vnet0")
	same("domiftune", "one", "vnet0", "--live", "--inbound", "1000,2000,300", "--outbound", "500")
	same("domiftune", "one", "vnet0", "--live")
	// Some kernels lack the queue that libvirt wants; both say so then.
	if out := s.Must(t, "tc", "qdisc", "show", "dev", "vnet0"); !strings.Contains(out, "htb") && s.Run(t, "tc", "qdisc", "add", "dev", "virbr0", "root", "sfq").Code == 0 {
		t.Errorf("domiftune set no limit on the link: %q", out)
	}
	s.answers(t, addr)
	same("domiftune", "one", "52:54:00:00:00:01", "--inbound", "0", "--outbound", "0")
	same("domiftune", "one", "vnet0")
	same("domiftune", "one", "vnet9", "--inbound", "1")
	same("domiftune", "one", "vnet0", "--inbound", "1,2,3,4,5")
	same("domiftune", "one", "vnet0", "--outbound", "0,3")
	same("domiftune", "one", "vnet0", "--config", "--inbound", "1000,2000,300")
	same("domiftune", "one", "vnet0", "--config")
	same("domiftune", "one", "vnet0", "--current", "--live")
	same(append(card(second), "--inbound", "1000,2000,300", "--alias", "ua-x", "--print-xml")...)
	same("attach-interface", "one", "user", "x")
	same("attach-interface", "one", "network", "nowhere")
	same("attach-interface", "one", "direct", "eth0")
	same("attach-interface", "one", "hostdev", "zz")
	same("detach-interface", "one", "direct")
	same("detach-interface", "one", "bridge", "--mac", second)
	s.ctl(t, card(second)...)
	cards(2)
	same("detach-interface", "one", "bridge")
	same("detach-interface", "one", "bridge", "--print-xml", "--mac", second)
	// Ours waits until the guest has let go.
	s.ctl(t, "detach-interface", "one", "network", "--mac", second)
	if out := s.Virsh(t, "domiflist", "one"); strings.Contains(out, second) {
		t.Errorf("detached, the domain has it still:\n%s", out)
	}
	s.ctl(t, append(card(second), "--config")...)
	same("domiflist", "one")
	same("domiflist", "one", "--inactive")
	s.ctl(t, "detach-interface", "one", "network", "--mac", second, "--config")
	same("domiflist", "one", "--inactive")
	s.ctl(t, append(card(second), "--portgroup", "lab", "--live")...)
	cards(2)
	if out := s.Virsh(t, "dumpxml", "one"); !strings.Contains(out, "portgroup='lab'") {
		t.Errorf("attached to a portgroup:\n%s", out)
	}
	s.ctl(t, "detach-interface", "one", "network", "--mac", second, "--live")
	s.ctl(t, append(card(second), "--persistent")...)
	cards(2)
	for line, want := range map[string]string{
		"domiflist|": "one", "domifstat|one|": "vnet0", "detach-interface|one|network|--mac|" + second[:8]: second,
		"domif-setlink|one|vnet0|d": "down", "domifaddr|one|--source|l": "lease", "attach-interface|o": "one",
	} {
		if out := s.ctl(t, append([]string{"complete"}, strings.Split(line, "|")...)...); !strings.Contains(out, want) {
			t.Errorf("completion of %q is %q, want %s in it", line, out, want)
		}
	}
	same("domiflist", "one", "--inactive")
	s.ctl(t, "detach-interface", "one", "network", "--mac", second, "--persistent")
	cards(1)
	same("domiflist", "one", "--inactive")
}
