package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vnetmgr/vnetmgr/journal"
	"github.com/vnetmgr/vnetmgr/lease"
)

var (
	macA = net.HardwareAddr{0x52, 0x54, 0, 0, 0, 0xa}
	macB = net.HardwareAddr{0x52, 0x54, 0, 0, 0, 0xb}
	ten  = netip.MustParseAddr("192.168.122.10")
	// noon is some time that is long past: what is compared with it does not
	// depend on when the test runs.
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func open(t *testing.T, path string, limit int) *journal.Journal {
	t.Helper()
	j, damage, err := journal.Open(path, limit)
	if err != nil || damage != nil {
		t.Fatal(damage, err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func leaseOf(mac net.HardwareAddr, addr netip.Addr, start time.Time) lease.Lease {
	return lease.Lease{Addr: addr, MAC: mac, Start: start, Expiry: start.Add(time.Hour), Hostname: "web"}
}

func change(kind lease.ChangeKind, l lease.Lease) lease.Change {
	return lease.Change{Kind: kind, Lease: l}
}

func note(t *testing.T, j *journal.Journal, network string, changes ...lease.Change) {
	t.Helper()
	if err := j.Note(t.Context(), network, changes, nil); err != nil {
		t.Fatal(err)
	}
}

func query(t *testing.T, j *journal.Journal, network string, f journal.Filter) []journal.Record {
	t.Helper()
	got, err := j.Query(network, f)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// line is a record as these tests compare it, in minutes after noon, or later:
// when the test runs.
func line(r journal.Record) string {
	from := "later"
	if minutes := r.From.Sub(noon).Minutes(); minutes < 24*60 {
		from = fmt.Sprintf("%.0f", minutes)
	}
	return fmt.Sprintf("%s %s %q from %s %s", r.Addr, r.MAC, r.Hostname, from, r.End)
}

func lines(records []journal.Record) []string {
	out := []string{}
	for _, r := range records {
		out = append(out, line(r))
	}
	return out
}

func TestRecordSurvivesTheJournalWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	l := lease.Lease{
		Addr: netip.MustParseAddr("fd00::10"), MAC: macA, ClientID: []byte{0, 3, 0, 1, 9}, IAID: 7, Hostname: "web",
		Start: noon, Expiry: noon.Add(time.Hour),
	}
	j := open(t, path, 10)
	note(t, j, "default", change(lease.Added, l))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	want := []journal.Record{{
		Network: "default", Addr: l.Addr, MAC: macA, ClientID: l.ClientID, IAID: 7, Hostname: "web",
		From: noon, Until: noon.Add(time.Hour),
	}}
	got := query(t, open(t, path, 10), "default", journal.Filter{})
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error("-want +got:\n" + diff)
	}
}

func TestChangesBecomeRecords(t *testing.T) {
	a, b := leaseOf(macA, ten, noon), leaseOf(macB, ten, noon.Add(20*time.Minute))
	renewed := a
	renewed.Expiry, renewed.Hostname = noon.Add(90*time.Minute), "db"
	goesOn := leaseOf(macB, ten, noon)
	back := leaseOf(macA, ten, a.Expiry.Add(30*time.Second))
	late := leaseOf(macA, ten, a.Expiry.Add(2*time.Minute))
	for _, test := range []struct {
		name    string
		changes []lease.Change
		want    []string
	}{
		{"held", []lease.Change{change(lease.Added, a)}, []string{`192.168.122.10 52:54:00:00:00:0a "web" from 0 held`}},
		{"renamed", []lease.Change{change(lease.Added, a), change(lease.Renewed, renewed)}, []string{`192.168.122.10 52:54:00:00:00:0a "db" from 0 held`}},
		{"released", []lease.Change{change(lease.Added, a), change(lease.Released, a)}, []string{`192.168.122.10 52:54:00:00:00:0a "web" from 0 released`}},
		{"expired", []lease.Change{change(lease.Added, a), change(lease.Expired, a)}, []string{`192.168.122.10 52:54:00:00:00:0a "web" from 0 expired`}},
		{"ended unseen", []lease.Change{change(lease.Expired, a)}, []string{`192.168.122.10 52:54:00:00:00:0a "web" from 0 expired`}},
		{"another client", []lease.Change{change(lease.Added, a), change(lease.Added, b)}, []string{
			`192.168.122.10 52:54:00:00:00:0a "web" from 0 replaced`, `192.168.122.10 52:54:00:00:00:0b "web" from 20 held`}},
		{"another MAC goes on with the lease", []lease.Change{change(lease.Added, a), change(lease.Renewed, goesOn)}, []string{
			`192.168.122.10 52:54:00:00:00:0a "web" from 0 replaced`, `192.168.122.10 52:54:00:00:00:0b "web" from later held`}},
		{"back at once", []lease.Change{change(lease.Added, a), change(lease.Expired, a), change(lease.Added, back)},
			[]string{`192.168.122.10 52:54:00:00:00:0a "web" from 0 held`}},
		{"back later", []lease.Change{change(lease.Added, a), change(lease.Expired, a), change(lease.Added, late)}, []string{
			`192.168.122.10 52:54:00:00:00:0a "web" from 0 expired`, `192.168.122.10 52:54:00:00:00:0a "web" from 62 held`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := open(t, filepath.Join(t.TempDir(), "journal.db"), 10)
			note(t, j, "default", test.changes...)
			if diff := cmp.Diff(test.want, lines(query(t, j, "default", journal.Filter{}))); diff != "" {
				t.Error("-want +got:\n" + diff)
			}
		})
	}
}

func TestQueryFindsWhatIsAskedFor(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.db"), 10)
	a, b := leaseOf(macA, ten, noon), leaseOf(macB, ten, noon.Add(2*time.Hour))
	b.Hostname = "db"
	note(t, j, "default", change(lease.Added, a), change(lease.Expired, a), change(lease.Added, b))
	note(t, j, "other", change(lease.Added, a))
	first, second := `192.168.122.10 52:54:00:00:00:0a "web" from 0 expired`, `192.168.122.10 52:54:00:00:00:0b "db" from 120 held`
	moment := func(minutes int) journal.Filter {
		at := noon.Add(time.Duration(minutes) * time.Minute)
		return journal.Filter{Since: at, Until: at}
	}
	for _, test := range []struct {
		name   string
		filter journal.Filter
		want   []string
	}{
		{"everything", journal.Filter{}, []string{first, second}},
		{"newest", journal.Filter{Max: 1}, []string{second}},
		{"address", journal.Filter{Addr: ten}, []string{first, second}},
		{"other address", journal.Filter{Addr: ten.Next()}, []string{}},
		{"MAC", journal.Filter{MAC: macB}, []string{second}},
		{"name", journal.Filter{Hostname: "WEB"}, []string{first}},
		{"before the first", moment(-1), []string{}},
		{"while it was held", moment(59), []string{first}},
		{"when it had expired", moment(60), []string{}},
		{"now", moment(10000), []string{second}},
		{"span", journal.Filter{Since: noon.Add(30 * time.Minute), Until: noon.Add(3 * time.Hour)}, []string{first, second}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, lines(query(t, j, "default", test.filter))); diff != "" {
				t.Error("-want +got:\n" + diff)
			}
		})
	}
}

func TestReconcileMendsWhatNobodySaw(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.db"), 10)
	gone, stays, fresh := leaseOf(macA, ten, noon), leaseOf(macB, ten.Next(), noon), leaseOf(macA, ten.Next().Next(), noon.Add(time.Hour))
	note(t, j, "default", change(lease.Added, gone), change(lease.Added, stays))
	if err := j.Reconcile(t.Context(), "default", []lease.Lease{stays, fresh}, nil); err != nil {
		t.Fatal(err)
	}
	got := query(t, j, "default", journal.Filter{})
	want := []string{
		`192.168.122.10 52:54:00:00:00:0a "web" from 0 lost`,
		`192.168.122.11 52:54:00:00:00:0b "web" from 0 held`,
		`192.168.122.12 52:54:00:00:00:0a "web" from 60 held`,
	}
	if diff := cmp.Diff(want, lines(got)); diff != "" {
		t.Fatal("-want +got:\n" + diff)
	}
	if !got[0].Until.Equal(gone.Expiry) {
		t.Errorf("lost lease ended at %v, want when it would have expired: %v", got[0].Until, gone.Expiry)
	}
}

func TestANetworkWithManyRecordsLosesItsOwn(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.db"), 10)
	note(t, j, "quiet", change(lease.Added, leaseOf(macA, ten, noon)))
	var flood []lease.Change
	for i := range 100 {
		l := leaseOf(net.HardwareAddr{2, 0, 0, 0, 0, byte(i)}, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), noon.Add(time.Duration(i)*time.Minute))
		flood = append(flood, change(lease.Added, l))
	}
	note(t, j, "busy", flood...)
	if got := query(t, j, "quiet", journal.Filter{}); len(got) != 1 {
		t.Errorf("the quiet network has %d records, want 1", len(got))
	}
	got := query(t, j, "busy", journal.Filter{})
	if len(got) != 9 || got[8].Addr != netip.MustParseAddr("10.0.0.99") {
		t.Errorf("the busy network has %v, want the newest 9", lines(got))
	}
	// The oldest, of which nothing is left, ends.
	note(t, j, "busy", change(lease.Expired, flood[0].Lease))
	if got := query(t, j, "busy", journal.Filter{}); len(got) != 9 {
		t.Errorf("the busy network has %d records, want 9", len(got))
	}
}

func TestDamagedFileIsMovedAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	if err := os.WriteFile(path, make([]byte, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	j, damage, err := journal.Open(path, 10)
	if err != nil || damage == nil {
		t.Fatalf("damage %v, error %v", damage, err)
	}
	defer j.Close()
	note(t, j, "default", change(lease.Added, leaseOf(macA, ten, noon)))
	if _, err := os.Stat(path + ".damaged"); err != nil {
		t.Error(err)
	}
}

func TestFileThatMayNotBeOpenedStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := journal.Open(path, 10); err == nil {
		t.Error("a directory was opened")
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestClosedJournalSaysSo(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.db"), 10)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Note(context.Background(), "default", nil, nil); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// Whatever became of the file on disk, it is opened or begun anew, and what
// cannot be read of it ends nothing but this history.
func TestNoDamageEndsTheProgram(t *testing.T) {
	whole := wholeFile(t)
	random := rand.New(rand.NewPCG(7, 7))
	for i := range 150 {
		data := bytes.Clone(whole)
		if i%3 == 0 {
			data = data[:random.IntN(len(data))]
		} else {
			at := random.IntN(len(data) - 64)
			for k := range 1 + random.IntN(64) {
				data[at+k] = byte(random.Uint32())
			}
		}
		path := filepath.Join(t.TempDir(), "journal.db")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		use(t, path)
		use(t, path)
	}
}

// wholeFile is a journal with records of some networks.
func wholeFile(t *testing.T) []byte {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, 1000)
	for _, network := range []string{"default", "other"} {
		var all []lease.Change
		for i := range 200 {
			l := leaseOf(net.HardwareAddr{2, 0, 0, 0, 0, byte(i)}, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), noon.Add(time.Duration(i)*time.Minute))
			all = append(all, change(lease.Added, l))
		}
		note(t, j, network, all...)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// use opens a journal that may be damaged, and writes, reads and closes it.
func use(t *testing.T, path string) {
	j, _, err := journal.Open(path, 300)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, network := range []string{"default", "other"} {
		j.Query(network, journal.Filter{})
	}
	err = j.Note(ctx, "default", []lease.Change{change(lease.Added, leaseOf(macA, ten, noon))}, nil)
	if err != nil && !errors.Is(err, journal.ErrDamaged) {
		t.Logf("note: %v", err)
	}
	if ctx.Err() != nil {
		t.Fatal("the journal hangs")
	}
	j.Close()
}
