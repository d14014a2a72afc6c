package lab

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
)

// Host is a machine that runs virtual networks.
type Host struct {
	*Machine
	links atomic.Uint32 // guest links made
}

// NewHost starts a host with nothing on it but its loopback link.
func NewHost(t TB) *Host {
	t.Helper()
	return &Host{Machine: NewMachine(t, "kvmhost")}
}

// Link is one end of a cable: a host's bridge port, or a link with no bridge.
type Link struct {
	Host *Host
	Name string // on the host
	MAC  net.HardwareAddr
}

// cable makes a pair of links: name on the host, peer on the machine.
func (h *Host) cable(t TB, name string, to *Machine, peer string, mac net.HardwareAddr) {
	t.Helper()
	args := []string{"ip", "link", "add", name, "type", "veth", "peer", "name", peer}
	if mac != nil {
		args = append(args, "address", mac.String())
	}
	if err := h.netOnly(append(args, "netns", fmt.Sprint(to.pid))...); err != nil {
		t.Fatalf("%v", err)
	}
}

// MAC is the n-th address of the lab's guests, in QEMU's range.
func MAC(n uint32) net.HardwareAddr {
	return net.HardwareAddr{0x52, 0x54, 0x00, byte(n >> 16), byte(n >> 8), byte(n)}
}

// HasLink tells whether the host has a link of that name.
func (h *Host) HasLink(name string) bool {
	err := h.Net(func() error {
		_, err := net.InterfaceByName(name)
		return err
	})
	return err == nil
}

// Rules is the host's whole nftables ruleset, without counters and without the
// flags and comments that nft shows of a table's living owner.
func (h *Host) Rules(t TB) string {
	t.Helper()
	return ownership.ReplaceAllString(h.Must(t, "nft", "-s", "list", "ruleset"), "")
}

var ownership = regexp.MustCompile(`(?m)^\tflags .*\n| # progname .*`)

// Snapshot describes the host's links, addresses, routes, rules and forwarding
// in a form that compares equal if nothing was changed.
func (h *Host) Snapshot(t TB) string {
	t.Helper()
	var b strings.Builder
	for _, cmd := range []string{
		"ip -o link show | sed 's/ qlen [0-9]*//'", "ip -o addr show | sed 's/valid_lft.*//'", "ip route show table all", "ip -6 route show table all",
		"cat /proc/sys/net/ipv4/ip_forward",
	} {
		fmt.Fprintf(&b, "# %s\n%s", cmd, h.Script(t, cmd))
	}
	return b.String() + h.Rules(t)
}

// NeedRoot ends a test that can't make namespaces: as a failure when CI is
// true, so that CI never passes by skipping.
func NeedRoot(t interface {
	TB
	Skipf(format string, args ...any)
}) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") == "true":
		t.Fatalf("needs root to make its machines")
	default:
		t.Skipf("needs root to make its machines")
	}
}
