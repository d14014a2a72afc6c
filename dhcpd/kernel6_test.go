package dhcpd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// lan6 is a host namespace with a bridge that is served.
type lan6 struct {
	lan
	server *Server6
}

// newLAN6 makes the bridge, without a carrier, and serves it with leases on
// disk.
func newLAN6(t testing.TB, cfg Config6) *lan6 {
	t.Helper()
	n := &lan6{lan: lan{host: kerneltest.New(t), file: filepath.Join(t.TempDir(), "leases.db")}}
	n.host.Run(t, "ip link add virbr0 address 52:54:00:aa:bb:cc type bridge mcast_snooping 1 mcast_querier 1 && ip link set virbr0 up && "+
		"ip addr add "+cfg.Server.String()+" dev virbr0 nodad && ip addr add fe80::5054:ff:feaa:bbcc/64 dev virbr0 nodad")
	n.serve(t, cfg)
	t.Cleanup(func() { n.stop() })
	return n
}

// serve serves with the leases on disk, until stop.
func (n *lan6) serve(t testing.TB, cfg Config6) {
	t.Helper()
	var c *Conn6
	var err error
	n.host.Do(func() { c, err = Listen6("virbr0", cfg.Server.Addr()) })
	if err != nil {
		t.Fatal(err)
	}
	closeStore := n.openLeases(t)
	n.server = NewServer6(slog.New(slog.NewTextHandler(&n.log, nil)), cfg, n.leases)
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

// guest6 is guest whose link-local address is ready.
func (n *lan6) guest6(t *testing.T, mac int) *kerneltest.NS {
	t.Helper()
	g := n.guest(t, mac)
	g.Run(t, "sysctl -qw net.ipv6.conf.eth0.accept_dad=0; ip link set eth0 down; ip link set eth0 up")
	kerneltest.Wait(t, 5*time.Second, "the guest's link-local address", func() bool {
		out := g.Run(t, "ip -6 addr show dev eth0 scope link")
		return strings.Contains(out, "fe80") && !strings.Contains(out, "tentative")
	})
	return g
}

func address6(t *testing.T, g *kerneltest.NS) string {
	t.Helper()
	out := g.Run(t, "ip -6 addr show dev eth0 scope global | awk '/inet6/{print $2}'")
	a, _, _ := strings.Cut(strings.TrimSpace(out), "/")
	return a
}

func script6(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script6")
	text := "#!/bin/sh\n[ -z \"$new_ip6_address\" ] || ip addr replace $new_ip6_address/128 dev eth0 nodad\n"
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDhclient6GetsAndReleasesALease(t *testing.T) {
	n := newLAN6(t, testConfig6())
	g := n.guest6(t, 0x11)
	dir := t.TempDir()
	command := fmt.Sprintf("dhclient -6 -1 -lf %s/leases -pf %s/pid -sf %s", dir, dir, script6(t))
	g.Run(t, command+" eth0")
	if got := address6(t, g); got != "fd00::11" {
		t.Errorf("dhclient has %q", got)
	}
	got, err := os.ReadFile(filepath.Join(dir, "leases"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"option dhcp6.name-servers fd00::1;", `option dhcp6.domain-search "six.test.";`} {
		if !strings.Contains(string(got), want) {
			t.Errorf("dhclient's lease lacks %s:\n%s", want, got)
		}
	}
	leases := n.leases.Leases()
	if len(leases) != 1 || leases[0].Hostname != "bymac" || leases[0].MAC.String() != macOf(0x11).String() || string(leases[0].ServerDUID) != us6 {
		t.Errorf("leases: %+v", leases)
	}
	g.Run(t, command+" -r eth0")
	kerneltest.Wait(t, 5*time.Second, "the release", func() bool { return len(n.leases.Leases()) == 0 })
}

func TestDhcpcd6GetsALease(t *testing.T) {
	n := newLAN6(t, testConfig6())
	g := n.guest6(t, 1)
	g.Run(t, "for d in /var/lib/dhcpcd /run; do mkdir -p $d; mount -t tmpfs none $d; done; mkdir -p /run/dhcpcd")
	conf := filepath.Join(t.TempDir(), "conf")
	if err := os.WriteFile(conf, []byte("ipv6only\nnoipv6rs\nduid ll\nhostname dhcpcd-guest\nfqdn both\nallowinterfaces eth0\ninterface eth0\nia_na 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := g.Start(t, "dhcpcd", "-6", "-B", "-f", conf, "-c", "/bin/true", "eth0")
	defer func() {
		if t.Failed() {
			t.Log(p.Output())
		}
	}()
	kerneltest.Wait(t, 15*time.Second, "the address", func() bool { return strings.HasPrefix(address6(t, g), "fd00::10") })
	if l := n.leases.Leases(); len(l) != 1 || l[0].Hostname != "dhcpcd-guest" {
		t.Errorf("leases: %v", l)
	}
}

func TestSecondDHCPv6ServerOnALinkIsNamed(t *testing.T) {
	n := newLAN6(t, testConfig6())
	var err error
	n.host.Do(func() { _, err = Listen6("virbr0", addr("fd00::1")) })
	if err == nil || !strings.Contains(err.Error(), "held by dhcpd.test") {
		t.Errorf("listening twice: %v", err)
	}
}

func TestDHCPv6RelayIsAnsweredAtItsPort(t *testing.T) {
	n := newLAN6(t, testConfig6())
	g := n.guest6(t, 0x99)
	g.Run(t, "ip addr add fd00::9/64 dev eth0 nodad")
	var relay *net.UDPConn
	var err error
	g.Do(func() {
		relay, err = net.ListenUDP("udp6", &net.UDPAddr{IP: net.ParseIP("fd00::9"), Port: serverPort6})
	})
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	message := ask6{kind: solicit6, client: 5, ias: "1=", relays: []string{"fd00::9"}, mac6939: 0x11}.encode(t)
	if _, err := relay.WriteTo(message, &net.UDPAddr{IP: net.ParseIP("fd00::1"), Port: serverPort6}); err != nil {
		t.Fatal(err)
	}
	relay.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 1500)
	size, from, err := relay.ReadFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	m, err := dhcpv6.RelayMessageFromBytes(b[:size])
	if err != nil {
		t.Fatal(err)
	}
	inner, err := m.GetInnerMessage()
	if err != nil {
		t.Fatal(err)
	}
	if got := inner.Options.OneIANA().Options.OneAddress(); from.(*net.UDPAddr).Port != serverPort6 || got == nil || got.IPv6Addr.String() != "fd00::11" {
		t.Errorf("from %v: %v", from, got)
	}
}

func TestServer6GoesOnAfterItsLinkWasDown(t *testing.T) {
	n := newLAN6(t, testConfig6())
	n.host.Run(t, "ip link set virbr0 down; ip link set virbr0 up")
	g := n.guest6(t, 0x11)
	dir := t.TempDir()
	g.Run(t, fmt.Sprintf("dhclient -6 -1 -lf %s/leases -pf %s/pid -sf %s eth0", dir, dir, script6(t)))
	if got := address6(t, g); got != "fd00::11" {
		t.Errorf("dhclient has %q", got)
	}
}

// A message of many associations that comes in fragments is answered, and so is
// one whose answer does not fit into a packet.
func TestMessagesInFragmentsAreAnswered(t *testing.T) {
	cfg := testConfig6()
	cfg.Ranges = []Range{{Start: addr("fd00::100"), End: addr("fd00::1ff")}}
	n := newLAN6(t, cfg)
	g := n.guest6(t, 1)
	var c *net.UDPConn
	var err error
	g.Do(func() { c, err = net.ListenUDP("udp6", &net.UDPAddr{Port: clientPort6}) })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, hints := range map[string]int{"short": 2, "fragments": 12} {
		var ias []string
		for i := range 8 {
			ia := fmt.Sprintf("%d=fd00::%x", i+1, 0x100+i)
			for h := range hints {
				ia += fmt.Sprintf(",fd00::9:%x", h)
			}
			ias = append(ias, ia)
		}
		message := ask6{kind: request6k, client: 5, server: us6, ias: strings.Join(ias, " ")}.encode(t)
		if _, err := c.WriteTo(message, &net.UDPAddr{IP: allServers6.AsSlice(), Port: serverPort6, Zone: "2"}); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		b := make([]byte, 9000)
		size, err := c.Read(b)
		if err != nil {
			t.Fatalf("%s, %d bytes: %v", name, len(message), err)
		}
		m, err := dhcpv6.MessageFromBytes(b[:size])
		if err != nil {
			t.Fatal(err)
		}
		if got := len(m.Options.IANA()); got != 8 || m.MessageType != dhcpv6.MessageTypeReply {
			t.Errorf("%s: %d associations in %d bytes", name, got, size)
		}
		if name == "fragments" && (len(message) < 2048 || size < 1500) {
			t.Errorf("%d bytes asked and %d answered need no fragments", len(message), size)
		}
	}
	if s := n.server.Stats(); s.Received != 2 || s.Requests != 2 || s.Replies != 2 {
		t.Errorf("stats: %+v", s)
	}
}

// killByFile ends the process whose id a file has, or will have.
func killByFile(t *testing.T, g *kerneltest.NS, path string) {
	t.Helper()
	kerneltest.Wait(t, 5*time.Second, path, func() bool {
		b, err := os.ReadFile(path)
		return err == nil && len(b) > 0
	})
	g.Run(t, "kill $(cat "+path+"); while kill -0 $(cat "+path+") 2>/dev/null; do :; done; rm -f "+path)
}

// dhclient that starts again with a lease in its file asks first whether it is
// still on the link that the lease is of, and then rebinds.
func TestDhclient6ConfirmsWhatItRemembers(t *testing.T) {
	n := newLAN6(t, testConfig6())
	g := n.guest6(t, 1)
	dir := t.TempDir()
	command := fmt.Sprintf("ip -6 addr flush dev eth0 scope global; dhclient -6 -1 -lf %s/leases -pf %s/pid -sf %s eth0", dir, dir, script6(t))
	g.Run(t, command)
	first := address6(t, g)
	killByFile(t, g, dir+"/pid")
	g.Run(t, command)
	killByFile(t, g, dir+"/pid")
	if got := address6(t, g); got == "" || got != first {
		t.Errorf("it had %q and has %q", first, got)
	}
	if s := n.server.Stats(); s.Confirms != 1 || s.Solicits != 1 || s.Requests != 1 || s.Advertises != 1 || s.Replies < 2 {
		t.Errorf("stats: %+v", s)
	}
}
