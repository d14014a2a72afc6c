package lease

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// As libvirt's lease helper writes it.
const statusText = `[
  {
    "ip-address": "192.168.122.45",
    "mac-address": "52:54:00:00:00:01",
    "hostname": "vm1",
    "client-id": "01:52:54:00:00:00:01",
    "expiry-time": 1714564800
  },
  {
    "iaid": "11",
    "ip-address": "2001:db8::45",
    "mac-address": "52:54:00:00:00:02",
    "client-id": "00:04:ff",
    "server-duid": "00:03",
    "expiry-time": 0
  }
]
`

func statusLeases() []Lease {
	return []Lease{
		{Addr: addr("192.168.122.45"), MAC: mac(1), ClientID: []byte{1, 0x52, 0x54, 0, 0, 0, 1}, Hostname: "vm1", Expiry: time.Unix(1714564800, 0)},
		{Addr: addr("2001:db8::45"), MAC: mac(2), ClientID: []byte{0, 4, 0xff}, IAID: 11, ServerDUID: []byte{0, 3}},
	}
}

func TestStatusIsAsLibvirtWritesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dnsmasq", "virbr0.status")
	f := StatusFile{Path: path, Log: quiet()}
	if err := f.Write(statusLeases()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(statusText, string(got)); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	back, err := ReadStatus(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(statusLeases(), back, addrs); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func TestReadStatusTakesWhatMakesSense(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []Lease
		err        bool
	}{
		{"empty", "", nil, false},
		{"no leases", "[\n]\n", nil, false},
		{"not JSON", "{", nil, true},
		{"not a list", "{}", nil, true},
		{"bad entries", `[1, {"ip-address":"x"}, {"ip-address":7}, {"ip-address":"10.0.0.1","expiry-time":"9","mac-address":"zz","client-id":"0"}]`,
			[]Lease{{Addr: addr("10.0.0.1"), Expiry: time.Unix(9, 0)}}, false},
	} {
		got, err := parseStatus([]byte(tt.text))
		if (err != nil) != tt.err {
			t.Errorf("%s: error %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got, addrs); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if got, err := ReadStatus(filepath.Join(t.TempDir(), "none")); got != nil || err != nil {
		t.Errorf("missing file: %v, %v", got, err)
	}
}

func TestStatusFollowsTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "virbr0.status")
		table := smallTable()
		defer table.close()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- StatusFile{Path: path, Log: quiet()}.Run(ctx, table) }()
		holds := func() int {
			got, err := ReadStatus(path)
			if err != nil {
				t.Fatal(err)
			}
			return len(got)
		}
		synctest.Wait()
		if holds() != 0 {
			t.Error("leases in an empty table")
		}
		for n := 1; n <= 3; n++ {
			bind(t, table, "10.0.0."+string(rune('1'+n)), n)
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if got := holds(); got != 3 {
			t.Errorf("%d leases after 100 ms, want 3", got)
		}
		bind(t, table, "10.0.0.5", 4)
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := holds(); got != 4 {
			t.Errorf("%d leases at the end, want 4", got)
		}
	})
}

func TestStatusThatCannotBeWrittenIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "virbr0.status")
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		table := smallTable()
		defer table.close()
		ctx, cancel := context.WithCancel(t.Context())
		log, ended := &strings.Builder{}, make(chan error)
		go func() { ended <- StatusFile{Path: path, Log: logTo(log)}.Run(ctx, table) }()
		for range 3 {
			bind(t, table, "10.0.0.2", 1)
			time.Sleep(time.Second)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		bind(t, table, "10.0.0.2", 1)
		time.Sleep(time.Second)
		cancel()
		<-ended
		if got := strings.Count(log.String(), "write status file"); got != 1 {
			t.Errorf("logged %d times", got)
		}
		if got, err := ReadStatus(path); err != nil || len(got) != 1 {
			t.Errorf("leases %v, %v", got, err)
		}
	})
}

func TestImportLeavesOutWhatIsTaken(t *testing.T) {
	table := smallTable()
	bind(t, table, "10.0.0.2", 1)
	n, err := table.Import([]Lease{
		{Addr: addr("10.0.0.2"), MAC: mac(7)},
		{Addr: addr("10.0.0.3"), MAC: mac(1)},
		{Addr: addr("10.0.0.4"), MAC: mac(2)},
	})
	if n != 1 || err != nil {
		t.Errorf("imported %d, %v", n, err)
	}
	if l, ok := table.Lookup(addr("10.0.0.4")); !ok || l.MAC.String() != mac(2).String() {
		t.Errorf("lease %v", l)
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add([]byte(statusText))
	f.Fuzz(func(t *testing.T, data []byte) {
		leases, err := parseStatus(data)
		if err != nil {
			return
		}
		var text bytes.Buffer
		if err := formatStatus(&text, pointers(leases)); err != nil {
			t.Fatal(err)
		}
		again, err := parseStatus(text.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if len(again) != len(leases) {
			t.Errorf("%d leases became %d", len(leases), len(again))
		}
	})
}
