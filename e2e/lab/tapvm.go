package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// leaseLine is what of vmInit asks for an address.
const leaseLine = `try "lease" udhcpc -i eth0 -f -q -n -t 30 -T 1 -x hostname:NAME -s /udhcpc.script`

// bootArgLines do what the kernel's argument ip= says, by the program that does
// so in Debian's initramfs: its kernel does not (CONFIG_IP_PNP).
const bootArgLines = `for word in $(cat /proc/cmdline); do case $word in ip=*) ip=${word#ip=} ;; esac; done
try "ip=" ipconfig -t 10 -d "$ip"
. /run/net-eth0.conf
hostname "$HOSTNAME"
echo "nameserver $IPV4DNS0" >/etc/resolv.conf
say "HOSTNAME $(hostname)"`

// TapVM starts an emulated guest like VM's on a tap of that name that is there,
// as user 65534 without capabilities. bootArg is added to its kernel's command
// line and decides, if it is not "", on its address; else DHCP does.
func (h *Host) TapVM(t TB, tap, mac, name, bootArg string, lookups []string, page string) *VM {
	t.Helper()
	image, modules, err := kernel()
	if err != nil {
		t.Fatalf("%v", err)
	}
	init := strings.NewReplacer("NAME", name, "LOOKUPS", strings.Join(lookups, " "), "PAGE", page).Replace(vmInit)
	if bootArg != "" {
		lease := strings.ReplaceAll(leaseLine, "NAME", name)
		if !strings.Contains(init, lease) {
			t.Fatalf("the init has no line %s", lease)
		}
		init = strings.Replace(init, lease, bootArgLines, 1)
	}
	fs, err := tapInitramfs(modules, init)
	if err != nil {
		t.Fatalf("%v", err)
	}
	// Not a directory of the test's: those are for its user only.
	dir, err := os.MkdirTemp("", "vnetmgr-tapvm-")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	initrd := filepath.Join(dir, "initramfs")
	linux := filepath.Join(dir, "linux")
	err = os.Chmod(dir, 0o755)
	if err == nil {
		err = os.WriteFile(initrd, fs, 0o644)
	}
	if err == nil {
		err = copyFile(linux, image)
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	return &VM{Tap: tap, Process: h.Start(t, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
		"--inh-caps=-all", "--bounding-set=-all", "--no-new-privs",
		"qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-M", "pc", "-m", "256",
		"-nodefaults", "-nographic", "-no-user-config", "-no-reboot", "-serial", "stdio",
		"-kernel", linux, "-initrd", initrd, "-append", "console=ttyS0 quiet panic=-1 tsc=unstable no_timer_check "+bootArg,
		"-netdev", "tap,id=n0,ifname="+tap+",script=no,downscript=no",
		"-device", fmt.Sprintf("virtio-net-pci,netdev=n0,mac=%s,romfile=", mac))}
}

func copyFile(to, from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}

// ipconfig is Debian's, from klibc-utils.
const ipconfig = "/usr/lib/klibc/bin/ipconfig"

// tapInitramfs is initramfs with ipconfig.
func tapInitramfs(modules, init string) ([]byte, error) {
	var a archive
	if err := a.addBase(modules, init, drivers); err != nil {
		return nil, err
	}
	a.add("etc/nsswitch.conf", 0o100644, []byte("hosts: files dns\nservices: files\n"))
	a.add("udhcpc.script", 0o100755, []byte("#!/bin/busybox sh\nexport PATH=/bin\n"+udhcpcScript))
	if err := a.addFile("bin/ipconfig", ipconfig); err != nil {
		return nil, fmt.Errorf("%w: install klibc-utils", err)
	}
	libraries, err := filepath.Glob("/lib/klibc-*.so")
	if err != nil || len(libraries) == 0 {
		return nil, fmt.Errorf("no klibc: %v", err)
	}
	for _, path := range libraries {
		if err := a.addFile(strings.TrimPrefix(path, "/"), path); err != nil {
			return nil, err
		}
	}
	return a.end(), nil
}
