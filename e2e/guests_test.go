package e2e

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// TestDomainThatVirtInstallMadeIsKnownByName has a domain made, plugged and
// killed in a libvirtd that asks us for nothing: every view of the network
// follows.
func TestDomainThatVirtInstallMadeIsKnownByName(t *testing.T) {
	s, libvirtd, _ := newLibvirtSite(t)
	s.ctl(t, "net-start", "default")
	s.facade(t, "default", "active")
	addr, hw := s.virtInstall(t, "one")
	mac := hw.String()
	ip := regexp.QuoteMeta(addr.String())
	shows := func(what, pattern string, args ...string) {
		t.Helper()
		row := regexp.MustCompile(pattern)
		lab.Eventually(t, 20*time.Second, what, func() bool { return row.MatchString(s.ctl(t, args...)) })
	}
	shows("the port", `(?m)^ [0-9a-f-]{36} +one +vnet0 +`+mac+` +`+ip+` +one$`, "net-port-list", "default", "--details")
	shows("what the bridge learned", `(?m)^ `+mac+` +vnet0 +- +\d+s +one +`+ip+` +one$`, "net-fdb", "default")
	shows("the lease", `(?m)^ .* `+mac+` .* one$`, "net-dhcp-leases", "default", "--domains")
	shows("the connection", `<network connections='1'>`, "net-dumpxml", "default")
	s.waitMACs(t, map[string][]string{"one": {mac}})

	const second = "52:54:00:aa:bb:02"
	s.ctl(t, "attach-interface", "one", "network", "default", "--mac", second, "--model", "virtio")
	shows("the second port", `(?m)one +vnet1 +`+second, "net-port-list", "default", "--details")
	shows("both connections", `<network connections='2'>`, "net-dumpxml", "default")
	s.waitMACs(t, map[string][]string{"one": {mac, second}})
	s.ctl(t, "detach-interface", "one", "network", "--mac", second)
	if out := s.Virsh(t, "domiflist", "one"); strings.Contains(out, second) {
		t.Errorf("detached, the domain has it still:\n%s", out)
	}
	shows("one connection", `<network connections='1'>`, "net-dumpxml", "default")

	// What becomes of domains while nobody tells us is learned afterwards.
	s.Kill(t, libvirtd)
	s.Script(t, "kill $(cat /run/libvirt/qemu/one.pid)")
	s.Libvirt(t)
	lab.Eventually(t, 60*time.Second, "no connection", func() bool {
		return !strings.Contains(s.ctl(t, "net-dumpxml", "default"), "connections")
	})
	s.waitMACs(t, map[string][]string{})
}
