package lease

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var addrs = cmpopts.EquateComparable(netip.Addr{})

// mac returns the hardware address 52:54:00 with n in its lower half.
func mac(n int) net.HardwareAddr {
	return net.HardwareAddr{0x52, 0x54, 0, byte(n >> 16), byte(n >> 8), byte(n)}
}

func client(n int) Client { return Client{MAC: mac(n)} }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// smallTable has four addresses, .2 to .5.
func smallTable() *Table {
	t := NewTable()
	t.SetPool(Pool{Ranges: []Range{{addr("10.0.0.2"), addr("10.0.0.5")}}})
	return t
}

// bind binds an address for an hour.
func bind(t *testing.T, table *Table, a string, n int) {
	t.Helper()
	l := Lease{Addr: addr(a), MAC: mac(n), Start: time.Now(), Expiry: time.Now().Add(time.Hour)}
	if err := table.Bind(l, nil); err != nil {
		t.Fatal(err)
	}
}

func choose(t *testing.T, table *Table, n int) string {
	t.Helper()
	a, ok := table.Choose(client(n), time.Now())
	if !ok {
		return "none"
	}
	return a.String()
}

func TestChoiceIsWhereDnsmasqsIs(t *testing.T) {
	// What dnsmasq 2.90 offered in the range .2 to .254.
	table := NewTable()
	table.SetPool(Pool{Ranges: []Range{{addr("192.168.122.2"), addr("192.168.122.254")}}})
	for n, want := range map[int]string{1: "192.168.122.27", 2: "192.168.122.28", 0x31: "192.168.122.75", 0x40: "192.168.122.90"} {
		if got := choose(t, table, n); got != want {
			t.Errorf("MAC %s: chose %s, want %s", mac(n), got, want)
		}
	}
}

func TestEveryAddressIsGivenOnceAndThenNone(t *testing.T) {
	table := smallTable()
	var got []string
	for n := range 4 {
		a := choose(t, table, n)
		got = append(got, a)
		bind(t, table, a, n)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"}, got); diff != "" {
		t.Error(diff)
	}
	if a := choose(t, table, 9); a != "none" {
		t.Errorf("chose %s of a full pool", a)
	}
}

func TestReservedAddressIsNotChosen(t *testing.T) {
	table := NewTable()
	table.SetPool(Pool{
		Ranges:   []Range{{addr("10.0.0.2"), addr("10.0.0.4")}, {addr("10.0.0.3"), addr("10.0.0.6")}},
		Reserved: []netip.Addr{addr("10.0.0.3"), addr("10.0.0.4"), addr("10.0.0.6")},
	})
	var got []string
	for n := range 2 {
		a := choose(t, table, n)
		got = append(got, a)
		bind(t, table, a, n)
	}
	if diff := cmp.Diff([]string{"10.0.0.2", "10.0.0.5"}, got); diff != "" {
		t.Error(diff)
	}
	if a := choose(t, table, 9); a != "none" {
		t.Errorf("chose %s, which is reserved", a)
	}
}

func TestEndedLeaseIsRememberedForItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := smallTable()
		defer table.close()
		bind(t, table, "10.0.0.5", 1)
		bind(t, table, "10.0.0.4", 2)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := table.Leases(); len(got) != 0 {
			t.Fatalf("leases after their end: %v", got)
		}
		if a := choose(t, table, 1); a != "10.0.0.5" {
			t.Errorf("returning client gets %s", a)
		}
		// Others get what nobody had, and only then the longest unused.
		for n, want := range []string{"10.0.0.2", "10.0.0.3", "10.0.0.5"} {
			if n == 0 && choose(t, table, 100) == "10.0.0.3" {
				want = "10.0.0.3"
			} else if n == 1 && choose(t, table, 101) == "10.0.0.2" {
				want = "10.0.0.2"
			}
			if a := choose(t, table, 100+n); a != want {
				t.Errorf("new client %d gets %s, want %s", n, a, want)
			}
			bind(t, table, choose(t, table, 100+n), 100+n)
		}
	})
}

func TestHeldAddressIsOfferedToNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := smallTable()
		defer table.close()
		a := addr(choose(t, table, 1))
		table.Hold(a, client(1), time.Now().Add(30*time.Second))
		if table.Available(a, client(2), time.Now()) || choose(t, table, 2) == a.String() {
			t.Error("a held address was offered to another client")
		}
		if got := choose(t, table, 1); got != a.String() {
			t.Errorf("the client itself gets %s", got)
		}
		l := Lease{Addr: a, MAC: mac(2)}
		if err := table.Bind(l, nil); !errors.Is(err, ErrTaken) {
			t.Errorf("bind of a held address: %v", err)
		}
		time.Sleep(30 * time.Second)
		if !table.Available(a, client(2), time.Now()) {
			t.Error("the address is still held")
		}
	})
}

