package dns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// A bridged is a host with a network on virbr0, a guest on it, and a
// neighbour on another link of the host.
type bridged struct {
	host, guest, foreign *kerneltest.NS
}

func newBridged(t *testing.T) bridged {
	b := bridged{kerneltest.New(t), kerneltest.New(t), kerneltest.New(t)}
	b.host.Run(t, "ip link add virbr0 type bridge")
	b.host.Run(t, "ip addr add 192.168.122.1/24 dev virbr0")
	b.host.Run(t, "ip addr add fd00::1/64 dev virbr0 nodad")
	b.host.Run(t, "ip link set virbr0 up")
	b.host.Veth(t, "tap0", b.guest, "eth0")
	b.host.Run(t, "ip link set tap0 master virbr0")
	b.host.Veth(t, "out0", b.foreign, "eth0")
	b.host.Run(t, "ip addr add 10.50.0.1/24 dev out0")
	b.guest.Run(t, "ip addr add 192.168.122.50/24 dev eth0")
	b.guest.Run(t, "ip addr add fd00::50/64 dev eth0 nodad")
	b.foreign.Run(t, "ip addr add 10.50.0.2/24 dev eth0")
	b.foreign.Run(t, "ip route add default via 10.50.0.1")
	return b
}

// serve answers on the bridge's addresses.
func (b bridged) serve(t *testing.T, s *Server, addrs ...string) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	for _, a := range addrs {
		var conn net.PacketConn
		var l net.Listener
		var err error
		b.host.Do(func() { conn, l, err = Listen("virbr0", netip.MustParseAddr(a)) })
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { s.Serve(ctx, conn) })
		wg.Go(func() { s.ServeTCP(ctx, l) })
	}
}

// dig returns what dig prints in ns: answers, or why there are none.
func dig(ns *kerneltest.NS, args ...string) string {
	args = append([]string{"+short", "+time=1", "+tries=1"}, args...)
	out, err := ns.Command("dig", args...).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "no servers could be reached") && !strings.Contains(string(out), "timed out") {
		return err.Error() + ": " + string(out)
	}
	if err != nil {
		return "no answer"
	}
	return strings.TrimSpace(string(out))
}

func TestOnlyGuestsAndTheHostReachTheServer(t *testing.T) {
	b := newBridged(t)
	cfg, names := libvirtLike()
	b.serve(t, newTestServer(t, cfg, &fakeUpstream{answer: world}, "", names...), "192.168.122.1", "fd00::1")
	const web = "192.168.122.10"
	for _, tc := range []struct {
		from string
		ns   *kerneltest.NS
		args []string
		want string
	}{
		{"guest", b.guest, []string{"@192.168.122.1", "web"}, web},
		{"guest, TCP", b.guest, []string{"@192.168.122.1", "+tcp", "web"}, web},
		{"guest, IPv6", b.guest, []string{"@fd00::1", "web"}, web},
		{"guest, IPv6 TCP", b.guest, []string{"@fd00::1", "+tcp", "web"}, web},
		{"guest, forwarded", b.guest, []string{"@192.168.122.1", "host.example"}, "203.0.113.9"},
		{"guest, forwarded, IPv6", b.guest, []string{"@fd00::1", "other.example"}, "203.0.113.9"},
		{"host", b.host, []string{"@192.168.122.1", "web"}, web},
		{"host, TCP", b.host, []string{"@192.168.122.1", "+tcp", "web"}, web},
		{"host, IPv6", b.host, []string{"@fd00::1", "web"}, web},
		{"host, from another address, TCP", b.host, []string{"@192.168.122.1", "+tcp", "-b", "10.50.0.1", "web"}, web},
		{"host, other address", b.host, []string{"@10.50.0.1", "web"}, "no answer"},
		{"foreign", b.foreign, []string{"@192.168.122.1", "web"}, "no answer"},
		{"foreign, TCP", b.foreign, []string{"@192.168.122.1", "+tcp", "web"}, "no answer"},
	} {
		t.Run(tc.from, func(t *testing.T) {
			if got := dig(tc.ns, tc.args...); got != tc.want {
				t.Errorf("dig %v = %q, want %q", tc.args, got, tc.want)
			}
		})
	}
}

