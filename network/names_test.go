package network

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	codec "github.com/miekg/dns"

	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/lease"
)

// asker returns a function that asks srv, in a namespace, for the addresses of
// a name.
func asker(t *testing.T, srv *dns.Server) func(name string) string {
	ns := kerneltest.New(t)
	var conn net.PacketConn
	var err error
	ns.Do(func() { conn, err = net.ListenPacket("udp", "127.0.0.1:53") })
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	running.Go(func() { srv.Serve(ctx, conn) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return func(name string) string {
		var m *codec.Msg
		ns.Do(func() {
			m, _, err = new(codec.Client).Exchange(new(codec.Msg).SetQuestion(name+".", codec.TypeA), "127.0.0.1:53")
		})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, rr := range m.Answer {
			if a, ok := rr.(*codec.A); ok {
				all = append(all, a.A.String())
			}
		}
		return strings.Join(all, " ")
	}
}

func TestGuestsCannotTakeNamesThatAreOthers(t *testing.T) {
	hosts := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(hosts, []byte("10.9.9.9 nas\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	cfg := dns.Config{Domain: "lan", Addrs: []netip.Addr{netip.MustParseAddr("192.168.7.1")}, CNAMEs: []dns.CNAME{{Name: "www.lan", Target: "web.lan"}}}
	fixed := []dns.Name{{Addr: netip.MustParseAddr("192.168.7.2"), Names: []string{"Web.lan"}}}
	srv := dns.NewServer(log, cfg, dns.NewResolver(log, dns.ResolverConfig{Hosts: hosts}))
	n := newNames(log, srv)
	n.reset(cfg, fixed)
	ask := asker(t, srv)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ = strings.Cut(host, ".")

	var leases []lease.Lease
	for i, name := range []string{"web", "nas", "localhost", "www", host, "free"} {
		leases = append(leases, lease.Lease{Addr: netip.AddrFrom4([4]byte{192, 168, 7, byte(100 + i)}), MAC: net.HardwareAddr{2, 0, 0, 0, 0, byte(i)}, Hostname: name})
	}
	n.set(added(leases...))
	for name, want := range map[string]string{
		"web": "", "web.lan": "192.168.7.2", "nas": "10.9.9.9", "localhost": "", "www.lan": "192.168.7.2", host: "",
		"free": "192.168.7.105", "free.lan": "192.168.7.105",
	} {
		if got := ask(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}

	n.set(added(lease.Lease{Addr: netip.MustParseAddr("192.168.7.2"), Hostname: "web"}))
	if got := ask("web"); got != "192.168.7.2" {
		t.Errorf("the guest that the name is for is at %q", got)
	}
	n.reset(dns.Config{Domain: "lan"}, nil)
	if got := ask("web"); !strings.Contains(got, "192.168.7.100") {
		t.Errorf("when the definition gives the name up, it is at %q", got)
	}
}

func added(leases ...lease.Lease) []lease.Change {
	var changes []lease.Change
	for _, l := range leases {
		changes = append(changes, lease.Change{Kind: lease.Added, Lease: l})
	}
	return changes
}
