package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// VM is a computer that QEMU emulates, its network card on a tap of the host.
// Its init takes a lease, looks up names, fetches a page, says on the console
// what it found, line by line, "PASS what" or "FAIL what", and switches off.
type VM struct {
	*Process
	// Tap is the bridge port on the host.
	Tap string
}

// vmInit is what the VM runs. NAME is its own name, LOOKUPS are names to
// resolve, PAGE is a host to fetch a page from.
const vmInit = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "$module"; done </lib/order
say() { echo "$@" >/dev/ttyS0; }
try() {
	what=$1; shift
	if "$@" >/tmp/out 2>&1; then say "PASS $what"; else say "FAIL $what: $(cat /tmp/out)"; failed=1; fi
}
uptime() { cut -d' ' -f1 /proc/uptime; }
failed=
hostname NAME
up=$(uptime)
ip link set eth0 up
try "lease" udhcpc -i eth0 -f -q -n -t 30 -T 1 -x hostname:NAME -s /udhcpc.script
say "TIME link up at $up s, lease at $(uptime) s"
say "ADDR $(ip -4 -o addr show dev eth0 | awk '{print $4}')"
for name in LOOKUPS; do try "resolve $name" nslookup "$name"; done
try "fetch PAGE" timeout 30 wget -O /tmp/page http://PAGE/
say "GOT $(cat /tmp/page)"
try "ping the gateway" ping -c 2 -W 5 "$(ip route | awk '/^default/{print $3}')"
if [ -z "$failed" ]; then say "PASS"; else say "FAIL"; fi
poweroff -f
`

// guestImage is what a VM boots: a kernel and, made for it, an initramfs.
func guestImage(t TB, name string, lookups []string, page string) (image, initrd string) {
	t.Helper()
	image, modules, err := kernel()
	if err != nil {
		t.Fatalf("%v", err)
	}
	init := strings.NewReplacer("NAME", name, "LOOKUPS", strings.Join(lookups, " "), "PAGE", page).Replace(vmInit)
	fs, err := initramfs(modules, init)
	if err != nil {
		t.Fatalf("%v", err)
	}
	initrd = filepath.Join(t.TempDir(), "initramfs")
	if err := os.WriteFile(initrd, fs, 0o644); err != nil {
		t.Fatalf("%v", err)
	}
	return image, initrd
}

// VM starts an emulated guest on the bridge. It looks up the names and fetches
// a page from the host page.
func (h *Host) VM(t TB, bridge, name string, lookups []string, page string) *VM {
	t.Helper()
	image, path := guestImage(t, name, lookups, page)
	n := h.links.Add(1)
	vm := &VM{Tap: fmt.Sprintf("vnet%d", n)}
	h.Script(t, fmt.Sprintf("ip tuntap add dev %[1]s mode tap; ip link set %[1]s master %[2]s up", vm.Tap, bridge))
	vm.Process = h.Start(t, "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-M", "pc", "-m", "256",
		"-nodefaults", "-nographic", "-no-user-config", "-no-reboot", "-serial", "stdio",
		"-kernel", image, "-initrd", path, "-append", "console=ttyS0 quiet panic=-1 tsc=unstable",
		"-netdev", "tap,id=n0,ifname="+vm.Tap+",script=no,downscript=no",
		"-device", fmt.Sprintf("virtio-net-pci,netdev=n0,mac=%s,romfile=", MAC(n)))
	return vm
}

// vmPatience is how long an emulated guest may take from power on to off.
const vmPatience = 3 * time.Minute

// Said waits for the VM to switch off and returns the lines of its console.
func (vm *VM) Said(t TB) []string {
	t.Helper()
	select {
	case <-vm.Done():
	case <-time.After(vmPatience):
		t.Fatalf("the guest is not done; its console:\n%s", vm.Log())
	}
	return strings.FieldsFunc(vm.Log(), func(r rune) bool { return r == '\n' || r == '\r' })
}