func TestUntakenOfferGivesWayWhenNothingElseIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := smallTable()
		defer table.close()
		for n := range 4 {
			a := addr(choose(t, table, n))
			table.Hold(a, client(n), time.Now().Add(30*time.Second))
		}
		if a := choose(t, table, 9); a != "none" {
			t.Errorf("chose %s, which was offered just now", a)
		}
		time.Sleep(time.Second)
		first := addr(choose(t, table, 0))
		if a := choose(t, table, 9); a != first.String() {
			t.Errorf("chose %s, want the oldest offer's %s", a, first)
		}
		table.Hold(first, client(9), time.Now().Add(30*time.Second))
		if table.Available(first, client(0), time.Now()) {
			t.Error("the address is still the first client's")
		}
	})
}

func TestReservedAddressIsNotLostToAStranger(t *testing.T) {
	table := NewTable()
	table.SetPool(Pool{Ranges: []Range{{addr("10.0.0.2"), addr("10.0.0.9")}}, Reserved: []netip.Addr{addr("10.0.0.3")}})
	table.Seen(addr("10.0.0.3"), mac(9), time.Now().Add(time.Minute))
	if !table.Available(addr("10.0.0.3"), client(1), time.Now()) {
		t.Error("a stranger's word keeps the reserved address from its client")
	}
}

func TestDeclinedAddressIsAvoidedForATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := smallTable()
		defer table.close()
		a := choose(t, table, 1)
		bind(t, table, a, 1)
		table.Decline(addr(a), time.Now().Add(600*time.Second), nil)
		if _, ok := table.LookupClient(client(1)); ok {
			t.Error("the declined lease lives")
		}
		if got := choose(t, table, 1); got == a {
			t.Error("the declined address was chosen again")
		}
		time.Sleep(600 * time.Second)
		if got := choose(t, table, 1); got != a {
			t.Errorf("after 600 s chose %s, want %s", got, a)
		}
	})
}

func TestAtMostHalfOfThePoolIsAvoided(t *testing.T) {
	table := smallTable()
	until := time.Now().Add(time.Hour)
	for i := 2; i <= 5; i++ {
		table.Seen(addr(fmt.Sprintf("10.0.0.%d", i)), mac(66), until)
	}
	if a := choose(t, table, 1); a != "10.0.0.2" && a != "10.0.0.3" {
		t.Errorf("chose %s", a)
	}
}

func TestSightings(t *testing.T) {
	table := smallTable()
	until := time.Now().Add(time.Minute)
	bind(t, table, "10.0.0.2", 1)
	table.Hold(addr("10.0.0.3"), client(2), until)
	for _, tt := range []struct {
		name, addr string
		mac        int
		want       Sighting
	}{
		{"the lease's client", "10.0.0.2", 1, Rightful},
		{"another than the lease's client", "10.0.0.2", 9, Conflict},
		{"the client that was offered it", "10.0.0.3", 2, Rightful},
		{"another than who was offered it", "10.0.0.3", 9, Stranger},
		{"a free address", "10.0.0.4", 9, Stranger},
		{"an address outside the pool", "10.0.0.77", 9, Rightful},
	} {
		if got := table.Seen(addr(tt.addr), mac(tt.mac), until); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	if table.Available(addr("10.0.0.3"), client(2), time.Now()) {
		t.Error("an offered address that a stranger uses can still be had")
	}
	if !table.Available(addr("10.0.0.4"), client(9), time.Now()) {
		t.Error("who uses an address cannot have it")
	}
}

func TestClientIsFoundByIdentifierOrElseHardwareAddress(t *testing.T) {
	id := func(n int, s string) Client { return Client{ID: []byte(s), MAC: mac(n)} }
	for _, tt := range []struct {
		name        string
		had, asking Client
		want        bool
	}{
		{"same identifier, other hardware", id(1, "x"), id(2, "x"), true},
		{"other identifier, same hardware", id(1, "x"), id(1, "y"), false},
		{"identifier is new", client(1), id(1, "x"), true},
		{"identifier is gone", id(1, "x"), client(1), true},
		{"stranger", id(1, "x"), client(2), false},
	} {
		table := smallTable()
		l := Lease{Addr: addr("10.0.0.2"), ClientID: tt.had.ID, MAC: tt.had.MAC}
		if err := table.Bind(l, nil); err != nil {
			t.Fatal(err)
		}
		if _, got := table.LookupClient(tt.asking); got != tt.want {
			t.Errorf("%s: found %v", tt.name, got)
		}
	}
}

func TestClientThatMovesGivesUpItsAddress(t *testing.T) {
	table := smallTable()
	bind(t, table, "10.0.0.2", 1)
	bind(t, table, "10.0.0.3", 1)
	if _, ok := table.Lookup(addr("10.0.0.2")); ok {
		t.Error("the old lease lives")
	}
	if got := len(table.Leases()); got != 1 {
		t.Errorf("%d leases", got)
	}
}

func TestNameBelongsToTheLatestThatClaimsIt(t *testing.T) {
	table := smallTable()
	for i, name := range []string{"Web", "wEB"} {
		l := Lease{Addr: addr(fmt.Sprintf("10.0.0.%d", 2+i)), MAC: mac(i), Hostname: name}
		if err := table.Bind(l, nil); err != nil {
			t.Fatal(err)
		}
	}
	got, ok := table.LookupName("web")
	if !ok || got.Addr != addr("10.0.0.3") {
		t.Errorf("web is %v", got.Addr)
	}
	if old, _ := table.Lookup(addr("10.0.0.2")); old.Hostname != "" {
		t.Errorf("the older lease is still called %q", old.Hostname)
	}
}

func TestFeedTellsWhatHappenedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := smallTable()
		defer table.close()
		feed := table.Subscribe()
		bind(t, table, "10.0.0.2", 1)
		bind(t, table, "10.0.0.2", 1)
		bind(t, table, "10.0.0.3", 2)
		table.Release(addr("10.0.0.3"), nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		changes, err := feed.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range changes {
			got = append(got, c.Kind.String()+" "+c.Lease.Addr.String())
		}
		want := []string{"added 10.0.0.2", "renewed 10.0.0.2", "added 10.0.0.3", "released 10.0.0.3", "expired 10.0.0.2"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
		feed.Close()
		if _, err := feed.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("closed feed: %v", err)
		}
	})
}

