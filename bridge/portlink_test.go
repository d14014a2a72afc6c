package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

var guestMAC = mac("52:54:00:00:00:07")

func (h host) makePort(want bridge.PortLink) (err error) {
	h.Do(func() { err = h.conn.MakePort(context.Background(), want) })
	return err
}

func (h host) applyPort(t *testing.T, want bridge.PortLink) {
	t.Helper()
	var err error
	h.Do(func() { err = h.conn.ApplyPort(context.Background(), want) })
	if err != nil {
		t.Fatal(err)
	}
}

func (h host) removePort(t *testing.T, want bridge.PortLink) {
	t.Helper()
	var err error
	h.Do(func() { err = h.conn.RemovePort(context.Background(), want) })
	if err != nil {
		t.Fatal(err)
	}
}

// openTap opens a tap as a virtual machine monitor does, as user uid without
// any capability.
func (h host) openTap(name string, uid int, flags uint16) (err error) {
	h.Do(func() {
		f, openErr := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
		if openErr != nil {
			err = openErr
			return
		}
		defer f.Close()
		// Of this thread only, which ends with the namespace's use.
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			err = errno
			return
		}
		req := struct {
			name  [16]byte
			flags uint16
			_     [22]byte
		}{flags: flags}
		copy(req.name[:], name)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.TUNSETIFF, uintptr(unsafe.Pointer(&req))); errno != 0 {
			err = errno
		}
	})
	return err
}

// Firecracker opens taps like this (src/vmm/src/devices/virtio/net/tap.rs).
const firecrackerFlags = unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR

func tapPort() bridge.PortLink {
	return bridge.PortLink{Name: "fc0", Bridge: "virbr0", Owner: "port-1", MAC: guestMAC, MTU: 1400,
		Tap: &bridge.Tap{User: new(uint32(1234))}}
}

func TestTapIsForItsUserOnly(t *testing.T) {
	h := newHost(t)
	h.apply(t, nat())
	if err := h.makePort(tapPort()); err != nil {
		t.Fatal(err)
	}
	if err := h.openTap("fc0", 4321, firecrackerFlags); !errors.Is(err, unix.EPERM) {
		t.Errorf("another user opens the tap: %v", err)
	}
	if err := h.openTap("fc0", 1234, firecrackerFlags|unix.IFF_MULTI_QUEUE); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a tap with one queue is opened with many: %v", err)
	}
	if err := h.openTap("fc0", 1234, firecrackerFlags); err != nil {
		t.Errorf("its user cannot open the tap: %v", err)
	}
	var info bridge.TapInfo
	var err error
	h.Do(func() { info, err = h.conn.Tap(context.Background(), "fc0") })
	info.Index = 0
	want := bridge.TapInfo{Tap: bridge.Tap{User: new(uint32(1234)), VNetHdr: true}, Bridge: "virbr0", Owner: "port-1"}
	if diff := cmp.Diff(want, info); err != nil || diff != "" {
		t.Errorf("(-want +got):\n%s%v", diff, err)
	}
}

// port is what iproute2 says of a link.
type portState struct {
	Master string `json:"master"`
	MTU    int    `json:"mtu"`
	MAC    string `json:"address"`
	State  string
	Flags  []string `json:"flags"`
	Info   struct {
		Slave struct {
			Isolated bool   `json:"isolated"`
			State    string `json:"state"`
		} `json:"info_slave_data"`
	} `json:"linkinfo"`
}

func (h host) portState(t *testing.T, name string) portState {
	t.Helper()
	var links []portState
	if err := json.Unmarshal([]byte(h.Run(t, "ip -j -d link show dev "+name)), &links); err != nil || len(links) != 1 {
		t.Fatalf("%d links: %v", len(links), err)
	}
	return links[0]
}

