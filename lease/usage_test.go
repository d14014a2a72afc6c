package lease

import (
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"
)

func TestUsageCountsWhatThePoolGave(t *testing.T) {
	addr := func(last byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 168, 122, last}) }
	bind := func(table *Table, last byte) {
		t.Helper()
		l := Lease{Addr: addr(last), MAC: net.HardwareAddr{2, 0, 0, 0, 0, last}, Start: time.Now(), Expiry: time.Now().Add(time.Hour)}
		done := make(chan error, 1)
		if err := table.Bind(l, func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	pool := Pool{
		Ranges:   []Range{{Start: addr(10), End: addr(19)}, {Start: addr(15), End: addr(24)}},
		Reserved: []netip.Addr{addr(12), addr(99)},
	}
	path := filepath.Join(t.TempDir(), "leases.db")
	store, err := OpenStore(path, quiet())
	if err != nil {
		t.Fatal(err)
	}
	table := store.Table("default")
	table.SetPool(pool)
	check := func(when string, table *Table, want Usage) {
		t.Helper()
		if got := table.Usage(); got != want {
			t.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	check("at first", table, Usage{Size: 14})
	bind(table, 10)
	bind(table, 11)
	bind(table, 12) // reserved
	bind(table, 50) // not in a range
	check("with four leases", table, Usage{Size: 14, Leased: 2})
	bind(table, 11) // renewed
	check("after a renewal", table, Usage{Size: 14, Leased: 2})
	table.Release(addr(10), nil)
	check("after a release", table, Usage{Size: 14, Leased: 1})
	table.Decline(addr(11), time.Now().Add(time.Hour), nil)
	check("after a decline", table, Usage{Size: 14, Kept: 1})
	bind(table, 13)
	table.SetPool(Pool{Ranges: []Range{{Start: addr(13), End: addr(60)}}})
	check("with another pool", table, Usage{Size: 48, Leased: 2, Kept: 1})
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if store, err = OpenStore(path, quiet()); err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	table = store.Table("default")
	table.SetPool(pool)
	check("when read again", table, Usage{Size: 14, Leased: 1})
}
