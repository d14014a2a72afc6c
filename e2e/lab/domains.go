package lab

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Domains is libvirt's QEMU driver on a host, unmodified and in a process of
// its own, where it does what it does in virtqemud: it has no network driver
// beside it and asks the daemon on virtnetworkd's socket.
type Domains struct {
	*Process
	host *Host
}

// The driver's directory on the host, and the FIFO that it reads virsh's
// commands from.
const (
	domainsRoot     = "/run/domains"
	domainsCommands = domainsRoot + "/commands"
)

// domainsConf turns off what needs more of a host than the lab's have.
const domainsConf = `security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
`

// Domains starts the driver. Domains that it knew when it was killed are known
// again.
func (h *Host) Domains(t TB) *Domains {
	t.Helper()
	h.Script(t, "mkdir -p "+domainsRoot+"/etc; rm -f "+domainsCommands+"; mkfifo "+domainsCommands)
	h.WriteFile(t, domainsRoot+"/etc/qemu.conf", domainsConf, 0o644)
	d := &Domains{host: h}
	// Opened for reading and writing, the FIFO never ends.
	d.Process = h.Start(t, "sh", "-c", fmt.Sprintf("exec virsh -c 'qemu:///embed?root=%s' <>%s", domainsRoot, domainsCommands))
	Eventually(t, patience, "the QEMU driver answers", func() bool { return strings.Contains(d.Log(), "virsh #") })
	return d
}

// Virsh gives the driver a command and waits until it has said the answer,
// which can be but a part.
func (d *Domains) Virsh(t TB, answer, command string) {
	t.Helper()
	before := len(d.Log())
	d.host.Script(t, fmt.Sprintf("echo %q >%s", command, domainsCommands))
	Eventually(t, patience, command+" to say "+answer, func() bool { return strings.Contains(d.Log()[before:], answer) })
}

// Kill kills the driver; its domains run on.
func (d *Domains) Kill(t TB) {
	t.Helper()
	if err := d.Signal(syscall.SIGKILL); err != nil {
		t.Fatalf("kill the QEMU driver: %v", err)
	}
	d.Wait(t)
}

// Console is what the domain called name wrote to its serial line.
func (h *Host) Console(name string) string {
	text, err := h.ReadFile(domainsRoot + "/" + name + ".console")
	if err != nil && !os.IsNotExist(err) {
		return err.Error()
	}
	return string(text)
}

// DomainXML describes a domain with an interface on a network. Without an os
// it runs its firmware only.
func DomainXML(name, os, network, mac string) string {
	return fmt.Sprintf(`<domain type='qemu'>
  <name>%[1]s</name>
  <memory unit='MiB'>256</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type>%[2]s</os>
  <features><acpi/></features>
  <cpu mode='maximum'/>
  <on_reboot>destroy</on_reboot>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <serial type='file'><source path='%[5]s/%[1]s.console'/></serial>
    <interface type='network'>
      <mac address='%[4]s'/>
      <source network='%[3]s'/>
      <model type='virtio'/>
      <rom enabled='no'/>
    </interface>
    <memballoon model='none'/>
  </devices>
</domain>
`, name, os, network, mac, domainsRoot)
}

// GuestOS is the <os> of a domain that does what a VM does.
func GuestOS(t TB, name string, lookups []string, page string) string {
	t.Helper()
	image, initrd := guestImage(t, name, lookups, page)
	return fmt.Sprintf("<kernel>%s</kernel><initrd>%s</initrd><cmdline>console=ttyS0 quiet panic=-1 tsc=unstable</cmdline>", image, initrd)
}
