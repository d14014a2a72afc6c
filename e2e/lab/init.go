package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// initName is the argument 0 under which the program is a machine's init.
const initName = "lab-init"

// Main returns at once, unless the process is the init of a machine: then it
// sets the machine up, says "ready" or what went wrong on standard output, and
// lives until standard input closes. The kernel then kills whatever still runs
// on the machine, so a machine cannot outlive the program that made it.
func Main() {
	if os.Args[0] != initName {
		// Goroutines that enter a machine end with their thread, which the
		// main thread can't: keep them off it.
		runtime.LockOSThread()
		return
	}
	if err := setUp(os.Args[1], os.Args[2]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	go reap()
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// setUp gives a process in fresh namespaces its own view of files and devices:
// of this computer's, or of those in tree if it is not "".
func setUp(hostname, tree string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if tree != "" {
		if err := moveInto(tree); err != nil {
			return err
		}
	}
	if err := mountAll(); err != nil {
		return err
	}
	if err := forget(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(hostname)); err != nil {
		return fmt.Errorf("set hostname %s: %w", hostname, err)
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("set lo up: %w: %s", err, out)
	}
	// A new network namespace copies this from the first one, where another
	// program may have set it.
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("0"), 0o644)
}

// mountAll mounts what a machine has to itself.
func mountAll() error {
	mounts := []struct{ kind, target, data string }{
		{"proc", "/proc", ""},
		{"sysfs", "/sys", ""},
		{"tmpfs", "/sys/fs/cgroup", ""},
		{"tmpfs", "/run", "mode=755"},
		{"overlay", "/etc", layers("/etc")},
		{"overlay", "/var", layers("/var")},
	}
	for _, m := range mounts {
		if m.kind == "overlay" {
			if err := makeLayers(m.target); err != nil {
				return err
			}
		}
		if err := unix.Mount(m.kind, m.target, m.kind, 0, m.data); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.kind, m.target, err)
		}
	}
	for _, dir := range []string{"/run/lock", "/run/dbus"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func layers(dir string) string {
	return fmt.Sprintf("lowerdir=%s,upperdir=/run/.lab%s/upper,workdir=/run/.lab%s/work", dir, dir, dir)
}

func makeLayers(dir string) error {
	return errors.Join(
		os.MkdirAll("/run/.lab"+dir+"/upper", 0o755),
		os.MkdirAll("/run/.lab"+dir+"/work", 0o755))
}

// forget removes what earlier programs left in the machine's copy of the
// directories that the programs under test keep state in.
func forget() error {
	patterns := []string{
		"/etc/vnetmgr", "/var/lib/vnetmgr",
		"/var/lib/libvirt/dnsmasq/*", "/etc/libvirt/qemu/networks/autostart/*",
		"/var/lib/dhcp/*", "/var/lib/dhcpcd/*", "/var/lib/kea/*", "/etc/resolv.conf",
	}
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("remove an earlier %s: %w", path, err)
			}
		}
	}
	return nil
}

// reap waits for the orphans that an init inherits.
func reap() {
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(-1, &status, 0, nil)
		if errors.Is(err, unix.ECHILD) {
			// Nothing to wait for yet: sleep until a child could exist.
			unix.Poll(nil, 50)
		}
	}
}

// sentence is the first line of what an init said, without its end.
func sentence(said string) string {
	line, _, _ := strings.Cut(said, "\n")
	return strings.TrimSpace(line)
}
