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

func TestHistoryNamesBothOfTwoClones(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(leasedDoc)
	var leases []lease.Lease
	for last := range byte(2) {
		now := time.Now()
		leases = append(leases, lease.Lease{
			Addr: netip.AddrFrom4([4]byte{192, 168, 68, 5 + last}), MAC: net.HardwareAddr{0x52, 0x54, 0, 0, 0x68, last},
			ClientID: []byte{0, 1, 2, 3}, Clone: last > 0, Start: now, Expiry: now.Add(time.Hour),
		})
	}
	if n, err := s.byID[ref.UUID].leases.Import(leases); n != 2 || err != nil {
		t.Fatalf("bind: %d, %v", n, err)
	}
	of := make(map[string]string)
	kerneltest.Wait(t, 10*time.Second, "both records", func() bool {
		records, err := s.History(ref.UUID, journal.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			of[r.MAC.String()] = r.CloneOf.String()
		}
		return len(records) == 2
	})
	first, clone := leases[0].MAC.String(), leases[1].MAC.String()
	if of[first] != "" || of[clone] != first {
		t.Errorf("clones and whose they are: %v", of)
	}
}
