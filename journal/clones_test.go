package journal_test

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/journal"
	"github.com/vnetmgr/vnetmgr/lease"
)

// clonedLeases are those of two clients with one identifier, as a table that
// finds the other of each.
func clonedLeases(t *testing.T) (first, clone lease.Lease, find func(lease.Client) (lease.Lease, bool)) {
	t.Helper()
	first, clone = leaseOf(macA, ten, time.Now()), leaseOf(macB, ten.Next(), time.Now())
	first.ClientID, clone.ClientID, clone.Clone = []byte{1, 2, 3}, []byte{1, 2, 3}, true
	table := lease.NewTable()
	for _, l := range []lease.Lease{first, clone} {
		if err := table.Bind(l, func(error) {}); err != nil {
			t.Fatal(err)
		}
	}
	return first, clone, func(c lease.Client) (lease.Lease, bool) {
		l, _, ok := table.Rival(c, time.Now())
		return l, ok
	}
}

// cloneOf is what the newest record of an address says.
func cloneOf(t *testing.T, j *journal.Journal, l lease.Lease) net.HardwareAddr {
	t.Helper()
	got := query(t, j, "default", journal.Filter{Addr: l.Addr, Max: 1})
	if len(got) != 1 || got[0].MAC.String() != l.MAC.String() {
		t.Fatalf("records of %s: %v", l.Addr, got)
	}
	return got[0].CloneOf
}

func TestRecordOfACloneNamesBoth(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, 10)
	first, clone, find := clonedLeases(t)
	clones := make(journal.Clones)
	for _, l := range []lease.Lease{first, clone} {
		clones.Add(l, find)
	}
	changes := []lease.Change{change(lease.Added, first), change(lease.Added, clone)}
	if err := j.Note(t.Context(), "default", changes, clones); err != nil {
		t.Fatal(err)
	}
	// Neither who leaves nor a daemon that starts again changes what was seen.
	note(t, j, "default", change(lease.Released, first))
	if err := j.Reconcile(t.Context(), "default", []lease.Lease{clone}, nil); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, path, 10)
	if got := cloneOf(t, j, first); got != nil {
		t.Errorf("the first is said to be a clone of %s", got)
	}
	if diff := cmp.Diff(macA, cloneOf(t, j, clone)); diff != "" {
		t.Error("-want +got:\n" + diff)
	}
}

// Without a lease of the other there is nobody to name.
func TestRecordOfACloneWhoseOtherIsGoneNamesNobody(t *testing.T) {
	clones := make(journal.Clones)
	_, clone, _ := clonedLeases(t)
	clones.Add(clone, func(lease.Client) (lease.Lease, bool) { return lease.Lease{}, false })
	if len(clones) != 0 {
		t.Errorf("got %v", clones)
	}
}
