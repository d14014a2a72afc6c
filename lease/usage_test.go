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
	check := func(when string, table *Table, want [2]int) {
		t.Helper()
		if busy, total := table.Use(false); busy != want[0] || total != want[1] {
			t.Errorf("%s: %d of %d, want %d of %d", when, busy, total, want[0], want[1])
		}
	}
	check("at first", table, [2]int{0, 14})
	bind(table, 10)
	bind(table, 11)
	bind(table, 12) // reserved
	bind(table, 50) // not in a range
	check("with four leases", table, [2]int{2, 14})
	bind(table, 11) // renewed
	check("after a renewal", table, [2]int{2, 14})
	table.Release(addr(10), nil)
	check("after a release", table, [2]int{1, 14})
	table.Decline(addr(11), time.Now().Add(time.Hour), nil)
	check("after a decline", table, [2]int{1, 14})
	bind(table, 13)
	table.SetPool(Pool{Ranges: []Range{{Start: addr(13), End: addr(60)}}})
	check("with another pool", table, [2]int{2, 48})
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if store, err = OpenStore(path, quiet()); err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	table = store.Table("default")
	table.SetPool(pool)
	check("when read again", table, [2]int{1, 14})
}
