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
	"github.com/vnetmgr/vnetmgr/neighbour"
)

// asker returns a function that asks srv, in a namespace, for the addresses of
// a name: IPv4, or what follows the name.
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
	return func(question string) string {
		var m *codec.Msg
		name, qtype, typed := strings.Cut(question, " ")
		if !typed {
			qtype = "A"
		}
		ns.Do(func() {
			m, _, err = new(codec.Client).Exchange(new(codec.Msg).SetQuestion(name+".", codec.StringToType[qtype]), "127.0.0.1:53")
		})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, rr := range m.Answer {
			switch rr := rr.(type) {
			case *codec.A:
				all = append(all, rr.A.String())
			case *codec.AAAA:
				all = append(all, rr.AAAA.String())
			case *codec.PTR:
				all = append(all, rr.Ptr)
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

func TestGuestsCannotTakeAddressesThatAreOthers(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	own, fixed, leased, free := netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2"), netip.MustParseAddr("fd00::3"), netip.MustParseAddr("fd00::4")
	cfg := dns.Config{Addrs: []netip.Addr{own}}
	srv := dns.NewServer(log, cfg, dns.NewResolver(log, dns.ResolverConfig{}))
	n := newNames(log, srv)
	n.reset(cfg, []dns.Name{{Addr: fixed, Names: []string{"fixed"}}})
	ask := asker(t, srv)

	thief, holder := neighbour.MAC{2, 0, 0, 0, 0, 1}, neighbour.MAC{2, 0, 0, 0, 0, 2}
	n.set(added(
		lease.Lease{Addr: netip.MustParseAddr("192.168.7.11"), MAC: net.HardwareAddr(thief[:]), Hostname: "thief"},
		lease.Lease{Addr: leased, MAC: net.HardwareAddr(holder[:]), Hostname: "holder"},
	))
	var claimed []neighbour.Neighbour
	for _, addr := range []netip.Addr{own, fixed, leased, free} {
		claimed = append(claimed, neighbour.Neighbour{Addr: addr, MAC: thief})
	}
	n.setMade(nil, nil, claimed)
	for question, want := range map[string]string{
		"thief AAAA": free.String(), "holder AAAA": leased.String(), "fixed AAAA": fixed.String(),
		reverse(t, own): "", reverse(t, fixed): "fixed.", reverse(t, leased): "holder.", reverse(t, free): "thief.",
	} {
		if got := ask(question); got != want {
			t.Errorf("%s is %q, want %q", question, got, want)
		}
	}
}

// reverse is the question after an address's names.
func reverse(t *testing.T, addr netip.Addr) string {
	name, err := codec.ReverseAddr(addr.String())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(name, ".") + " PTR"
}
