package lease

import (
	"testing"
	"time"
)

func TestTakenOverLeasesAreRight(t *testing.T) {
	table := smallTable()
	bind(t, table, "10.0.0.2", 1) // goes to another client
	bind(t, table, "10.0.0.3", 2) // moves to .5
	bind(t, table, "10.0.0.6", 3) // is renewed
	later := time.Now().Add(10 * time.Hour).Truncate(time.Second)
	taken := []Lease{
		{Addr: addr("10.0.0.2"), MAC: mac(7), Expiry: later},
		{Addr: addr("10.0.0.5"), MAC: mac(2), Expiry: later},
		{Addr: addr("10.0.0.6"), MAC: mac(3), Expiry: later},
		{Addr: addr("10.0.0.8"), MAC: mac(8)}, // never ends
	}
	for _, changed := range []int{4, 0} {
		if n, err := table.TakeOver(taken); n != changed || err != nil {
			t.Errorf("took over %d, %v; want %d", n, err, changed)
		}
		for _, want := range taken {
			got, ok := table.Lookup(want.Addr)
			if !ok || got.MAC.String() != want.MAC.String() || !got.Expiry.Equal(want.Expiry) {
				t.Errorf("%s: %v, want %v", want.Addr, got, want)
			}
		}
		if l, ok := table.Lookup(addr("10.0.0.3")); ok {
			t.Errorf("a client has two addresses: %v", l)
		}
	}
}
