package e2e

import (
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)
func TestVM(t *testing.T) {
	h := lab.NewHost(t)
	h.Uplink(t)
	h.Libvirt(t)
	h.Must(t, "virsh", "-c", "qemu:///system", "net-start", "default")
	vm := h.VM(t, "virbr0", "vm1", []string{"www.example.net", "vm1"}, "www.example.net")
	t.Log(strings.Join(vm.Said(t),"\n"))
}
