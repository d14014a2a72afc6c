package lab

import "syscall"

// qemuConf lets libvirtd run QEMU in a machine: as root, without what a
// computer's init would have set up.
const qemuConf = `user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
remember_owner = 0
`

// Libvirt runs the distribution's libvirtd on the host: the behaviour to
// compare with.
func (h *Host) Libvirt(t TB) *Process {
	t.Helper()
	h.WriteFile(t, "/etc/libvirt/libvirtd.conf", "auth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\n", 0o644)
	h.WriteFile(t, "/etc/libvirt/qemu.conf", qemuConf, 0o644)
	p := h.Start(t, "libvirtd")
	Eventually(t, patience, "libvirtd answers", func() bool {
		return h.Run(t, "timeout", "5", "virsh", "-c", "qemu:///system", "version").Code == 0
	})
	return p
}

// Kill kills a program and waits until it has gone.
func (h *Host) Kill(t TB, p *Process) {
	t.Helper()
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatalf("kill: %v", err)
	}
	p.Wait(t)
}
