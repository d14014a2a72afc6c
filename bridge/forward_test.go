package bridge_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/ndp"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// advertise sends router advertisements into a link until the other side has
// taken one.
func advertise(t *testing.T, router *kerneltest.NS, link string, taken func() bool) {
	t.Helper()
	var c *ndp.Conn
	var err error
	// The link-local address is tentative for a second or two.
	kerneltest.Wait(t, 5*time.Second, "a link-local address", func() bool {
		router.Do(func() {
			var ifi *net.Interface
			if ifi, err = net.InterfaceByName(link); err == nil {
				c, _, err = ndp.Listen(ifi, ndp.LinkLocal)
			}
		})
		return err == nil
	})
	defer c.Close()
	ra := &ndp.RouterAdvertisement{RouterLifetime: time.Hour}
	kerneltest.Wait(t, 5*time.Second, "the host to take a router advertisement", func() bool {
		if err := c.WriteTo(ra, nil, netip.MustParseAddr("ff02::1")); err != nil {
			t.Error(err)
		}
		return taken()
	})
}

// TestUplinkKeepsItsRouterWhenForwardingGoesOn has three uplinks: one that the
// kernel has learned a router on, one where another program has, and one
// without.
func TestUplinkKeepsItsRouterWhenForwardingGoesOn(t *testing.T) {
	h, router := newHost(t), kerneltest.New(t)
	h.Veth(t, "up0", router, "r0")
	h.Veth(t, "managed", router, "r1")
	h.Veth(t, "idle", router, "r2")
	h.Run(t, "sysctl -qw net.ipv6.conf.managed.accept_ra=0; ip -6 route add default via fe80::1 dev managed proto ra metric 2048")
	hasRouter := func() bool { return h.Run(t, "ip -6 route show default dev up0 proto ra") != "" }
	advertise(t, router, "r0", hasRouter)

	var log bytes.Buffer
	h.conn.Log = slog.New(slog.NewTextHandler(&log, nil))
	h.apply(t, with(func(c *bridge.Config) { c.IPv6, c.Forward6 = true, true }))
	if !hasRouter() {
		t.Error("the default route is lost")
	}
	got := h.Run(t, "cd /proc/sys/net/ipv6/conf; cat up0/accept_ra managed/accept_ra idle/accept_ra all/forwarding | xargs")
	if want := "2 0 1 1\n"; got != want {
		t.Errorf("accept_ra of up0, managed, idle, and forwarding: %s, want %s", got, want)
	}
	if !strings.Contains(log.String(), "link=up0") || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("log: %q, want one line on up0", log.String())
	}
}

func TestFailedForwardingIsTakenBack(t *testing.T) {
	h := newHost(t)
	h.Run(t, "mount --bind /proc/sys/net/ipv6/conf/all/forwarding /proc/sys/net/ipv6/conf/all/forwarding &&"+
		"mount -o remount,ro,bind /proc/sys/net/ipv6/conf/all/forwarding")
	before := h.state(t)
	if err := h.try(dual()); err == nil {
		t.Fatal("Apply succeeded")
	}
	if after := h.state(t); strings.Join(after, "") != strings.Join(before, "") {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}
