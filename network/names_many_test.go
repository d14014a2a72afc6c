package network

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/lease"
)

// A guest that takes leases without end (DHCPv6 clients behind one MAC) costs
// no more with each: the names of thousands are a matter of a moment.
func TestAGuestWithVeryManyLeasesCostsLittle(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	srv := dns.NewServer(log, dns.Config{}, dns.NewResolver(log, dns.ResolverConfig{}))
	n := newNames(log, srv)
	n.reset(dns.Config{}, nil)
	mac := net.HardwareAddr{0x52, 0x54, 0, 0, 0, 1}
	start := time.Now()
	for i := range 5000 {
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		n.set([]lease.Change{{Kind: lease.Added, Lease: lease.Lease{Addr: addr, MAC: mac, ClientID: fmt.Append(nil, i)}}})
		n.set([]lease.Change{{Kind: lease.Renewed, Lease: lease.Lease{Addr: addr, MAC: mac, ClientID: fmt.Append(nil, i)}}})
	}
	n.set([]lease.Change{{Kind: lease.Added, Lease: lease.Lease{Addr: netip.MustParseAddr("10.0.0.1"), MAC: mac, Hostname: "late"}}})
	if got := len(n.named); got != 1 || n.hostName(macKey(mac)) != "late" {
		t.Errorf("%d addresses have a name, the guest is called %q", got, n.hostName(macKey(mac)))
	}
	n.set([]lease.Change{{Kind: lease.Released, Lease: lease.Lease{Addr: netip.MustParseAddr("10.0.0.1"), MAC: mac, Hostname: "late"}}})
	if len(n.named) != 0 {
		t.Errorf("%d addresses have a name when none is left", len(n.named))
	}
	// Looking at all leases for each took minutes.
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("10,000 changes took %v", took)
	}
}
