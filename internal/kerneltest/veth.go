package kerneltest

import (
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Veth joins two namespaces by a pair of veth links, name in ns and peerName
// in peer (which may be ns itself), and sets both up.
func (ns *NS) Veth(t testing.TB, name string, peer *NS, peerName string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = peerName, netlink.NsFd(peer.Fd())
	ns.handle(t, func(h *netlink.Handle) error { return h.LinkAdd(veth) })
	ns.up(t, name)
	peer.up(t, peerName)
}

// up sets a link up.
func (ns *NS) up(t testing.TB, name string) {
	t.Helper()
	ns.handle(t, func(h *netlink.Handle) error {
		link, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		return h.LinkSetUp(link)
	})
}

// handle calls f with a netlink socket of the namespace and fails the test if
// f fails.
func (ns *NS) handle(t testing.TB, f func(*netlink.Handle) error) {
	t.Helper()
	var h *netlink.Handle
	var err error
	ns.Do(func() { h, err = netlink.NewHandle(unix.NETLINK_ROUTE) })
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := f(h); err != nil {
		t.Fatal(err)
	}
}
