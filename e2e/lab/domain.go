package lab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Domain is a guest of libvirt's, emulated by QEMU, that takes a lease on each
// of its network cards and then does nothing.
type Domain struct {
	Name string
	MAC  net.HardwareAddr
	host *Host
	log  string // its console
}

// domainInit is what a domain runs: a DHCP client for every link there is or
// that is plugged in.
const domainInit = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "$module"; done </lib/order
hostname NAME
i=0
while [ $i -lt 4 ]; do
	(
		while ! ip link set eth$i up 2>/dev/null; do sleep 1; done
		udhcpc -i eth$i -f -t 30 -T 1 -A 1 -x hostname:NAME -s /udhcpc.script
	) >/dev/null 2>&1 &
	i=$((i + 1))
done
echo UP >/dev/ttyS0
while :; do sleep 60; done
`

// domainXML is a domain that QEMU emulates without hardware support.
const domainXML = `<domain type='qemu'>
  <name>NAME</name>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type>
    <kernel>KERNEL</kernel><initrd>INITRD</initrd><cmdline>console=ttyS0 quiet panic=-1 tsc=unstable</cmdline></os>
  <features><acpi/></features>
  <cpu mode='custom'><model>qemu64</model></cpu>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <serial type='file'><source path='LOG'/></serial>
    <interface type='network'><mac address='MAC'/><source network='NETWORK'/><model type='virtio'/><rom enabled='no'/></interface>
    <memballoon model='none'/>
  </devices>
</domain>
`

// Virsh runs virsh against the host's libvirt; it has to succeed.
func (h *Host) Virsh(t TB, args ...string) string {
	t.Helper()
	return h.Must(t, append([]string{"virsh", "-c", "qemu:///system"}, args...)...)
}

// Domain defines and starts a domain with a card on a network of libvirt's.
func (h *Host) Domain(t TB, network, name string) *Domain {
	t.Helper()
	image, initrd := DomainImage(t, name)
	d := &Domain{Name: name, MAC: MAC(h.links.Add(1)), host: h, log: filepath.Join(filepath.Dir(initrd), "console")}
	doc := strings.NewReplacer("NAME", name, "KERNEL", image, "INITRD", initrd, "LOG", d.log,
		"MAC", d.MAC.String(), "NETWORK", network).Replace(domainXML)
	h.WriteFile(t, "/run/"+name+".xml", doc, 0o644)
	h.Virsh(t, "define", "/run/"+name+".xml")
	h.Virsh(t, "start", name)
	return d
}

// DomainImage is what a Domain boots: a kernel and, made for it, an initramfs.
func DomainImage(t TB, name string) (image, initrd string) {
	t.Helper()
	image, modules, err := kernel()
	if err != nil {
		t.Fatalf("%v", err)
	}
	fs, err := initramfs(modules, strings.ReplaceAll(domainInit, "NAME", name))
	if err != nil {
		t.Fatalf("%v", err)
	}
	dir := t.TempDir()
	image = copyImage(t, image, dir)
	initrd = filepath.Join(dir, "initramfs")
	if err := os.WriteFile(initrd, fs, 0o644); err != nil {
		t.Fatalf("%v", err)
	}
	return image, initrd
}

// copyImage copies a kernel to where a host with other programs sees it.
func copyImage(t TB, image, dir string) string {
	t.Helper()
	to := filepath.Join(dir, "kernel")
	text, err := os.ReadFile(image)
	if err == nil {
		err = os.WriteFile(to, text, 0o644)
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	return to
}

// Addr waits until the domain answers at an address that lease is asked for,
// and returns it.
func (d *Domain) Addr(t TB, lease func() (netip.Addr, bool)) netip.Addr {
	t.Helper()
	var addr netip.Addr
	Eventually(t, vmPatience, fmt.Sprintf("domain %s answers", d.Name), func() bool {
		var ok bool
		if addr, ok = lease(); !ok {
			return false
		}
		return d.host.Run(t, "ping", "-c", "1", "-W", "1", addr.String()).Code == 0
	})
	return addr
}
