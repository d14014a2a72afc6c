package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Ways that UEFI's firmware boots over the network.
const (
	PXE4  = "PXE over IPv4"
	PXE6  = "PXE over IPv6"
	HTTP4 = "HTTP over IPv4"
	HTTP6 = "HTTP over IPv6"
)

// UEFI switches on a computer without a disk whose firmware boots by its
// network card. It tries one way first: firmware tries PXE before HTTP, IPv4
// before IPv6, and waits for minutes for each.
func (h *Host) UEFI(t TB, bridge string, cpu CPU, way string) *VM {
	t.Helper()
	n := h.links.Add(1)
	vm := &VM{Tap: fmt.Sprintf("vnet%d", n)}
	h.Script(t, fmt.Sprintf("ip tuntap add dev %[1]s mode tap; ip link set %[1]s master %[2]s up", vm.Tap, bridge))
	args := append(board(t, cpu), "-accel", "tcg", "-m", "512", "-nodefaults", "-nographic", "-no-user-config", "-serial", "stdio",
		"-netdev", "tap,id=n0,ifname="+vm.Tap+",script=no,downscript=no",
		"-device", fmt.Sprintf("virtio-net-pci,netdev=n0,mac=%s,romfile=", MAC(n)))
	for _, other := range []string{PXE4, PXE6} {
		knob := "opt/org.tianocore/IPv" + other[len(other)-1:] + "PXESupport"
		answer := "n"
		if other == way {
			answer = "y"
		}
		args = append(args, "-fw_cfg", "name="+knob+",string="+answer)
	}
	vm.Process = h.Start(t, args...)
	return vm
}

// board is a computer with its firmware, whose settings are in memory.
func board(t TB, cpu CPU) []string {
	t.Helper()
	if cpu.machine == ARM64.machine {
		return []string{"qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57",
			"-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/AAVMF/AAVMF_CODE.fd",
			"-drive", "if=pflash,format=raw,file=" + copied(t, "/usr/share/AAVMF/AAVMF_VARS.fd")}
	}
	return []string{"qemu-system-x86_64", "-M", "q35", "-cpu", "max",
		"-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE.fd",
		"-drive", "if=pflash,format=raw,file=" + copied(t, "/usr/share/OVMF/OVMF_VARS.fd")}
}

// copied is a file that may be written.
func copied(t TB, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: run scripts/deps", err)
	}
	own := filepath.Join(t.TempDir(), filepath.Base(file))
	if err := os.WriteFile(own, content, 0o600); err != nil {
		t.Fatalf("%v", err)
	}
	return own
}

// Says waits until the VM's console has shown a text.
func (vm *VM) Says(t TB, text string, limit time.Duration) bool {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(limit); ; {
		if strings.Contains(vm.Log(), text) {
			return true
		}
		select {
		case <-tick.C:
		case <-vm.Done():
			return strings.Contains(vm.Log(), text)
		case <-timeout:
			return false
		}
	}
}
