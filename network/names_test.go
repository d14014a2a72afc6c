package network

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/lease"
)

func TestGuestCannotTakeANameOfTheDefinition(t *testing.T) {
	cfg := dns.Config{Domain: "lan.test"}
	resolver := dns.NewResolver(slog.New(slog.DiscardHandler), dns.ResolverConfig{})
	known := newNames(dns.NewServer(slog.New(slog.DiscardHandler), cfg, resolver))
	known.reset(cfg, []dns.Name{{Addr: netip.MustParseAddr("10.3.0.99"), Names: []string{"web"}}})
	known.set([]lease.Lease{
		{Addr: netip.MustParseAddr("10.3.0.2"), Hostname: "web"},
		{Addr: netip.MustParseAddr("10.3.0.3"), Hostname: "guest"},
	})
	for name, want := range map[string]string{"web.lan.test.": "10.3.0.99", "guest.lan.test.": "10.3.0.3"} {
		got, err := askServer(t, known.server, name)
		if diff := cmp.Diff([]string{want}, got); diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// askServer returns the IPv4 addresses that srv answers for a name.
func askServer(t *testing.T, srv *dns.Server, name string) ([]string, error) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, conn) }()
	defer func() {
		cancel()
		<-served
		conn.Close()
	}()
	client := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	addrs, err := client.LookupNetIP(ctx, "ip4", name)
	var got []string
	for _, a := range addrs {
		got = append(got, a.String())
	}
	return got, err
}