func TestPortForwardsAtOnceWithWhatIsWanted(t *testing.T) {
	h := newHost(t)
	h.apply(t, nat()) // with STP on
	want := tapPort()
	want.Isolated = true
	if err := h.makePort(want); err != nil {
		t.Fatal(err)
	}
	ns := kerneltest.New(t)
	veth := bridge.PortLink{Name: "v0", Bridge: "virbr0", Owner: "port-2", MAC: guestMAC, Namespace: openNS(t, ns),
		Guest: bridge.GuestLink{Name: "eth0", MAC: guestMAC}}
	if err := h.makePort(veth); err != nil {
		t.Fatal(err)
	}
	tap := h.portState(t, "fc0")
	if tap.Master != "virbr0" || tap.MTU != 1400 || tap.MAC != "fe:54:00:00:00:07" || !tap.Info.Slave.Isolated {
		t.Errorf("port %+v", tap)
	}
	if got := h.portState(t, "v0").Info.Slave.State; got != "forwarding" {
		t.Errorf("the port of a bridge with STP is %s", got)
	}
	h.Run(t, "ip link set fc0 nomaster; bridge link set dev v0 isolated on")
	h.applyPort(t, want)
	h.applyPort(t, bridge.PortLink{Name: "v0", Bridge: "virbr0", Owner: "port-2", MAC: guestMAC})
	if tap := h.portState(t, "fc0"); tap.Master != "virbr0" || !tap.Info.Slave.Isolated {
		t.Errorf("not put back: %+v", tap)
	}
	if h.portState(t, "v0").Info.Slave.Isolated {
		t.Error("the other port is isolated")
	}
}

func TestApplyingAPortAgainChangesNothing(t *testing.T) {
	h := newHost(t)
	h.apply(t, nat())
	want := tapPort()
	want.Isolated = true
	if err := h.makePort(want); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var events <-chan bridge.Event
	var err error
	h.Do(func() { events, err = h.conn.Events(ctx) })
	if err != nil {
		t.Fatal(err)
	}
	h.applyPort(t, want)
	h.Run(t, "ip link add marker type veth peer name marker2")
	e := <-events
	if !strings.HasPrefix(e.Link, "marker") {
		t.Errorf("event %+v", e)
	}
	cancel()
	for range events {
	}
}

func TestRemovedPortsGoIfWeMadeThem(t *testing.T) {
	h := newHost(t)
	h.apply(t, nat())
	h.Run(t, "ip tuntap add theirs mode tap; ip link add eth7 type veth peer name eth8")
	theirs := bridge.PortLink{Name: "theirs", Bridge: "virbr0", Owner: "port-3", MAC: guestMAC,
		Bandwidth: &bridge.Bandwidth{Inbound: &bridge.Rate{Average: 100000}}}
	for _, p := range []bridge.PortLink{tapPort(), theirs} {
		if err := h.makePort(p); err != nil {
			t.Fatal(err)
		}
	}
	if out := h.Run(t, "tc qdisc show dev theirs"); !strings.Contains(out, "htb 1:") {
		t.Errorf("no limit: %s", out)
	}
	if diff := cmp.Diff([]string{"fc0", "theirs"}, h.ports(t, "virbr0")); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	stranger := tapPort()
	stranger.Name, stranger.Owner = "eth7", "port-9"
	for _, p := range []bridge.PortLink{tapPort(), theirs, stranger, tapPort()} {
		h.removePort(t, p)
	}
	left := h.Run(t, "ip -o link show type tun; ip -o link show type veth; tc qdisc show dev theirs")
	if strings.Contains(left, "fc0") || !strings.Contains(left, "theirs") || !strings.Contains(left, "eth7") ||
		strings.Contains(left, "master virbr0") || strings.Contains(left, "htb") {
		t.Errorf("left:\n%s", left)
	}
}

// ports lists a bridge's ports.
func (h host) ports(t *testing.T, name string) (ports []string) {
	t.Helper()
	for _, l := range h.observe(t).Links {
		if l.Master == name {
			ports = append(ports, l.Name)
		}
	}
	slices.Sort(ports)
	return ports
}

