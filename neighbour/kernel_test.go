package neighbour

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A watch has what a Tracker told.
type watch struct {
	mu  sync.Mutex
	has map[Neighbour]bool
}

func (w *watch) changed(gone, set []Neighbour) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range gone {
		delete(w.has, n)
	}
	for _, n := range set {
		w.has[n] = true
	}
}

// await waits until exactly the addresses are there.
func (w *watch) await(t *testing.T, mac MAC, addrs ...string) {
	t.Helper()
	kerneltest.Wait(t, 20*time.Second, "neighbours "+strings.Join(addrs, " "), func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, a := range addrs {
			if !w.has[Neighbour{netip.MustParseAddr(a), mac}] {
				return false
			}
		}
		return len(w.has) == len(addrs)
	})
}

// bridged is a host with a bridge, and a guest on it.
func bridged(t *testing.T) (host, guest *kerneltest.NS, mac MAC) {
	host, guest = kerneltest.New(t), kerneltest.New(t)
	host.Run(t, "ip link add virbr0 address 52:54:00:00:00:fe type bridge")
	host.Run(t, "ip addr add fd00:7::1/64 dev virbr0 nodad")
	host.Run(t, "ip link set virbr0 up")
	host.Veth(t, "tap0", guest, "eth0")
	host.Run(t, "ip link set tap0 master virbr0")
	guest.Run(t, "ip link set eth0 address 52:54:00:00:00:01")
	return host, guest, MAC{0x52, 0x54, 0, 0, 0, 1}
}

// track serves a Tracker until the test ends.
func track(t *testing.T, host *kerneltest.NS) (*Tracker, *watch) {
	var c *Conn
	kerneltest.Wait(t, 20*time.Second, "a link-local address", func() bool {
		var err error
		host.Do(func() { c, err = Listen("virbr0") })
		return err == nil
	})
	w := &watch{has: map[Neighbour]bool{}}
	cfg := Config{Link: "virbr0", Prefixes: []netip.Prefix{netip.MustParsePrefix("fd00:7::/64")}}
	tracker := New(slog.New(slog.DiscardHandler), cfg, w.changed)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tracker.Serve(ctx, c) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		c.Close()
	})
	return tracker, w
}

func TestGuestsOwnAddressesAreLearnedAndForgotten(t *testing.T) {
	host, guest, mac := bridged(t)
	tracker, w := track(t, host)
	tracker.Follow(mac, true)
	guest.Run(t, "ip addr add fd00:7::aaaa/64 dev eth0")
	w.await(t, mac, "fd00:7::aaaa")
	guest.Run(t, "ip addr add fd00:7::5054:ff:fe00:1/64 dev eth0")
	w.await(t, mac, "fd00:7::aaaa", "fd00:7::5054:ff:fe00:1")
	tracker.Follow(mac, false)
	w.await(t, mac)
}

func TestAddressesMadeBeforeWeListenedAreFound(t *testing.T) {
	t.Run("by asking all", func(t *testing.T) {
		host, guest, mac := bridged(t)
		guest.Run(t, "ip addr add fd00:7::bbbb/64 dev eth0 nodad")
		tracker, w := track(t, host)
		tracker.Follow(mac, true)
		w.await(t, mac, "fd00:7::bbbb")
	})
	t.Run("in the kernel", func(t *testing.T) {
		host, guest, mac := bridged(t)
		guest.Run(t, "ip addr add fd00:7::aaaa/64 dev eth0 nodad")
		kerneltest.Wait(t, 20*time.Second, "the guest to answer", func() bool {
			return host.Command("ping", "-6", "-c1", "-W1", "fd00:7::aaaa").Run() == nil
		})
		guest.Run(t, "sysctl -qw net.ipv6.icmp.echo_ignore_all=1")
		tracker, w := track(t, host)
		tracker.Follow(mac, true)
		w.await(t, mac, "fd00:7::aaaa")
	})
}

func TestLinkThatGoesEndsServe(t *testing.T) {
	host, _, _ := bridged(t)
	var c *Conn
	kerneltest.Wait(t, 20*time.Second, "a link-local address", func() bool {
		var err error
		host.Do(func() { c, err = Listen("virbr0") })
		return err == nil
	})
	defer c.Close()
	tracker := New(slog.New(slog.DiscardHandler), Config{Link: "virbr0"}, func(_, _ []Neighbour) {})
	done := make(chan error, 1)
	go func() { done <- tracker.Serve(context.Background(), c) }()
	host.Run(t, "ip link del virbr0")
	select {
	case err := <-done:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Serve goes on")
	}
}
