package network

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/lease"
)

func TestGuestsThatWantOthersNamesDoNotFillTheLog(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	srv := dns.NewServer(log, dns.Config{}, dns.NewResolver(log, dns.ResolverConfig{}))
	n := newNames(log, srv)
	n.reset(dns.Config{}, []dns.Name{{Addr: netip.MustParseAddr("192.168.7.2"), Names: []string{"web"}}})
	for i := range 100 {
		n.set(added(lease.Lease{Addr: netip.AddrFrom4([4]byte{192, 168, 7, byte(100 + i)}), MAC: net.HardwareAddr{2, 0, 0, 0, 0, byte(i)}, Hostname: "web"}))
	}
	if got := strings.Count(text.String(), "name=web addr=192.168.7.100 mac=02:00:00:00:00:00"); got != 1 {
		t.Errorf("the first is in the log %d times:\n%s", got, &text)
	}
	if got := strings.Count(text.String(), "name=web"); got != 1 {
		t.Errorf("%d lines for 100 guests within a minute", got)
	}
}
