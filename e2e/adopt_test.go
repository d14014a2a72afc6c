package e2e

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// fromLibvirt finds a domain's address in libvirt's own lease list.
func (s *site) fromLibvirt(t *testing.T, network string, d *lab.Domain) netip.Addr {
	t.Helper()
	return d.Addr(t, func() (netip.Addr, bool) {
		for line := range strings.Lines(s.Virsh(t, "net-dhcp-leases", network)) {
			if strings.Contains(line, d.MAC.String()) {
				p, err := netip.ParsePrefix(strings.Fields(line)[4])
				return p.Addr(), err == nil
			}
		}
		return netip.Addr{}, false
	})
}

// outage is the time that the unanswered of 20 pings a second stand for.
func outage(lost int) time.Duration { return time.Duration(lost) * 50 * time.Millisecond }

func TestNetworkMovesFromLibvirtAndBackUnderItsDomains(t *testing.T) {
	s := newSite(t)
	s.Libvirt(t)
	s.Virsh(t, "net-update", "default", "add", "ip-dhcp-host", "<host mac='52:54:00:00:99:99' ip='192.168.122.99' name='kept'/>", "--config")
	s.Virsh(t, "net-start", "default")
	s.Virsh(t, "net-autostart", "default")
	before := s.Virsh(t, "net-dumpxml", "--inactive", "default")
	one := s.fromLibvirt(t, "default", s.Domain(t, "default", "one"))
	two := s.fromLibvirt(t, "default", s.Domain(t, "default", "two"))
	daemon := s.Daemon(t)

	snapshot := s.Snapshot(t)
	plan := s.ctl(t, "adopt", "default", "--dry-run")
	if diff := cmp.Diff(snapshot, s.Snapshot(t)); diff != "" {
		t.Errorf("a dry run changed the host:\n%s", diff)
	}
	p := s.pingFromHost(t, one)
	if did := s.ctl(t, "adopt", "default"); !strings.HasPrefix(did, plan[:len(plan)-1]) {
		t.Errorf("planned\n%s\ndid\n%s", plan, did)
	}
	s.answers(t, two)
	sent, lost := p.lost(t)
	t.Logf("adopt: %d of %d pings lost, an outage of %v", lost, sent, outage(lost))
	if outage(lost) > 3*time.Second {
		t.Errorf("domains were without network for %v", outage(lost))
	}
	if pids := s.Pids(t, "dnsmasq"); len(pids) > 0 {
		t.Errorf("libvirt's dnsmasq still runs: %v", pids)
	}
	if out := s.ctl(t, "net-dhcp-leases", "default"); !strings.Contains(out, one.String()) || !strings.Contains(out, two.String()) {
		t.Errorf("leases after adopt:\n%s", out)
	}
	if out := s.ctl(t, "net-dumpxml", "default"); !strings.Contains(out, "192.168.122.99") {
		t.Errorf("the reservation is gone:\n%s", out)
	}
	s.facade(t, "default", "active")

	p = s.pingFromHost(t, one)
	s.ctl(t, "release", "default")
	s.answers(t, two)
	sent, lost = p.lost(t)
	t.Logf("release: %d of %d pings lost, an outage of %v", lost, sent, outage(lost))
	if outage(lost) > 3*time.Second {
		t.Errorf("domains were without network for %v", outage(lost))
	}
	if diff := cmp.Diff(before, s.Virsh(t, "net-dumpxml", "--inactive", "default")); diff != "" {
		t.Errorf("libvirt's network (-before +after):\n%s", diff)
	}
	if out := s.Virsh(t, "net-dhcp-leases", "default"); !strings.Contains(out, one.String()) || !strings.Contains(out, two.String()) {
		t.Errorf("leases after release:\n%s", out)
	}
	if out := s.ctl(t, "net-list", "--all", "--name"); strings.Contains(out, "default") {
		t.Errorf("vnetmgr still has it: %s", out)
	}
	for line := range strings.Lines(daemon.Log()) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "network moved") {
			t.Log(line)
		}
	}
}

// answers waits until a domain answers.
func (s *site) answers(t *testing.T, to netip.Addr) {
	t.Helper()
	lab.Eventually(t, 20*time.Second, to.String()+" answers", func() bool {
		return s.Run(t, "ping", "-c", "1", "-W", "1", to.String()).Code == 0
	})
}

