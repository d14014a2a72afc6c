package e2e

import (
	_ "embed"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// The scripts are run by Debian's Python, which has libvirt's and
// virt-manager's modules.
const python = "/usr/bin/python3"

//go:embed testdata/libvirtclient.py
var libvirtClient string

//go:embed testdata/virtmanager.py
var virtManager string

func TestPythonClientsFindWhatLibvirtGivesThem(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	s.WriteFile(t, "/run/client.py", libvirtClient, 0o644)
	if out := s.Must(t, python, "/run/client.py", "network:///system"); !strings.Contains(out, "PASS") {
		t.Errorf("the client said %s", out)
	}
}

// TestVirtManagerDrivesNetworks has virt-manager's own code make a network
// with its wizard, stop, start, rename and delete it: on our socket, as behind
// virtqemud, and on a libvirtd whose networks we show and adopt.
func TestVirtManagerDrivesNetworks(t *testing.T) {
	s := newSite(t)
	s.Script(t, "rm -f /etc/libvirt/qemu/networks/*.xml; mkdir -p /etc/vnetmgr; echo 'adopt_new = true' >/etc/vnetmgr/vnetmgr.conf")
	s.Libvirt(t)
	s.Daemon(t)
	s.WriteFile(t, "/run/virtmanager.py", virtManager, 0o644)
	s.Start(t, "unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /tmp; exec Xvfb :7 -screen 0 800x600x16 -nolisten tcp -displayfd 1")
	for _, how := range []string{"relay", "facade"} {
		p := s.Start(t, "env", "DISPLAY=:7", "HOME=/run/home", python, "/run/virtmanager.py", how)
		if code := p.Wait(t); code != 0 || !strings.Contains(p.Log(), "PASS") {
			t.Errorf("%s: exit status %d:\n%s", how, code, p.Log())
		}
	}
}

// virtInstall installs a guest on the network default, as virt-install's users
// do, and waits until it answers at the address that libvirtd says it has.
func (s *site) virtInstall(t *testing.T, name string) (netip.Addr, net.HardwareAddr) {
	t.Helper()
	kernel, initrd := lab.DomainImage(t, name)
	mac := lab.MAC(99)
	s.Must(t, "virt-install", "--connect", "qemu:///system", "--name", name, "--memory", "128", "--vcpus", "1",
		"--virt-type", "qemu", "--osinfo", "detect=off,require=off", "--import", "--disk", "none", "--graphics", "none", "--noautoconsole",
		"--network", "network=default,model=virtio,mac="+mac.String(),
		"--boot", "kernel="+kernel+",initrd="+initrd+",kernel_args=console=ttyS0 quiet panic=-1 tsc=unstable")
	var addr netip.Addr
	lab.Eventually(t, 3*time.Minute, "the guest answers", func() bool {
		for line := range strings.Lines(s.Virsh(t, "net-dhcp-leases", "default")) {
			if strings.Contains(line, mac.String()) {
				p, err := netip.ParsePrefix(strings.Fields(line)[4])
				addr = p.Addr()
				return err == nil && s.Run(t, "ping", "-c", "1", "-W", "1", addr.String()).Code == 0
			}
		}
		return false
	})
	return addr, mac
}
