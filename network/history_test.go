package network

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/journal"
	"github.com/vnetmgr/vnetmgr/lease"
)

const leasedDoc = `<network><name>leased</name><mac address='52:54:00:5d:00:18'/><bridge name='virbr8' stp='off'/>
<ip address='192.168.68.1' prefix='24'><dhcp><range start='192.168.68.2' end='192.168.68.11'/></dhcp></ip></network>`

// What became of leases is known after the daemon was away: what it saw, and
// what ended while it was not there.
func TestHistoryOutlivesLeasesAndTheDaemon(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(leasedDoc)
	bind := func(last byte, lasts time.Duration) {
		t.Helper()
		now := time.Now()
		l := lease.Lease{
			Addr: netip.AddrFrom4([4]byte{192, 168, 68, last}), MAC: net.HardwareAddr{0x52, 0x54, 0, 0, 0x68, last},
			Start: now, Expiry: now.Add(lasts), Hostname: "web",
		}
		if n, err := s.byID[ref.UUID].leases.Import([]lease.Lease{l}); n != 1 || err != nil {
			t.Fatalf("bind %s: %d, %v", l.Addr, n, err)
		}
	}
	ends := func() map[string]journal.End {
		records, err := s.History(ref.UUID, journal.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]journal.End)
		for _, r := range records {
			got[r.Addr.String()] = r.End
		}
		return got
	}
	until := func(what, addr string, end journal.End) {
		t.Helper()
		kerneltest.Wait(t, 10*time.Second, what, func() bool { got, ok := ends()[addr]; return ok && got == end })
	}
	bind(2, time.Hour)
	bind(3, time.Hour)
	until("the first lease", "192.168.68.2", journal.Held)
	until("the second lease", "192.168.68.3", journal.Held)
	s.byID[ref.UUID].leases.Release(netip.MustParseAddr("192.168.68.2"), nil)
	until("the release", "192.168.68.2", journal.Released)
	bind(4, 500*time.Millisecond)
	s.stop()
	ended := time.Now().Add(500 * time.Millisecond)
	kerneltest.Wait(t, 5*time.Second, "the end of the third lease", func() bool { return time.Now().After(ended) })
	s.start()
	until("the lease that went on", "192.168.68.3", journal.Held)
	kerneltest.Wait(t, 10*time.Second, "the lease that ended meanwhile", func() bool {
		end := ends()["192.168.68.4"]
		return end == journal.Lost || end == journal.Expired
	})
	if got := ends()["192.168.68.2"]; got != journal.Released {
		t.Errorf("the released lease is %v after a restart", got)
	}
}

// What is counted is there while a network is active.
func TestStatsTellOfServersAndPools(t *testing.T) {
	s := newSite(t)
	s.mustStart(leasedDoc)
	s.mustDefine(`<network><name>idle</name><bridge name='virbr7'/><ip address='192.168.67.1' prefix='24'/></network>`)
	stats := s.Stats().Networks
	if len(stats) != 3 || stats[1].Name != "idle" || stats[1].DNS != nil || stats[1].Active {
		t.Fatalf("stats: %+v", stats)
	}
	n := stats[2]
	if n.DHCP4 == nil || n.DNS == nil || n.DHCP6 != nil || n.Pool4 != (PoolUse{Size: 10}) {
		t.Errorf("stats of the active network: %+v", n)
	}
	s.ns.Run(t, "dig +short +time=2 @192.168.68.1 nobody.test A || :")
	if n := s.Stats().Networks[2]; n.DNS.Queries == 0 {
		t.Errorf("a query is not counted: %+v", n.DNS)
	}
}
