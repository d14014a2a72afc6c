package lease

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("LEASE_TEST_WRITER"); path != "" {
		writeForever(path)
	}
	goleak.VerifyTestMain(m)
}

const network = "3f2c9d1e-0000-4000-8000-000000000001"

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := OpenStore(path, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// numbered is the lease of the address 10.0.0.0 + n, which only depends on n.
func numbered(n int) Lease {
	return Lease{
		Addr: addTo(addr("10.0.0.0"), n), MAC: mac(n), HType: 1, ClientID: []byte{1, byte(n >> 8), byte(n)},
		Hostname: fmt.Sprintf("host-%d", n),
		Start:    time.Unix(1700000000, 0), Expiry: time.Unix(4000000000, int64(n)),
	}
}

// put binds leases and waits until they are on disk.
func put(table *Table, leases ...Lease) error {
	done := make(chan error, len(leases))
	for _, l := range leases {
		if err := table.Bind(l, func(err error) { done <- err }); err != nil {
			done <- err
		}
	}
	var errs []error
	for range leases {
		errs = append(errs, <-done)
	}
	return errors.Join(errs...)
}

func mustPut(t *testing.T, table *Table, leases ...Lease) {
	t.Helper()
	if err := put(table, leases...); err != nil {
		t.Fatal(err)
	}
}

func numberedUpTo(n int) []Lease {
	var leases []Lease
	for i := range n {
		leases = append(leases, numbered(i))
	}
	return leases
}

func TestLeasesAreThereAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.db")
	s := open(t, path)
	six := Lease{Addr: addr("2001:db8::5"), ClientID: []byte{0, 4, 9}, IAID: 7, ServerDUID: []byte{0, 3}, Start: time.Unix(5, 0)}
	mustPut(t, s.Table(network), numbered(1), numbered(2), numbered(3), six)
	mustPut(t, s.Table("other"), numbered(9))
	s.Table(network).Decline(numbered(2).Addr, time.Now(), nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	if diff := cmp.Diff([]Lease{numbered(1), numbered(3), six}, s.Table(network).Leases(), addrs); diff != "" {
		t.Errorf("leases (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Lease{numbered(9)}, s.Table("other").Leases(), addrs); diff != "" {
		t.Errorf("leases of the other network (-want +got):\n%s", diff)
	}
}

func TestEndedLeaseIsRememberedAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.db")
	s := open(t, path)
	short := numbered(3)
	short.Expiry = time.Now().Add(-time.Second)
	mustPut(t, s.Table(network), numbered(2), short)
	s.Table(network).Release(numbered(2).Addr, nil)
	s.Close()
	s = open(t, path)
	table := s.Table(network)
	table.SetPool(Pool{Ranges: []Range{{addr("10.0.0.1"), addr("10.0.0.99")}}})
	for n := 2; n <= 3; n++ {
		if a, _ := table.Choose(numbered(n).Client(), time.Now().Add(time.Second)); a != numbered(n).Addr {
			t.Errorf("returning client %d gets %s", n, a)
		}
	}
}

func TestDroppedNetworkIsForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.db")
	s := open(t, path)
	table := s.Table(network)
	mustPut(t, table, numbered(1))
	if err := s.Drop(network); err != nil {
		t.Fatal(err)
	}
	if err := put(table, numbered(2)); !errors.Is(err, ErrClosed) {
		t.Errorf("a dropped table took a lease: %v", err)
	}
	mustPut(t, s.Table(network), numbered(3))
	s.Close()
	s = open(t, path)
	if diff := cmp.Diff([]Lease{numbered(3)}, s.Table(network).Leases(), addrs); diff != "" {
		t.Errorf("leases (-want +got):\n%s", diff)
	}
}

func TestSecondOpenerIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.db")
	open(t, path)
	_, err := OpenStore(path, quiet())
	if want := fmt.Sprintf("in use by another daemon (pid %d)", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("second open: %v, want %q", err, want)
	}
}

// written returns a lease file that holds leases 0 to n-1, with the offsets
// at which each ends.
func written(t *testing.T, n int) (file []byte, ends []int) {
	t.Helper()
	file = []byte(fileHeader)
	for i := range n {
		file = appendFrame(file, entry{kind: putRecord, network: network, lease: numbered(i)})
		ends = append(ends, len(file))
	}
	return file, ends
}

