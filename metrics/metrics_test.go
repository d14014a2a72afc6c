package metrics_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/metrics"
	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/radv"
	"github.com/vnetmgr/vnetmgr/tftp"
)

// number gives every counter of v, and of what it holds, a number of its own.
func number(v reflect.Value, next *uint64) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Struct:
			number(f, next)
		case reflect.Uint64:
			f.SetUint(*next)
			*next++
		case reflect.Int:
			f.SetInt(int64(*next))
			*next++
		}
	}
}

func scrape(t *testing.T, s network.Stats) string {
	t.Helper()
	rec := httptest.NewRecorder()
	metrics.Handler(slog.New(slog.DiscardHandler), func() network.Stats { return s }).
		ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusOK {
		t.Fatalf("code %d: %s", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

// What a server counts and nobody is told would be forgotten when a counter is
// added: each must be in what Prometheus reads.
func TestEveryCounterIsTold(t *testing.T) {
	next := uint64(700001)
	var four dhcpd.Stats4
	var six dhcpd.Stats6
	var ra radv.Stats
	var names dns.Stats
	var files tftp.Stats
	var resolver dns.ResolverStats
	for _, s := range []any{&four, &six, &ra, &names, &files, &resolver} {
		number(reflect.ValueOf(s).Elem(), &next)
	}
	text := scrape(t, network.Stats{
		Networks: []network.NetworkStats{{DHCP4: &four, DHCP6: &six, RA: &ra, DNS: &names, TFTP: []tftp.Stats{files}}},
		Resolver: resolver,
	})
	for n := uint64(700001); n < next; n++ {
		if !strings.Contains(text, fmt.Sprintf(" %d\n", n)) {
			t.Errorf("the counter that is %d is missing: %s", n, fieldWith(n, four, six, ra, names, files, resolver))
		}
	}
}

// fieldWith says which field has the number n.
func fieldWith(n uint64, all ...any) string {
	for _, s := range all {
		if line := fmt.Sprintf("%T%+v", s, s); strings.Contains(line, fmt.Sprintf(":%d", n)) {
			return line
		}
	}
	return "?"
}

func TestNetworksAreToldByName(t *testing.T) {
	text := scrape(t, network.Stats{
		Networks: []network.NetworkStats{
			{Info: network.Info{Ref: network.Ref{Name: "default"}, Bridge: "virbr0", Active: true, Ports: 3},
				DHCP4: &dhcpd.Stats4{Acks: 17}, Pool4: network.PoolUse{Size: 253, Taken: 42},
				TFTP: []tftp.Stats{{Sent: 1}, {Sent: 2}}},
			{Info: network.Info{Ref: network.Ref{Name: "odd \xff \"name\""}}},
		},
		Resolver: dns.ResolverStats{Upstreams: []dns.UpstreamStats{{Addr: netip.MustParseAddrPort("192.0.2.53:53"), Queries: 9, Failures: 4}}},
	})
	for _, want := range []string{
		`vnetmgr_network_active{bridge="virbr0",network="default"} 1`,
		`vnetmgr_network_ports{network="default"} 3`,
		`vnetmgr_dhcp_replies_total{family="4",network="default",type="ack"} 17`,
		`vnetmgr_dhcp_pool_addresses{family="4",network="default"} 253`,
		`vnetmgr_dhcp_pool_taken_addresses{family="4",network="default"} 42`,
		`vnetmgr_tftp_files_total{network="default"} 3`,
		`vnetmgr_dns_upstream_failures_total{server="192.0.2.53:53"} 4`,
		`vnetmgr_network_active{bridge="",network="\"odd \\xff \\\"name\\\"\""} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(text, `vnetmgr_dhcp_pool_addresses{family="6"`) {
		t.Error("a network without DHCPv6 has a pool of it")
	}
}

func TestOnlyLocalAddressesAreListenedOn(t *testing.T) {
	for _, addr := range []string{"", "9177", ":9177", "0.0.0.0:9177", "192.168.122.1:9177", "localhost:9177", "[fe80::1]:9177", "metrics.sock"} {
		if l, err := metrics.Listen(addr); err == nil {
			l.Close()
			t.Errorf("%q is listened on", addr)
		} else if !strings.Contains(err.Error(), "metrics") {
			t.Errorf("%q: %v", addr, err)
		}
	}
	l, err := metrics.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestSocketIsServedForRootAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "metrics.sock")
	serve := func() (stop func()) {
		l, err := metrics.Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- metrics.Serve(ctx, l, metrics.Handler(slog.New(slog.DiscardHandler), func() network.Stats { return network.Stats{} }))
		}()
		return func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	stop := serve()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info.Mode(), err)
	}
	if _, err := metrics.Listen(path); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("the socket of a program that runs: %v", err)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	resp, err := client.Get("http://localhost/metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.Contains(string(body), "process_resident_memory_bytes") {
		t.Errorf("%v: %s", err, body)
	}
	client.CloseIdleConnections()
	stop()
	// One that a killed daemon left is taken over.
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	serve()()
}