// A guest that forges a source gets the answers itself: they do not go where
// the forged address lives.
func TestAnswersLeaveByTheLinkThatTheQueryCameBy(t *testing.T) {
	b := newBridged(t)
	cfg, names := libvirtLike()
	b.serve(t, newTestServer(t, cfg, &fakeUpstream{answer: world}, "", names...), "192.168.122.1")
	b.guest.Run(t, "ip addr add 10.50.0.2/32 dev lo")
	b.host.Run(t, "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.virbr0.rp_filter=0")
	for _, name := range []string{"web", "host.example"} {
		if got := dig(b.guest, "@192.168.122.1", "-b", "10.50.0.2", name); got == "no answer" {
			t.Errorf("%s: the answer went elsewhere", name)
		}
	}
}

func TestServersOfTwoNetworksDoNotCollide(t *testing.T) {
	b := newBridged(t)
	b.host.Run(t, "ip link add virbr1 type bridge")
	b.host.Run(t, "ip addr add 192.168.123.1/24 dev virbr1")
	b.host.Run(t, "ip link set virbr1 up")
	b.host.Do(func() {
		for link, addr := range map[string]string{"virbr0": "192.168.122.1", "virbr1": "192.168.123.1", "lo": "127.0.0.53"} {
			conn, l, err := Listen(link, netip.MustParseAddr(addr))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			defer l.Close()
		}
	})
}

func TestMissingCapabilityIsNamed(t *testing.T) {
	b := newBridged(t)
	var err error
	b.host.Do(func() {
		// Of this thread only, which ends with Do.
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err = unix.Capset(&head, &none[0]); err == nil {
			_, _, err = Listen("virbr0", netip.MustParseAddr("192.168.122.1"))
		}
	})
	if err == nil || !strings.Contains(err.Error(), "CAP_NET_BIND_SERVICE") {
		t.Errorf("got %v", err)
	}
}

func TestOneGuestsFloodIsRefusedAndAnothersQueriesAreNot(t *testing.T) {
	b := newBridged(t)
	b.guest.Run(t, "ip addr add 192.168.122.51/24 dev eth0") // stands for another guest
	s := newTestServer(t, Config{Resolv: true, QueryRate: 10}, &fakeUpstream{answer: world}, "")
	s.up.SetOwn([]netip.Addr{netip.MustParseAddr("192.168.122.1")})
	b.serve(t, s, "192.168.122.1")
	flood := func(ns *kerneltest.NS, from string, n int) (answered, refused int) {
		var file strings.Builder
		for i := range n {
			fmt.Fprintf(&file, "n%d.%s.example A\n", i, from)
		}
		path := filepath.Join(t.TempDir(), "queries")
		if err := os.WriteFile(path, []byte(file.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		out := ns.Run(t, "dig -b "+from+" @192.168.122.1 +tries=1 +time=5 -f "+path)
		return strings.Count(out, "status: NOERROR"), strings.Count(out, "status: REFUSED")
	}
	answered, refused := flood(b.guest, "192.168.122.50", 100)
	if answered < 10 || refused < 20 || answered+refused != 100 {
		t.Errorf("of 100 at once with 10 a second, %d were answered and %d refused", answered, refused)
	}
	limited := refused
	if answered, refused = flood(b.guest, "192.168.122.51", 5); answered != 5 {
		t.Errorf("another guest got %d answers of 5, %d refused", answered, refused)
	}
	if answered, refused = flood(b.host, "192.168.122.1", 50); answered != 50 {
		t.Errorf("the host got %d answers of 50, %d refused", answered, refused)
	}
	if n := s.Stats().RateLimited; n != uint64(limited) {
		t.Errorf("%d are counted, %d were refused", n, limited)
	}
}