func TestFileCutOffAnywhereKeepsAllBefore(t *testing.T) {
	file, ends := written(t, 20)
	for range 60 {
		cut := len(fileHeader) + rand.IntN(len(file)-len(fileHeader))
		path := filepath.Join(t.TempDir(), "leases.db")
		if err := os.WriteFile(path, file[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		whole := 0
		for whole < len(ends) && ends[whole] <= cut {
			whole++
		}
		s := open(t, path)
		mustPut(t, s.Table(network), numbered(100))
		s.Close()
		s = open(t, path)
		want := append(numberedUpTo(whole), numbered(100))
		if diff := cmp.Diff(want, s.Table(network).Leases(), addrs); diff != "" {
			t.Fatalf("cut at %d (-want +got):\n%s", cut, diff)
		}
		s.Close()
	}
}

func TestDamageInsideCostsOnlyWhatItHit(t *testing.T) {
	file, ends := written(t, 20)
	for _, tt := range []struct {
		name   string
		damage func([]byte) []byte
		lost   []int // which leases
	}{
		{"a byte of the third", func(b []byte) []byte { b[ends[2]-3] ^= 1; return b }, []int{2}},
		{"the length of the third", func(b []byte) []byte { b[ends[1]+2] = 0xff; return b }, []int{2}},
		{"zeros over two", func(b []byte) []byte { clear(b[ends[4]+1 : ends[6]]); return b }, []int{5, 6}},
		{"two cut out", func(b []byte) []byte { return append(b[:ends[4]+9], b[ends[6]:]...) }, []int{5, 6}},
		{"the header", func(b []byte) []byte { clear(b[:10]); return b }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "leases.db")
			damaged := tt.damage(bytes.Clone(file))
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			s, err := OpenStore(path, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			s = open(t, path)
			want := numberedUpTo(20)
			for i := len(tt.lost) - 1; i >= 0; i-- {
				want = append(want[:tt.lost[i]], want[tt.lost[i]+1:]...)
			}
			if diff := cmp.Diff(want, s.Table(network).Leases(), addrs); diff != "" {
				t.Errorf("leases (-want +got):\n%s", diff)
			}
			saved, err := os.ReadFile(path + ".corrupt")
			if err != nil || !bytes.Equal(saved, damaged) {
				t.Errorf("the damaged file was not saved: %v", err)
			}
			if !strings.Contains(log.String(), "damaged") {
				t.Errorf("log says %q", log.String())
			}
		})
	}
}

func TestLogSaysHowMuchOfADamagedFileIsLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("garbage "), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, err := OpenStore(path, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if !strings.Contains(log.String(), "leases=0 lost_bytes=800") {
		t.Errorf("log says %q", log.String())
	}
}

func TestFileOfALaterVersionIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.db")
	frame := appendFrame([]byte(fileHeader), entry{kind: 99, network: network})
	if err := os.WriteFile(path, frame, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(path, quiet()); err == nil || !strings.Contains(err.Error(), "later version") {
		t.Errorf("open: %v", err)
	}
	if got, _ := os.ReadFile(path); !bytes.Equal(got, frame) {
		t.Error("the file was changed")
	}
}

// limitFileSize makes writes beyond n bytes fail, as on a full disk, until
// the returned function is called.
func limitFileSize(t *testing.T, n uint64) (restore func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: n, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	return func() { unix.Setrlimit(unix.RLIMIT_FSIZE, &old) }
}

func TestLeaseThatCannotBeWrittenIsTakenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.db")
	s := open(t, path)
	table := s.Table(network)
	// So many that the file is larger than what the test program itself
	// writes anywhere while the limit holds.
	before := numberedUpTo(2000)
	mustPut(t, table, before...)
	feed := table.Subscribe()
	size := fileSize(t, path)

	// Half a record can still be written.
	restore := limitFileSize(t, uint64(size+30))
	moved := numbered(1)
	moved.Addr, moved.Hostname = addr("10.200.0.77"), "host-2"
	err := put(table, moved)
	restore()
	if err == nil {
		t.Fatal("a full disk took a lease")
	}
	if diff := cmp.Diff(before, table.Leases(), addrs); diff != "" {
		t.Errorf("leases after a full disk (-want +got):\n%s", diff)
	}
	for n := 1; n <= 2; n++ {
		got, _ := table.LookupClient(numbered(n).Client())
		if diff := cmp.Diff(numbered(n), got, addrs); diff != "" {
			t.Errorf("client %d (-want +got):\n%s", n, diff)
		}
	}
	if got := fileSize(t, path); got != size {
		t.Errorf("file has %d bytes, want %d", got, size)
	}

	// With space again, all goes on, also after a restart.
	mustPut(t, table, numbered(2001))
	if changes, _ := feed.Next(t.Context()); len(changes) != 1 {
		t.Errorf("changes: %v", changes)
	}
	s.Close()
	s = open(t, path)
	if diff := cmp.Diff(append(before, numbered(2001)), s.Table(network).Leases(), addrs); diff != "" {
		t.Errorf("leases after reopening (-want +got):\n%s", diff)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

func TestLogIsCompactedWhileItIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.db")
	s := open(t, path)
	table := s.Table(network)
	mustPut(t, table, numberedUpTo(300)...)
	var writers sync.WaitGroup
	const rounds = 400
	for part := range 4 {
		writers.Go(func() {
			for round := range rounds {
				var leases []Lease
				for n := part * 75; n < part*75+75; n++ {
					l := numbered(n)
					l.Expiry = l.Expiry.Add(time.Duration(round) * time.Second)
					leases = append(leases, l)
				}
				if err := put(table, leases...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	s.running.Wait()
	if got := fileSize(t, path); got > 2*minCompact {
		t.Errorf("log has %d bytes for 300 leases", got)
	}
	want := numberedUpTo(300)
	for i := range want {
		want[i].Expiry = want[i].Expiry.Add((rounds - 1) * time.Second)
	}
	s.Close()
	s = open(t, path)
	byAddr := cmpopts.SortSlices(func(a, b Lease) bool { return a.Addr.Less(b.Addr) })
	if diff := cmp.Diff(want, s.Table(network).Leases(), addrs, byAddr); diff != "" {
		t.Errorf("leases (-want +got):\n%s", diff)
	}
}

func FuzzScan(f *testing.F) {
	file := []byte(fileHeader)
	for i := range 3 {
		file = appendFrame(file, entry{kind: putRecord, network: network, lease: numbered(i)})
	}
	file = appendFrame(file, entry{kind: forgetRecord, network: network, lease: Lease{Addr: addr("10.0.0.1")}})
	file = appendFrame(file, entry{kind: dropRecord, network: network})
	f.Add(file)
	f.Add(file[7:])
	f.Add(append(bytes.Clone(file[:60]), file[61:]...))
	f.Fuzz(func(t *testing.T, data []byte) {
		found := scan(data)
		if found.end > len(data) || found.lost > len(data) {
			t.Fatalf("end %d, lost %d of %d bytes", found.end, found.lost, len(data))
		}
		// What was read reads the same when written again.
		again := []byte(fileHeader)
		for _, e := range found.entries {
			again = appendFrame(again, e)
		}
		if diff := cmp.Diff(found.entries, scan(again).entries, addrs, cmp.AllowUnexported(entry{})); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzPayload(f *testing.F) {
	f.Add(appendPayload(nil, entry{kind: putRecord, network: network, lease: numbered(3)}))
	f.Add(appendPayload(nil, entry{kind: dropRecord, network: network}))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parsePayload(data)
		if err != nil {
			return
		}
		again, err := parsePayload(appendPayload(nil, e))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, again, addrs, cmp.AllowUnexported(entry{})); diff != "" {
			t.Error(diff)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s, err := OpenStore(filepath.Join(b.TempDir(), "leases.db"), quiet())
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			table := s.Table(network)
			next := make(chan int, 1024)
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for n := range next {
						if err := put(table, numbered(n%20000)); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for i := range b.N {
				next <- i
			}
			close(next)
			wg.Wait()
		})
	}
}

// writeForever is the helper process of the kill test: it binds leases for
// ever and prints the number of each once it is on disk.
func writeForever(path string) {
	s, err := OpenStore(path, quiet())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	table := s.Table(network)
	var out sync.Mutex
	for n := len(table.Leases()); ; n++ {
		done := make(chan struct{})
		for i := range 8 {
			m := n*8 + i
			l := Lease{Addr: addTo(addr("10.0.0.0"), m), MAC: net.HardwareAddr{2, 0, 0, byte(m >> 16), byte(m >> 8), byte(m)}}
			table.Bind(l, func(err error) {
				if err == nil {
					out.Lock()
					fmt.Println(l.Addr)
					out.Unlock()
				}
				if i == 7 {
					close(done)
				}
			})
		}
		<-done
	}
}

func TestKillLosesNoAcknowledgedLease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases.db")
	acked := make(map[netip.Addr]bool)
	for round := range 6 {
		for _, a := range runAndKill(t, path, 200+rand.IntN(2000)) {
			acked[a] = true
		}
		s := open(t, path)
		table := s.Table(network)
		for a := range acked {
			if _, ok := table.Lookup(a); !ok {
				t.Fatalf("round %d: acknowledged lease of %s is lost", round, a)
			}
		}
		s.Close()
	}
	if len(acked) < 1000 {
		t.Errorf("only %d leases were acknowledged", len(acked))
	}
}

// runAndKill runs writeForever in a process of its own until it has
// acknowledged n leases, kills it, and returns all that it acknowledged.
func runAndKill(t *testing.T, path string, n int) []netip.Addr {
	t.Helper()
	p := startWriter(t, path)
	var got []netip.Addr
	for line := range p.lines {
		a, err := netip.ParseAddr(line)
		if err != nil {
			continue // cut off by the kill
		}
		if got = append(got, a); len(got) == n {
			p.kill()
		}
	}
	p.wait()
	if len(got) < n {
		t.Fatalf("writer ended by itself after %d leases", len(got))
	}
	return got
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
