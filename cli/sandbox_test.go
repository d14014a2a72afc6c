package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inSandbox is set in the process that enterSandbox started.
const inSandbox = "VNETMGR_TEST_SANDBOX"

// enterSandbox runs the calling test again in namespaces of its own, with a
// private /run, /etc/libvirt and /var/lib/libvirt, as root, and reports
// whether the caller is that second run. All processes started there end
// with it. programs must be installed.
func enterSandbox(t *testing.T, programs ...string) (inside bool) {
	t.Helper()
	if os.Getenv(inSandbox) != "" {
		if err := mountSandbox(); err != nil {
			t.Fatal(err)
		}
		return true
	}
	if why := sandboxMissing(programs); why != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.timeout=120s", fmt.Sprintf("-test.v=%t", testing.Verbose()))
	cmd.Env = append(os.Environ(), inSandbox+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("in the sandbox: %v\n%s", err, &out)
	} else {
		t.Log(out.String())
	}
	return false
}

// sandboxMissing says what keeps a sandbox from being made.
func sandboxMissing(programs []string) string {
	uids, err := os.ReadFile("/proc/self/uid_map")
	if os.Geteuid() != 0 || err != nil || !strings.Contains(string(uids), "4294967295") {
		return "real root is needed to run libvirtd in a namespace"
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			return p + " is not installed"
		}
	}
	return ""
}

// mountSandbox mounts what a libvirtd touches.
func mountSandbox() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	for _, m := range []struct{ kind, dir string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/sys/fs/cgroup"}, {"tmpfs", "/run"},
		{"tmpfs", "/etc/libvirt"}, {"tmpfs", "/var/lib/libvirt"}, {"tmpfs", "/var/log/libvirt"},
	} {
		if err := unix.Mount(m.kind, m.dir, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.kind, m.dir, err)
		}
	}
	for _, dir := range []string{"/run/lock", "/run/dbus", "/run/libvirt", "/var/lib/libvirt/dnsmasq", "/var/lib/libvirt/images", "/var/lib/libvirt/qemu", "/var/lib/libvirt/boot", "/var/lib/libvirt/network"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return exec.Command("ip", "link", "set", "lo", "up").Run()
}
