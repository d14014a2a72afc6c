package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// testInit runs a test program and switches off.
const testInit = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/sbin:/bin HOME=/tmp CI=true
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "$module"; done </lib/order
/test ARGS >/dev/ttyS0 2>&1
poweroff -f
`

// TestVM runs a test program, given by its path and linked statically, on an
// emulated computer with Debian's kernel, and returns what it printed. modules
// are loaded before; programs are found in the guest's PATH, with the shared
// libraries that they need.
func TestVM(t TB, program string, modules, programs []string, args ...string) string {
	t.Helper()
	image, dir, err := kernel()
	if err != nil {
		t.Fatalf("%v", err)
	}
	fs, err := testInitramfs(dir, program, modules, programs, args)
	if err != nil {
		t.Fatalf("%v", err)
	}
	path := filepath.Join(t.TempDir(), "initramfs")
	if err := os.WriteFile(path, fs, 0o644); err != nil {
		t.Fatalf("%v", err)
	}
	cmd := exec.Command("qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-M", "pc", "-m", "512",
		"-nodefaults", "-nographic", "-no-user-config", "-no-reboot", "-serial", "stdio",
		"-kernel", image, "-initrd", path, "-append", "console=ttyS0 quiet panic=-1 tsc=unstable")
	var console log
	cmd.Stdout, cmd.Stderr = &console, &console
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v", err)
	}
	late := time.AfterFunc(vmPatience, func() { _ = cmd.Process.Kill() }) // it may have ended
	defer late.Stop()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the guest: %v; its console:\n%s", err, console.String())
	}
	return strings.ReplaceAll(console.String(), "\r\n", "\n")
}

func testInitramfs(dir, program string, modules, programs, args []string) ([]byte, error) {
	var a archive
	init := strings.ReplaceAll(testInit, "ARGS", strings.Join(args, " "))
	if err := a.addBase(dir, init, modules); err != nil {
		return nil, err
	}
	if err := a.addFile("test", program); err != nil {
		return nil, err
	}
	a.add("sbin", 0o40755, nil) // before busybox's /bin
	libraries := make(map[string]bool)
	for _, name := range programs {
		path, err := exec.LookPath(name)
		if err != nil {
			return nil, err
		}
		if err := a.addFile("sbin/"+name, path); err != nil {
			return nil, err
		}
		needs, err := sharedLibraries(path)
		if err != nil {
			return nil, err
		}
		for _, l := range needs {
			libraries[l] = true
		}
	}
	if err := a.addLibraries(libraries); err != nil {
		return nil, err
	}
	return a.end(), nil
}

func (a *archive) addFile(name, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	a.add(name, 0o100755, content)
	return nil
}

// addLibraries adds files at the paths that the loader looks for them.
func (a *archive) addLibraries(paths map[string]bool) error {
	made := map[string]bool{"lib": true}
	for path := range paths {
		name := strings.TrimPrefix(path, "/")
		for i, c := range name {
			if dir := name[:i]; c == '/' && !made[dir] {
				made[dir] = true
				a.add(dir, 0o40755, nil)
			}
		}
		if err := a.addFile(name, path); err != nil {
			return err
		}
	}
	return nil
}

var libraryPath = regexp.MustCompile(`/\S+\.so\S*`)

// sharedLibraries lists the files that the loader loads for a program.
func sharedLibraries(path string) ([]string, error) {
	out, err := exec.Command("ldd", path).Output()
	if err != nil {
		return nil, fmt.Errorf("ldd %s: %w", path, err)
	}
	return libraryPath.FindAllString(string(out), -1), nil
}
