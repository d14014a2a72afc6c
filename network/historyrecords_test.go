package network

import (
	"context"
	"errors"
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

// What came in the moment in which a network ends is written down, too.
func TestHistoryHasWhatCameLast(t *testing.T) {
	s := newSite(t)
	ref := s.mustStart(leasedDoc)
	table := lease.NewTable()
	feed := table.Subscribe()
	defer feed.Close()
	now := time.Now()
	l := lease.Lease{Addr: netip.MustParseAddr("192.168.68.9"), MAC: net.HardwareAddr{2, 0, 0, 0, 0, 9}, Start: now, Expiry: now.Add(time.Hour)}
	if err := table.Bind(l, func(error) {}); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.writeRest(ended, "leased", table, feed); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	kerneltest.Wait(t, 10*time.Second, "the last lease", func() bool {
		records, err := s.History(ref.UUID, journal.Filter{Addr: l.Addr})
		return err == nil && len(records) == 1
	})
}
