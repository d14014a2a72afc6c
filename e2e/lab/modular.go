package lab

import (
	"strings"
	"syscall"
)

// tcScript stands for tc on a host whose kernel has neither the sfq queue nor
// the fw classifier nor the csum action, without which libvirt sets no limits:
// these are left out, and all else is done.
const tcScript = `#!/bin/sh
case "$*" in
*" sfq "*|*" action csum "*|*" fw flowid "*) exit 0 ;;
esac
exec /usr/sbin/tc "$@"
`

// Virtnetworkd starts libvirt's own network daemon on the host, whose tree must
// have it, and waits until it answers.
func (h *Host) Virtnetworkd(t TB) *Process {
	t.Helper()
	return h.modular(t, "virtnetworkd", "network")
}

// FirewallBackend sets with what virtnetworkd makes its rules: nftables or
// iptables.
func (h *Host) FirewallBackend(t TB, backend string) {
	t.Helper()
	h.WriteFile(t, "/etc/libvirt/network.conf", "firewall_backend = \""+backend+"\"\n", 0o644)
}

// Virtqemud starts libvirt's QEMU daemon on the host, whose tree must have it,
// and waits until it answers. Domains of an earlier one are known again.
func (h *Host) Virtqemud(t TB) *Process {
	t.Helper()
	h.WriteFile(t, "/etc/libvirt/qemu.conf", qemuConf, 0o644)
	return h.modular(t, "virtqemud", "qemu")
}

// modular starts one of libvirt's modular daemons, the one of a driver.
func (h *Host) modular(t TB, daemon, driver string) *Process {
	t.Helper()
	h.Script(t, "mkdir -p /run/bin")
	h.WriteFile(t, "/run/bin/tc", tcScript, 0o755)
	h.WriteFile(t, "/etc/libvirt/"+daemon+".conf", "auth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\n", 0o644)
	p := h.Start(t, "env", "PATH=/run/bin:/usr/sbin:/usr/bin:/sbin:/bin", "/usr/sbin/"+daemon)
	Eventually(t, patience, daemon+" answers", func() bool {
		select {
		case <-p.Done():
			t.Fatalf("%s ended:\n%s", daemon, p.Log())
		default:
		}
		return h.Run(t, "virsh", "-c", driver+":///system", "uri").Code == 0
	})
	return p
}

// Stop ends a daemon with SIGTERM.
func (p *Process) Stop(t TB) {
	t.Helper()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	p.Wait(t)
}

// Kill ends a program with SIGKILL.
func (p *Process) Kill(t TB) {
	t.Helper()
	if err := p.Signal(syscall.SIGKILL); err != nil && !strings.Contains(err.Error(), "already finished") {
		t.Fatalf("%s: %v", p.name, err)
	}
	p.Wait(t)
}