func openNS(t *testing.T, ns *kerneltest.NS) *bridge.Namespace {
	t.Helper()
	in, err := bridge.OpenNamespace(ns.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return in
}

func TestNamespaceGetsALinkWithAllItNeeds(t *testing.T) {
	h := newHost(t)
	h.apply(t, dual())
	ns := kerneltest.New(t)
	in := openNS(t, ns)
	want := bridge.PortLink{Name: "v0", Bridge: "virbr0", Owner: "port-2", MAC: guestMAC, MTU: 1300, Namespace: in, Guest: bridge.GuestLink{
		Name: "eth0", MAC: guestMAC, MTU: 1300, Addrs: prefixes("192.168.122.7/24", "fd00:122::7/64"),
		Gateways: []netip.Addr{netip.MustParseAddr("192.168.122.1"), netip.MustParseAddr("fd00:122::1")},
	}}
	if err := h.makePort(want); err != nil {
		t.Fatal(err)
	}
	ns.Run(t, "ping -c 1 -W 5 192.168.122.1; ping -c 1 -W 5 fd00:122::1; ip route get 8.8.8.8; ip -6 route get 2001:db8::1")
	have, err := bridge.ObserveGuest(context.Background(), in, "eth0")
	if err != nil || have.MAC.String() != guestMAC.String() || have.MTU != 1300 || len(have.Addrs) < 2 {
		t.Errorf("%+v %v", have, err)
	}
	if err := h.makePort(want); !errors.Is(err, bridge.ErrLinkExists) {
		t.Errorf("a second link of the name: %v", err)
	}
	taken := want
	taken.Name = "v1"
	if err := h.makePort(taken); !errors.Is(err, bridge.ErrLinkExists) {
		t.Errorf("a second link of the name inside: %v", err)
	}
	if err := bridge.RemoveGuest(context.Background(), in, "lo"); err == nil {
		t.Error("the loopback link was no end of a pair, and was deleted")
	}
	for range 2 {
		if err := bridge.RemoveGuest(context.Background(), in, "eth0"); err != nil {
			t.Error(err)
		}
	}
	if left := h.Run(t, "ip -o link"); strings.Contains(left, "v0") || strings.Contains(left, "v1") {
		t.Errorf("left:\n%s", left)
	}
}

func TestFailedPortLeavesNothing(t *testing.T) {
	h := newHost(t)
	ns := kerneltest.New(t)
	tap, veth := tapPort(), bridge.PortLink{Name: "v0", Bridge: "virbr0", Owner: "port-2", MAC: guestMAC, Namespace: openNS(t, ns),
		Guest: bridge.GuestLink{Name: "eth0", MAC: guestMAC}}
	before := h.Run(t, "ip -o link")
	for _, want := range []bridge.PortLink{tap, veth} {
		if err := h.makePort(want); !errors.Is(err, bridge.ErrBridgeNotFound) {
			t.Errorf("%s joined a bridge that is not there: %v", want.Name, err)
		}
	}
	if diff := cmp.Diff(before, h.Run(t, "ip -o link")); diff != "" {
		t.Errorf("links (-before +after):\n%s", diff)
	}
}

func TestOnlyNetworkNamespacesAreOpened(t *testing.T) {
	for _, path := range []string{"/proc/self/ns/uts", "/proc/self/status", "/dev/null", "/"} {
		if in, err := bridge.OpenNamespace(path); !errors.Is(err, bridge.ErrNoNamespace) {
			t.Errorf("%s: %v, %v", path, in, err)
		}
	}
	if _, err := bridge.OpenNamespace("/run/netns/not-there"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, err := bridge.OpenNamespace("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if !own.IsOwn() {
		t.Error("our own namespace is another")
	}
	if uid, err := own.OwnerUID(); err != nil || int(uid) != os.Getuid() && uid != 0 {
		t.Errorf("owner %d, %v", uid, err)
	}
	other := kerneltest.New(t)
	if openNS(t, other).IsOwn() {
		t.Error("another namespace is our own")
	}
}
