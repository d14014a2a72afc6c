package dhcpd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/sys/unix"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/lease"
)

// lan is a host namespace with a bridge that is served.
type lan struct {
	file   string // of the leases
	host   *kerneltest.NS
	server *Server4
	leases *lease.Table
	guests int
	log    logged
	stop   func() // what serves
}

// logged is what was logged, for reading while it is written.
type logged struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newLAN makes the bridge and serves it, with leases on disk.
func newLAN(t *testing.T, cfg Config4) *lan {
	t.Helper()
	n := &lan{host: newHost(t), file: filepath.Join(t.TempDir(), "leases.db")}
	n.serve(t, cfg)
	t.Cleanup(func() { n.stop() })
	return n
}

// serve serves with the leases on disk, until stop.
func (n *lan) serve(t testing.TB, cfg Config4) {
	t.Helper()
	c, err := listenIn(n.host, "virbr0")
	if err != nil {
		t.Fatal(err)
	}
	closeStore := n.openLeases(t)
	n.server = NewServer4(slog.New(slog.NewTextHandler(&n.log, nil)), cfg, n.leases)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- n.server.Serve(ctx, c) }()
	n.stop = func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		closeStore()
	}
}

func (n *lan) openLeases(t testing.TB) (closeStore func()) {
	store, err := lease.OpenStore(n.file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	n.leases = store.Table("network")
	return func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// newHost returns a namespace with the bridge virbr0.
func newHost(t *testing.T) *kerneltest.NS {
	t.Helper()
	host := kerneltest.New(t)
	host.Run(t, "ip link add virbr0 address 52:54:00:aa:bb:cc type bridge && ip addr add "+us+"/24 brd + dev virbr0 && ip link set virbr0 up")
	return host
}

func listenIn(host *kerneltest.NS, link string) (c *Conn4, err error) {
	host.Do(func() { c, err = Listen4(link, addr(us)) })
	return c, err
}

// guest returns a namespace whose eth0, with the hardware address
// 52:54:00:00:00:mac, is a port of the bridge.
func (n *lan) guest(t *testing.T, mac int) *kerneltest.NS {
	t.Helper()
	g := kerneltest.New(t)
	n.guests++
	port := fmt.Sprintf("port%d", n.guests)
	n.host.Veth(t, port, g, "eth0")
	n.host.Run(t, "ip link set "+port+" master virbr0")
	g.Run(t, "ip link set eth0 address "+macOf(mac).String())
	return g
}

// script writes a client's script that does nothing but set the address of
// eth0 from the given variable.
func script(t *testing.T, variable string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	text := "#!/bin/sh\n[ -z \"$" + variable + "\" ] || ip addr replace $" + variable + "/24 dev eth0\n"
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// address returns a guest's IPv4 address, "" if it has none.
func address(t *testing.T, g *kerneltest.NS) string {
	t.Helper()
	out := g.Run(t, "ip -4 -br addr show dev eth0 | awk '{print $3}'")
	a, _, _ := strings.Cut(strings.TrimSpace(out), "/")
	return a
}

func TestUdhcpcGetsALease(t *testing.T) {
	n := newLAN(t, testConfig())
	for i, flags := range []string{"", "-B", "-C -x hostname:web"} {
		g := n.guest(t, i+1)
		g.Run(t, "udhcpc -i eth0 -n -q -f -t 5 -T 1 "+flags+" -s "+script(t, "ip"))
		want := fmt.Sprintf("192.168.122.%d", 27+i)
		if got := address(t, g); got != want {
			t.Errorf("udhcpc %s: has %q, want %s", flags, got, want)
		}
		l, ok := n.leases.LookupMAC(macOf(i + 1))
		if !ok || l.Addr != addr(want) {
			t.Errorf("udhcpc %s: lease is %v", flags, l)
		}
	}
	if l, ok := n.leases.LookupName("web"); !ok || l.Addr != addr("192.168.122.29") {
		t.Errorf("web is %v", l.Addr)
	}
}

func TestUdhcpcRenewsAndReleases(t *testing.T) {
	n := newLAN(t, testConfig())
	g := n.guest(t, 1)
	p := g.Start(t, "udhcpc", "-i", "eth0", "-f", "-R", "-s", script(t, "ip"))
	kerneltest.Wait(t, 5*time.Second, "the address", func() bool { return address(t, g) != "" })
	feed := n.leases.Subscribe()
	defer feed.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	g.Run(t, "pkill -USR1 -x udhcpc --ns "+fmt.Sprint(p.Pid())+" --nslist net")
	if changes, err := feed.Next(ctx); err != nil || changes[0].Kind != lease.Renewed {
		t.Errorf("after a renewal: %v, %v", changes, err)
	}
	p.Stop()
	if changes, err := feed.Next(ctx); err != nil || changes[0].Kind != lease.Released {
		t.Errorf("after a release: %v, %v", changes, err)
	}
}

func TestDhclientGetsAndReleasesALease(t *testing.T) {
	n := newLAN(t, testConfig())
	g := n.guest(t, 0x10)
	dir := t.TempDir()
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, []byte("request subnet-mask, routers, host-name;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	command := fmt.Sprintf("dhclient -4 -1 -lf %s/leases -pf %s/pid -cf %s -sf %s", dir, dir, conf, script(t, "new_ip_address"))
	g.Run(t, command+" eth0")
	if got := address(t, g); got != "192.168.122.10" {
		t.Errorf("dhclient has %q", got)
	}
	got, err := os.ReadFile(filepath.Join(dir, "leases"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"option routers 192.168.122.1;", `option host-name "fixed";`, "option dhcp-lease-time 3600;"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("dhclient's lease lacks %s:\n%s", want, got)
		}
	}
	g.Run(t, command+" -r eth0")
	kerneltest.Wait(t, 5*time.Second, "the release", func() bool { return len(n.leases.Leases()) == 0 })
}

func TestDhcpcdGetsALease(t *testing.T) {
	n := newLAN(t, testConfig())
	g := n.guest(t, 1)
	g.Run(t, "for d in /var/lib/dhcpcd /run; do mkdir -p $d; mount -t tmpfs none $d; done; mkdir -p /run/dhcpcd")
	conf := filepath.Join(t.TempDir(), "conf")
	if err := os.WriteFile(conf, []byte("ipv4only\nnoarp\nclientid\nhostname dhcpcd-guest\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	g.Start(t, "dhcpcd", "-4", "-B", "-f", conf, "-c", "/bin/true", "eth0")
	kerneltest.Wait(t, 10*time.Second, "the address", func() bool { return address(t, g) == "192.168.122.27" })
	if _, ok := n.leases.LookupName("dhcpcd-guest"); !ok {
		t.Errorf("leases: %v", n.leases.Leases())
	}
}

// A guest that was given an address by hand, and has not said a word, keeps
// it; the client that would have got it gets another at the first attempt.
func TestAddressOfASilentGuestIsNotGiven(t *testing.T) {
	n := newLAN(t, testConfig())
	static := n.guest(t, 0x77)
	static.Run(t, "ip addr add 192.168.122.27/24 dev eth0")
	g := n.guest(t, 1)
	g.Run(t, "udhcpc -i eth0 -n -q -f -t 1 -T 2 -s "+script(t, "ip"))
	if got := address(t, g); got != "192.168.122.28" {
		t.Errorf("the client has %q, want 192.168.122.28", got)
	}
	if got := n.server.Stats(); got.Conflicts != 1 || got.Probes != 2 {
		t.Errorf("stats: %+v", got)
	}
}

// A guest with an address of its own that was heard once costs no probe.
func TestAddressOfAGuestThatWasHeardIsNotGiven(t *testing.T) {
	n := newLAN(t, testConfig())
	static := n.guest(t, 0x77)
	static.Run(t, "ip addr add 192.168.122.27/24 dev eth0 && ping -c 1 -W 5 "+us)
	c := lease.Client{MAC: macOf(1)}
	kerneltest.Wait(t, 5*time.Second, "the guest to be heard", func() bool {
		return !n.leases.Available(addr("192.168.122.27"), c, time.Now())
	})
	g := n.guest(t, 1)
	g.Run(t, "udhcpc -i eth0 -n -q -f -t 1 -T 2 -s "+script(t, "ip"))
	if got := address(t, g); got != "192.168.122.28" {
		t.Errorf("the client has %q, want 192.168.122.28", got)
	}
	if got := n.server.Stats(); got.Probes != 1 {
		t.Errorf("stats: %+v", got)
	}
}

func TestRelayIsAnsweredAtItsPort(t *testing.T) {
	n := newLAN(t, testConfig())
	g := n.guest(t, 0x99)
	g.Run(t, "ip addr add 192.168.122.250/24 dev eth0")
	var relay *net.UDPConn
	var err error
	g.Do(func() { relay, err = net.ListenUDP("udp4", &net.UDPAddr{IP: ipOf("192.168.122.250"), Port: 67}) })
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	packet := ask{kind: discover, mac: 1, gi: "192.168.122.250", agent: "\x01\x04port"}.encode(t)
	if _, err := relay.WriteTo(packet, &net.UDPAddr{IP: ipOf(us), Port: 67}); err != nil {
		t.Fatal(err)
	}
	relay.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 1500)
	size, from, err := relay.ReadFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	m, err := dhcpv4.FromBytes(b[:size])
	if err != nil {
		t.Fatal(err)
	}
	if from.String() != us+":67" || m.YourIPAddr.String() != "192.168.122.27" || string(m.Options[82]) != "\x01\x04port" {
		t.Errorf("from %v: %v", from, m.Summary())
	}
}

// While leases cannot be written a client gets no ACK; afterwards it does.
func TestNoAckWithoutALeaseOnDisk(t *testing.T) {
	n := newLAN(t, testConfig())
	g := n.guest(t, 1)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	// As on a full disk: no file may grow beyond what the leases take now,
	// which is more than the test program itself writes anywhere.
	full := fill(t, n)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: full, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_FSIZE, &old)
	p := g.Start(t, "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "2", "-T", "1", "-A", "1", "-s", "/bin/true")
	kerneltest.Wait(t, 10*time.Second, "an ACK to be held back", func() bool { return n.server.Stats().Unwritten > 0 })
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	p.Stop()
	if strings.Contains(p.Output(), "obtained") {
		t.Errorf("an ACK left before its lease was written:\n%s", p.Output())
	}
	g.Run(t, "udhcpc -i eth0 -n -q -f -t 5 -T 1 -s "+script(t, "ip"))
	if got := address(t, g); got != "192.168.122.27" {
		t.Errorf("with space again the client has %q", got)
	}
}

// fill gives n leases of other clients until its file is large, and returns
// the file's size.
func fill(t *testing.T, n *lan) uint64 {
	t.Helper()
	var others []lease.Lease
	for i := range 2000 {
		others = append(others, lease.Lease{
			Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}),
			MAC:  net.HardwareAddr{0x52, 0x54, 0, 1, byte(i >> 8), byte(i)},
		})
	}
	if _, err := n.leases.Import(others); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(n.file)
	if err != nil {
		t.Fatal(err)
	}
	return uint64(st.Size())
}

func TestServerStopsAtOnce(t *testing.T) {
	host := newHost(t)
	c, err := listenIn(host, "virbr0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := NewServer4(slog.New(slog.DiscardHandler), testConfig(), lease.NewTable())
	if err := s.Serve(ctx, c); err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestServingGoesOnAfterItsLinkWasDown(t *testing.T) {
	n := newLAN(t, testConfig())
	g := n.guest(t, 1)
	n.host.Run(t, "ip link set virbr0 down && ip link set virbr0 up")
	g.Run(t, "udhcpc -i eth0 -n -q -f -t 5 -T 1 -s "+script(t, "ip"))
	if got := address(t, g); got != "192.168.122.27" {
		t.Errorf("the client has %q", got)
	}
}

func TestServingEndsWithItsLink(t *testing.T) {
	host := newHost(t)
	c, err := listenIn(host, "virbr0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	served := make(chan error, 1)
	s := NewServer4(slog.New(slog.DiscardHandler), testConfig(), lease.NewTable())
	go func() { served <- s.Serve(context.Background(), c) }()
	host.Run(t, "ip link del virbr0")
	if err := <-served; err == nil {
		t.Error("no error after the link went away")
	}
}

func TestPortHeldByAnotherProgramIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name, program string
		args          []string
		free          bool
	}{
		{"dnsmasq on the same link", "dnsmasq", dnsmasqOn("virbr0", "192.168.122.2"), false},
		{"dnsmasq on another link", "dnsmasq", dnsmasqOn("virbr1", "10.5.0.2"), true},
		{"a program on every link", "socat", []string{"UDP-LISTEN:67,fork", "STDOUT"}, false},
		{"a program on another address", "socat", []string{"UDP-LISTEN:67,bind=10.5.0.1,fork", "STDOUT"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host := newHost(t)
			host.Run(t, "ip link add virbr1 type bridge && ip addr add 10.5.0.1/24 dev virbr1 && ip link set virbr1 up")
			p := host.Start(t, tt.program, tt.args...)
			kerneltest.Wait(t, 5*time.Second, tt.program, func() bool {
				return strings.Contains(host.Run(t, "cat /proc/thread-self/net/udp"), ":0043 ")
			})
			c, err := listenIn(host, "virbr0")
			if err == nil {
				c.Close()
			}
			want := fmt.Sprintf("listen on virbr0 port 67: udp port 67 is held by %s (pid %d): ", tt.program, p.Pid())
			switch {
			case tt.free && err != nil:
				t.Errorf("listen: %v", err)
			case !tt.free && (!errors.Is(err, syscall.EADDRINUSE) || !strings.HasPrefix(err.Error(), want)):
				t.Errorf("listen: %v, want %s", err, want)
			}
		})
	}
}

// dnsmasqOn returns the arguments for a dnsmasq as libvirt runs it: on all
// addresses of one link. In debug mode it stays the user that it is.
func dnsmasqOn(link, start string) []string {
	return []string{"-d", "-C", "/dev/null", "-p", "0", "--bind-dynamic", "--except-interface=lo", "-i", link,
		"--dhcp-range=" + start + ",static", "--dhcp-leasefile=/dev/null", "--pid-file="}
}

// Two networks are two sockets on the same port.
func TestTwoLinksAreServedSideBySide(t *testing.T) {
	host := newHost(t)
	host.Run(t, "ip link add virbr1 type bridge && ip link set virbr1 up")
	for _, link := range []string{"virbr0", "virbr1"} {
		c, err := listenIn(host, link)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if _, err := listenIn(host, "virbr0"); err == nil {
		t.Error("two servers listen on one link")
	}
	if _, err := listenIn(host, "virbr9"); err == nil {
		t.Error("a server listens on a link that does not exist")
	}
}

func TestMissingCapabilityIsNamed(t *testing.T) {
	host := newHost(t)
	for _, tc := range []struct {
		kept uint32
		want string
	}{
		{0, "CAP_NET_BIND_SERVICE"},
		{1 << unix.CAP_NET_BIND_SERVICE, "CAP_NET_RAW"},
	} {
		var err error
		host.Do(func() {
			// Of this thread only, which ends with Do.
			head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			kept := [2]unix.CapUserData{{Effective: tc.kept, Permitted: tc.kept}}
			if err = unix.Capset(&head, &kept[0]); err == nil {
				_, err = Listen4("virbr0", addr(us))
			}
		})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
}