func TestSlowReaderKeepsTheLastChangeOfEachAddress(t *testing.T) {
	table := smallTable()
	feed := table.Subscribe()
	for range 3 * maxQueued {
		bind(t, table, "10.0.0.2", 1)
		bind(t, table, "10.0.0.3", 2)
	}
	table.Release(addr("10.0.0.2"), nil)
	if len(feed.queue) > maxQueued {
		t.Errorf("%d changes wait", len(feed.queue))
	}
	changes, err := feed.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if last := changes[len(changes)-1]; last.Kind != Released || last.Lease.Addr != addr("10.0.0.2") {
		t.Errorf("last change is %v of %v", last.Kind, last.Lease.Addr)
	}
}

func TestRenewedLeaseOutlivesItsFirstEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := smallTable()
		defer table.close()
		bind(t, table, "10.0.0.2", 1)
		time.Sleep(50 * time.Minute)
		bind(t, table, "10.0.0.2", 1)
		time.Sleep(50 * time.Minute)
		synctest.Wait()
		if _, ok := table.Lookup(addr("10.0.0.2")); !ok {
			t.Error("the renewed lease ended with the first")
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if _, ok := table.Lookup(addr("10.0.0.2")); ok {
			t.Error("the lease never ends")
		}
	})
}

func TestBitTreeFindsTheNextMember(t *testing.T) {
	const n = 70000
	tree := newBitTree(n)
	members := []int{0, 63, 64, 4095, 4096, 65535, 69999}
	for _, m := range members {
		tree.add(m)
	}
	for i := range n {
		want := -1
		if at, _ := slices.BinarySearch(members, i); at < len(members) {
			want = members[at]
		}
		if got := tree.next(i); got != want {
			t.Fatalf("next(%d) = %d, want %d", i, got, want)
		}
	}
	for _, m := range members {
		tree.remove(m)
	}
	if got := tree.next(0); got != -1 {
		t.Errorf("next of the empty set is %d", got)
	}
}

func BenchmarkChoose(b *testing.B) {
	for _, held := range []int{100, 65000} {
		b.Run(fmt.Sprintf("held=%d", held), func(b *testing.B) {
			table := NewTable()
			table.SetPool(Pool{Ranges: []Range{{addr("10.0.0.0"), addr("10.0.255.255")}}})
			for n := range held {
				a, _ := table.Choose(client(n), time.Time{})
				if err := table.Bind(Lease{Addr: a, MAC: mac(n)}, nil); err != nil {
					b.Fatal(err)
				}
			}
			n := 0
			for b.Loop() {
				n++
				if _, ok := table.Choose(client(1<<20+n), time.Time{}); !ok {
					b.Fatal("none is left")
				}
			}
		})
	}
}