func TestAdoptThatFailsLeavesEverythingAsItWas(t *testing.T) {
	s := newSite(t)
	s.Libvirt(t)
	s.Virsh(t, "net-start", "default")
	one := s.fromLibvirt(t, "default", s.Domain(t, "default", "one"))
	s.Daemon(t)
	before := s.Virsh(t, "net-dumpxml", "--inactive", "default")
	ours := s.ctl(t, "net-dumpxml", "default")
	// Overlapping subnets keep ours from starting, but not libvirt's.
	s.Must(t, "ip", "addr", "add", "192.168.122.246/30", "dev", lab.UplinkName)
	r := s.try(t, "adopt", "default")
	if r.Code != 1 {
		t.Fatalf("adopt: %s", r)
	}
	if !strings.Contains(r.Stderr, lab.UplinkName) || strings.Contains(r.Stderr, "take back") {
		t.Errorf("adopt said %s", r.Stderr)
	}
	s.answers(t, one)
	if diff := cmp.Diff(before, s.Virsh(t, "net-dumpxml", "--inactive", "default")); diff != "" {
		t.Errorf("libvirt's network (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(ours, s.ctl(t, "net-dumpxml", "default")); diff != "" {
		t.Errorf("our network (-before +after):\n%s", diff)
	}
	for name, args := range map[string][]string{
		"no such network": {"adopt", "nowhere"},
		"nothing to give": {"release", "nowhere"},
		"not adopted":     {"release", "default"},
	} {
		if r := s.try(t, args...); r.Code != 1 {
			t.Errorf("%s: %s", name, r)
		}
	}
	s.Must(t, "ip", "addr", "del", "192.168.122.246/30", "dev", lab.UplinkName)

	// Two managers want one bridge name.
	s.WriteFile(t, "/run/mine.xml", "<network><name>mine</name><bridge name='virbr0'/></network>", 0o644)
	s.ctl(t, "net-undefine", "default")
	s.ctl(t, "net-define", "/run/mine.xml")
	s.refuses(t, "virbr0", "net-start", "mine")
	s.refuses(t, "virbr0", "adopt", "default")
	s.ctl(t, "net-undefine", "mine")

	// A guest of which libvirt has not yet said that it runs.
	s.WriteFile(t, "/run/slow-qemu", "#!/bin/sh\ncase \"$*\" in *guest=slow*) sleep 5;; esac\nexec /usr/bin/qemu-system-x86_64 \"$@\"\n", 0o755)
	slow := strings.Replace(lab.DomainXML("slow", "", "default", firstMAC), "/usr/bin/qemu-system-x86_64", "/run/slow-qemu", 1)
	s.WriteFile(t, "/run/slow.xml", strings.Replace(slow, "/run/domains/", "/run/", 1), 0o644)
	s.Virsh(t, "define", "/run/slow.xml")
	starting := s.Start(t, "virsh", "-c", "qemu:///system", "start", "slow")
	lab.Eventually(t, 20*time.Second, "the guest is being started", func() bool {
		return strings.Contains(s.Run(t, "virsh", "-c", "qemu:///system", "domstate", "--reason", "slow").Stdout, "starting up")
	})
	s.refuses(t, "domain slow on network default is being started", "adopt", "default")
	if code := starting.Wait(t); code != 0 {
		t.Errorf("the guest did not start: %s", starting.Log())
	}
	s.answers(t, one)
}

// refuses gives a command that has to fail and say why.
func (s *site) refuses(t *testing.T, why string, args ...string) {
	t.Helper()
	if r := s.try(t, args...); r.Code != 1 || !strings.Contains(r.Stderr, why) {
		t.Errorf("%v, which has to name %s: %s", args, why, r)
	}
}

func TestAdoptIsTakenBackWhenLibvirtdDiesInTheMiddle(t *testing.T) {
	s := newSite(t)
	libvirtd := s.Libvirt(t)
	s.Virsh(t, "net-start", "default")
	one := s.fromLibvirt(t, "default", s.Domain(t, "default", "one"))
	s.Daemon(t)
	before := s.Virsh(t, "net-dumpxml", "--inactive", "default")
	// libvirtd runs this while it stops the network.
	s.Script(t, "mkdir -p /etc/libvirt/hooks")
	s.WriteFile(t, "/etc/libvirt/hooks/network", "#!/bin/sh\n[ $2 = stopped ] || exit 0\nrm $0\nkill -9 $PPID\n", 0o755)
	libvirtd.Signal(syscall.SIGHUP) // a hook that is new is not seen otherwise
	adopt := s.Start(t, "vnetmgr", "adopt", "default")
	libvirtd.Wait(t)
	s.Libvirt(t)
	adopt.Wait(t)
	s.answers(t, one)
	if diff := cmp.Diff(before, s.Virsh(t, "net-dumpxml", "--inactive", "default")); diff != "" {
		t.Errorf("libvirt's network (-before +after):\n%s", diff)
	}
	t.Log(adopt.Log())
}
