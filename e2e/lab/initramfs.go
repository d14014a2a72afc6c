package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// drivers are the modules that a guest needs to reach its network card.
var drivers = []string{"virtio_pci", "virtio_net"}

// kernel finds Debian's cloud kernel and its modules: installed, or unpacked in
// the user's cache by scripts/deps.
func kernel() (image, modules string, err error) {
	roots := []string{""}
	if cache, err := os.UserCacheDir(); err == nil {
		roots = append(roots, cache+"/vnetmgr/kernel")
	}
	for _, root := range roots {
		images, err := filepath.Glob(root + "/boot/vmlinuz-*-cloud-*")
		if err != nil {
			return "", "", err
		}
		for _, image := range slices.Backward(images) {
			modules := root + "/lib/modules/" + strings.TrimPrefix(image, root+"/boot/vmlinuz-")
			if _, err := os.Stat(modules + "/modules.dep"); err == nil {
				return image, modules, nil
			}
		}
	}
	return "", "", errors.New("no cloud kernel with its modules: run scripts/deps test")
}

// initramfs is a guest's whole file system: busybox, the drivers and an init.
func initramfs(modules, init string) ([]byte, error) {
	var a archive
	if err := a.addBase(modules, init, drivers); err != nil {
		return nil, err
	}
	// Without it the C library loads plugins, which a static program can't.
	a.add("etc/nsswitch.conf", 0o100644, []byte("hosts: files dns\nservices: files\n"))
	a.add("udhcpc.script", 0o100755, []byte("#!/bin/busybox sh\nexport PATH=/bin\n"+udhcpcScript))
	return a.end(), nil
}

// addBase adds what every guest has: busybox, an init, and the drivers with
// the list /lib/order of their files.
func (a *archive) addBase(modules, init string, drivers []string) error {
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return fmt.Errorf("%w: install busybox-static", err)
	}
	deps, err := os.ReadFile(modules + "/modules.dep")
	if err != nil {
		return err
	}
	for _, dir := range []string{"bin", "dev", "etc", "lib", "proc", "run", "sys", "tmp"} {
		a.add(dir, 0o40755, nil)
	}
	a.add("bin/busybox", 0o100755, busybox)
	a.add("init", 0o100755, []byte(init))
	var order bytes.Buffer
	for _, path := range inOrder(string(deps), drivers) {
		module, err := os.ReadFile(modules + "/" + path)
		if err != nil {
			return err
		}
		a.add("lib/"+filepath.Base(path), 0o100644, module)
		fmt.Fprintf(&order, "/lib/%s\n", filepath.Base(path))
	}
	a.add("lib/order", 0o100644, order.Bytes())
	return nil
}

// inOrder lists the files of the named modules and of what they depend on, in
// the order to load them. A line of modules.dep is "FILE: FILE…", where the
// last one named is to be loaded first.
func inOrder(dep string, names []string) []string {
	lines := make(map[string][]string)
	for line := range strings.Lines(dep) {
		file, needs, _ := strings.Cut(line, ":")
		name := strings.TrimSuffix(filepath.Base(file), ".ko")
		lines[name] = append([]string{file}, strings.Fields(needs)...)
	}
	var order []string
	seen := make(map[string]bool)
	for _, name := range names {
		files := lines[name]
		for i := len(files) - 1; i >= 0; i-- {
			if !seen[files[i]] {
				seen[files[i]] = true
				order = append(order, files[i])
			}
		}
	}
	return order
}

// archive is a cpio archive in the format that the kernel unpacks at boot
// ("newc": a header of hexadecimal numbers, the name and the content, each
// padded to four bytes).
type archive struct {
	buf   bytes.Buffer
	inode int
}

// add adds an entry; mode has the file's type as in stat(2).
func (a *archive) add(name string, mode uint32, content []byte) {
	a.inode++
	fmt.Fprintf(&a.buf, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	a.buf.WriteString(name + "\x00")
	a.pad()
	a.buf.Write(content)
	a.pad()
}

func (a *archive) pad() {
	for a.buf.Len()%4 != 0 {
		a.buf.WriteByte(0)
	}
}

// end completes the archive.
func (a *archive) end() []byte {
	a.add("TRAILER!!!", 0, nil)
	return a.buf.Bytes()
}
