package e2e

import (
	"net/netip"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// newLibvirtSite makes a host where libvirtd runs, without networks of its
// own, and vnetmgr's daemon.
func newLibvirtSite(t *testing.T) (s *site, libvirtd, daemon *lab.Process) {
	t.Helper()
	s = newSite(t)
	s.Script(t, "rm -f /etc/libvirt/qemu/networks/*.xml")
	libvirtd = s.Libvirt(t)
	daemon = s.Daemon(t)
	return s, libvirtd, daemon
}

// facade waits until libvirt lists the network in a state: "active" or
// "inactive", or not at all.
func (s *site) facade(t *testing.T, name, state string) {
	t.Helper()
	row := regexp.MustCompile(`(?m)^ ` + name + ` +(active|inactive) `)
	lab.Eventually(t, 10*time.Second, "libvirt shows "+name+" as "+state, func() bool {
		m := row.FindStringSubmatch(s.Virsh(t, "net-list", "--all"))
		return m == nil && state == "absent" || m != nil && m[1] == state
	})
}

// domain starts a domain on a network and waits until it answers.
func (s *site) domain(t *testing.T, network, name string) netip.Addr {
	t.Helper()
	d := s.Domain(t, network, name)
	return d.Addr(t, func() (netip.Addr, bool) {
		for line := range strings.Lines(s.ctl(t, "net-dhcp-leases", network)) {
			if strings.Contains(line, d.MAC.String()) {
				p, err := netip.ParsePrefix(strings.Fields(line)[4])
				return p.Addr(), err == nil
			}
		}
		return netip.Addr{}, false
	})
}

// pingFromHost sends 20 echo requests a second to a domain.
func (s *site) pingFromHost(t *testing.T, to netip.Addr) pinger {
	t.Helper()
	return pinger{s.Start(t, "ping", "-q", "-i", "0.05", "-W", "2", to.String())}
}

func TestLibvirtdShowsOurNetworksAndFollowsThem(t *testing.T) {
	s, _, _ := newLibvirtSite(t)
	s.facade(t, "default", "inactive")
	s.ctl(t, "net-start", "default")
	s.facade(t, "default", "active")
	if out := s.Virsh(t, "net-dumpxml", "default"); !strings.Contains(out, "<forward mode='bridge'/>") || !strings.Contains(out, "<bridge name='virbr0'/>") {
		t.Errorf("facade:\n%s", out)
	}
	s.ctl(t, "net-autostart", "default", "--disable")
	s.ctl(t, "net-destroy", "default")
	s.facade(t, "default", "inactive")
	s.Virsh(t, "net-autostart", "default")
	s.Virsh(t, "net-start", "default")
	lab.Eventually(t, 10*time.Second, "starting the facade starts the network", func() bool { return s.HasLink("virbr0") })
	lab.Eventually(t, 10*time.Second, "autostart of the facade is the network's", func() bool {
		return strings.Contains(s.ctl(t, "net-list", "--autostart"), "default")
	})
	s.Virsh(t, "net-destroy", "default")
	lab.Eventually(t, 10*time.Second, "stopping the facade stops the network", func() bool { return !s.HasLink("virbr0") })
	s.Virsh(t, "net-undefine", "default")
	s.facade(t, "default", "inactive")
	// As virt-manager renames: the UUID and the mark stay.
	s.Script(t, `virsh net-dumpxml --inactive default | sed 's,<name>default,<name>other,' >/run/other.xml
		virsh net-undefine default; virsh net-define /run/other.xml`)
	s.facade(t, "other", "absent")
	s.facade(t, "default", "inactive")
	if out := s.ctl(t, "net-list", "--all", "--name"); strings.TrimSpace(out) != "default" {
		t.Errorf("after a facade was renamed the networks are\n%s", out)
	}
	s.ctl(t, "net-undefine", "default")
	s.facade(t, "default", "absent")
}

func TestNetworkOfLibvirtsOwnIsLeftAlone(t *testing.T) {
	s := newSite(t)
	s.Libvirt(t)
	before := s.Virsh(t, "net-dumpxml", "--inactive", "default")
	daemon := s.Daemon(t)
	lab.Eventually(t, 10*time.Second, "the log tells of it", func() bool {
		return strings.Contains(daemon.Log(), "libvirt has a network of its own by this name")
	})
	s.ctl(t, "net-start", "default")
	s.ctl(t, "net-destroy", "default")
	s.ctl(t, "net-undefine", "default")
	if after := s.Virsh(t, "net-dumpxml", "--inactive", "default"); after != before {
		t.Errorf("libvirt's network is now\n%s\nwas\n%s", after, before)
	}
}

func TestDomainsKeepTheirNetworkThroughEverything(t *testing.T) {
	s, libvirtd, daemon := newLibvirtSite(t)
	// With spanning tree, ports are silent for seconds where libvirt puts them
	// on a bridge.
	s.Script(t, "vnetmgr net-dumpxml default | sed \"s/stp='off'/stp='on'/\" >/run/stp.xml; vnetmgr net-define /run/stp.xml; vnetmgr net-start default")
	s.facade(t, "default", "active")
	one, two := s.domain(t, "default", "one"), s.domain(t, "default", "two")

	// What somebody set on a port stays set.
	s.Must(t, "bridge", "link", "set", "dev", "vnet0", "isolated", "on", "mcast_flood", "off")
	back := func(what string) {
		t.Helper()
		began := time.Now()
		lab.Eventually(t, time.Second, what+": domains answer", func() bool {
			return s.Run(t, "ping", "-c", "1", "-W", "1", one.String()).Code == 0 &&
				s.Run(t, "ping", "-c", "1", "-W", "1", two.String()).Code == 0
		})
		t.Logf("%s: domains answer after %v", what, time.Since(began).Round(time.Millisecond))
		port := s.Must(t, "bridge", "-d", "link", "show", "dev", "vnet0")
		if !strings.Contains(port, "isolated on") || !strings.Contains(port, "mcast_flood off") {
			t.Errorf("%s: the port is now %s", what, port)
		}
	}
	s.ctl(t, "net-destroy", "default")
	s.facade(t, "default", "inactive")
	s.ctl(t, "net-start", "default")
	back("net-destroy and net-start")

	s.facade(t, "default", "active")
	s.Must(t, "ip", "link", "delete", "virbr0")
	back("bridge deleted")

	libvirtd.Signal(syscall.SIGSTOP)
	s.ctl(t, "net-destroy", "default")
	s.ctl(t, "net-start", "default")
	back("libvirtd hangs")
	libvirtd.Signal(syscall.SIGCONT)
	s.facade(t, "default", "active")

	p := s.pingFromHost(t, one)
	daemon.Signal(syscall.SIGKILL)
	daemon.Wait(t)
	daemon = s.Daemon(t)
	published := func(n int) {
		t.Helper()
		lab.Eventually(t, 60*time.Second, "the daemon follows libvirt", func() bool {
			return strings.Count(daemon.Log(), "facade published") == n
		})
	}
	published(1)
	libvirtd.Signal(syscall.SIGKILL)
	libvirtd.Wait(t)
	s.Libvirt(t)
	published(2)
	s.facade(t, "default", "active")
	if sent, lost := p.lost(t); lost > 0 {
		t.Errorf("%d of %d pings lost while both daemons were killed and started again", lost, sent)
	}
	for _, args := range [][]string{{"net-dhcp-leases", "default"}, {"domifaddr", "one"}} {
		if out := s.Virsh(t, args...); !strings.Contains(out, one.String()) {
			t.Errorf("virsh %v does not show %s:\n%s", args, one, out)
		}
	}
}
