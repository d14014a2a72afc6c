package e2e

import (
	"testing"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// The lab itself is right if libvirt's network works in it.
func TestLibvirtServesTheLab(t *testing.T) {
	lab.NeedRoot(t)
	h := lab.NewHost(t)
	h.Uplink(t)
	h.Libvirt(t)
	h.Must(t, "virsh", "-c", "qemu:///system", "net-start", "default")
	g := h.Guest(t, "virbr0", "one")
	addr, ok := g.Udhcpc(t)
	if !ok {
		t.Fatal("no lease")
	}
	t.Log(addr, g.Fetch(t, "www.example.net"))
	t.Log(h.Must(t, "virsh", "-c", "qemu:///system", "net-dhcp-leases", "default"))
	t.Log(g.Resolve(t, "one"))
}

func TestClients(t *testing.T) {
	h := lab.NewHost(t)
	h.Uplink(t)
	h.Libvirt(t)
	h.Must(t, "virsh", "-c", "qemu:///system", "net-start", "default")
	d := h.Guest(t, "virbr0", "two")
	t.Log(d.Dhclient(t))
	t.Log(d.Fetch(t, "www.example.net"))
	c := h.Guest(t, "virbr0", "three")
	t.Log(c.Dhcpcd(t))
	t.Log(c.Fetch(t, "www.example.net"))
	t.Log(c.Resolve(t, "two"))
	t.Log(h.Must(t, "virsh", "-c", "qemu:///system", "net-dhcp-leases", "default"))
	t.Log(h.Run(t, "virsh", "-c", "network:///system", "net-list", "--all"))
	t.Log(h.Snapshot(t))
}
