package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// BootFiles puts what a computer without a disk boots into a directory that a
// TFTP server serves: an iPXE script boot.ipxe, and the kernel and file system
// that it loads from where it came itself. The guest then does what VM's does.
func (h *Host) BootFiles(t TB, dir, name string, lookups []string, page string) {
	t.Helper()
	image, modules, err := kernel()
	if err != nil {
		t.Fatalf("%v", err)
	}
	linux, err := os.ReadFile(image)
	if err != nil {
		t.Fatalf("%v", err)
	}
	init := strings.NewReplacer("NAME", name, "LOOKUPS", strings.Join(lookups, " "), "PAGE", page).Replace(vmInit)
	fs, err := initramfs(modules, init)
	if err != nil {
		t.Fatalf("%v", err)
	}
	const script = `#!ipxe
kernel linux console=ttyS0 quiet panic=-1 tsc=unstable initrd=initramfs
initrd initramfs
boot
`
	for file, content := range map[string][]byte{"linux": linux, "initramfs": fs, "boot.ipxe": []byte(script)} {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil {
			t.Fatalf("%v", err)
		}
	}
}

// Diskless switches on a computer that boots by its network card, with the
// ROM that QEMU comes with: iPXE.
func (h *Host) Diskless(t TB, bridge string, args ...string) *VM {
	t.Helper()
	n := h.links.Add(1)
	vm := &VM{Tap: fmt.Sprintf("vnet%d", n)}
	h.Script(t, fmt.Sprintf("ip tuntap add dev %[1]s mode tap; ip link set %[1]s master %[2]s up", vm.Tap, bridge))
	vm.Process = h.Start(t, append([]string{"qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-M", "pc", "-m", "512",
		"-nodefaults", "-nographic", "-no-user-config", "-no-reboot", "-serial", "stdio", "-boot", "n",
		"-netdev", "tap,id=n0,ifname=" + vm.Tap + ",script=no,downscript=no",
		"-device", fmt.Sprintf("virtio-net-pci,netdev=n0,mac=%s", MAC(n))}, args...)...)
	return vm
}
