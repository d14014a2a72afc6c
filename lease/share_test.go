package lease

import (
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// behind is a client that was never there, behind a port.
func behind(n byte, port int) Client {
	return Client{MAC: net.HardwareAddr{0x52, 0x54, 0, 0, 1, n}, Port: port}
}

// take gives addresses to new clients behind a port until there are no more.
func take(t *testing.T, table *Table, port int, start byte) (taken int) {
	t.Helper()
	for ; taken < 200; taken++ {
		c := behind(start+byte(taken), port)
		a, ok := table.Choose(c, time.Now())
		if !ok {
			return taken
		}
		if err := table.Bind(Lease{Addr: a, MAC: c.MAC, Port: port}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return taken
}

func TestAPortGetsHalfOfWhatIsLeft(t *testing.T) {
	table := NewTable()
	table.SetPool(Pool{Ranges: []Range{{addr("10.0.0.1"), addr("10.0.0.20")}}})
	for i, want := range []int{10, 5, 3, 1, 1} {
		if got := take(t, table, i+1, byte(40*i)); got != want {
			t.Errorf("port %d got %d addresses, want %d", i+1, got, want)
		}
	}
	if !table.HasShare(behind(0, 1)) {
		t.Error("the first port could have more")
	}
	if busy, total := table.Use(false); busy != 20 || total != 20 {
		t.Errorf("%d of %d busy", busy, total)
	}
	// What it gives back it may have again, but not more.
	table.Release(addr("10.0.0.1"), nil)
	l, _ := table.Lookup(addr("10.0.0.2"))
	if c := l.Client(); !table.Available(l.Addr, c, time.Now()) {
		t.Error("a client may not keep what it has")
	}
}

func TestOffersAndDeclinesCountToo(t *testing.T) {
	table := NewTable()
	table.SetPool(Pool{Ranges: []Range{{addr("10.0.0.1"), addr("10.0.0.20")}}})
	now := time.Now()
	for i := range byte(5) {
		c := behind(i, 1)
		a, _ := table.Choose(c, now)
		table.Hold(a, c, now.Add(time.Minute))
	}
	for i := range byte(5) {
		c := behind(10+i, 1)
		a, _ := table.Choose(c, now)
		if err := table.Bind(Lease{Addr: a, MAC: c.MAC, Port: 1}, nil); err != nil {
			t.Fatal(err)
		}
		table.Decline(a, now.Add(time.Minute), nil)
	}
	if _, ok := table.Choose(behind(30, 1), now); ok {
		t.Error("the port got more than half")
	}
	free, ok := table.Choose(behind(31, 2), now)
	if !ok || !table.Available(free, behind(31, 2), now) || table.Available(free, behind(30, 1), now) {
		t.Error("the port may have a free address that it asks for, or another may not")
	}
	if _, ok := table.Choose(behind(30, 1), now.Add(2*time.Minute)); !ok {
		t.Error("the port gets nothing when all has lapsed")
	}
}

func TestUnsharedAndUnknownPortsHaveNoLimit(t *testing.T) {
	for _, c := range []struct {
		port     int
		unshared bool
	}{{0, false}, {1, true}} {
		table := NewTable()
		table.SetPool(Pool{Ranges: []Range{{addr("10.0.0.1"), addr("10.0.0.20")}}, Unshared: c.unshared})
		if got := take(t, table, c.port, 0); got != 20 {
			t.Errorf("%+v: got %d", c, got)
		}
	}
}

func TestClonesAreTwoClientsAlsoAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases")
	log := slog.New(slog.DiscardHandler)
	for _, six := range []bool{false, true} {
		store, err := OpenStore(path, log)
		if err != nil {
			t.Fatal(err)
		}
		table := store.Table("n")
		addrs := []string{"10.0.0.1", "10.0.0.2"}
		if six {
			addrs = []string{"fd00::1", "fd00::2"}
		}
		one := Lease{Addr: addr(addrs[0]), MAC: behind(1, 0).MAC, ClientID: []byte("id")}
		two := Lease{Addr: addr(addrs[1]), MAC: behind(2, 0).MAC, ClientID: []byte("id"), Clone: true}
		asks := Client{ID: []byte("id"), MAC: two.MAC, Six: six}
		if _, _, ok := table.Rival(asks, time.Now()); ok {
			t.Error("there is a rival already")
		}
		done := make(chan error, 2)
		for _, l := range []Lease{one, two} {
			if err := table.Bind(l, func(err error) { done <- err }); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if store, err = OpenStore(path, log); err != nil {
			t.Fatal(err)
		}
		table = store.Table("n")
		c, _ := table.Identify(asks)
		if l, ok := table.LookupClient(c); !ok || l.Addr != two.Addr || !c.Clone {
			t.Errorf("the clone has %v", l)
		}
		c, _ = table.Identify(Client{ID: []byte("id"), MAC: one.MAC, Six: six})
		if l, ok := table.LookupClient(c); !ok || l.Addr != one.Addr || c.Clone {
			t.Errorf("the first has %v", l)
		}
		third := Client{ID: []byte("id"), MAC: behind(3, 0).MAC, Six: six}
		if l, heard, ok := table.Rival(third, time.Now()); !ok || l.Addr != one.Addr || !heard.IsZero() {
			t.Errorf("a third has the rival %v, heard %v", l, heard)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
