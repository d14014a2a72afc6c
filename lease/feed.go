package lease

import (
	"context"
	"net/netip"
	"sync"
)

// ChangeKind says what happened to a lease.
type ChangeKind int

// The changes.
const (
	Added    ChangeKind = iota // an address has a new client
	Renewed                    // a client's lease has another length or name
	Released                   // the client gave it up, declined it or moved
	Expired                    // its time ran out
)

// String returns the kind in lower case.
func (k ChangeKind) String() string {
	return [...]string{"added", "renewed", "released", "expired"}[k]
}

// Change is something that happened to a lease, and is on disk.
type Change struct {
	Kind  ChangeKind
	Lease Lease // as it is after Added and Renewed, as it was before the others
}

// maxQueued is how many changes a feed queues before it keeps only the last
// of each address.
const maxQueued = 4096

// queued is a change that waits. Many do, so it only points to its lease, which
// never changes.
type queued struct {
	kind  ChangeKind
	lease *Lease
}

// Feed carries a table's changes to one reader, in order. A slow reader delays
// nobody: once many changes wait, only the last for each address is kept, so
// that what waits is bounded by the leases that there are.
type Feed struct {
	table *Table
	ready chan struct{} // has one element when there is something to read

	mu     sync.Mutex // guards what follows
	queue  []queued
	limit  int
	closed bool
}

// Subscribe returns a feed of the changes from now on.
func (t *Table) Subscribe() *Feed {
	f := &Feed{table: t, ready: make(chan struct{}, 1), limit: maxQueued}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		f.end()
		return f
	}
	t.feeds = append(t.feeds, f)
	return f
}

// Next waits for changes and returns all that have come since the last call.
// It returns ctx's error, or ErrClosed once the table is gone or the feed is
// closed and everything was read.
func (f *Feed) Next(ctx context.Context) ([]Change, error) {
	waited, err := f.next(ctx)
	if err != nil {
		return nil, err
	}
	changes := make([]Change, len(waited))
	for i, w := range waited {
		changes[i] = Change{Kind: w.kind, Lease: *w.lease}
	}
	return changes, nil
}

// next is Next for who does not need copies.
func (f *Feed) next(ctx context.Context) ([]queued, error) {
	for {
		if changes, closed := f.take(); len(changes) > 0 {
			return changes, nil
		} else if closed {
			return nil, ErrClosed
		}
		select {
		case <-f.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (f *Feed) take() ([]queued, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changes := f.queue
	f.queue, f.limit = nil, maxQueued
	return changes, f.closed
}

// Close ends the feed.
func (f *Feed) Close() {
	f.table.mu.Lock()
	defer f.table.mu.Unlock()
	for i, other := range f.table.feeds {
		if other == f {
			f.table.feeds = append(f.table.feeds[:i:i], f.table.feeds[i+1:]...)
			break
		}
	}
	f.end()
}

func (f *Feed) end() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.wake()
}

func (f *Feed) wake() {
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

// add queues a change.
func (f *Feed) add(c queued) {
	f.mu.Lock()
	f.queue = append(f.queue, c)
	if len(f.queue) >= f.limit {
		f.queue = lastOfEach(f.queue)
		f.limit = max(maxQueued, 2*len(f.queue))
	}
	f.mu.Unlock()
	f.wake()
}

// lastOfEach keeps the last change of every address, in order.
func lastOfEach(changes []queued) []queued {
	last := make(map[netip.Addr]int, len(changes))
	for i, c := range changes {
		last[c.lease.Addr] = i
	}
	kept := make([]queued, 0, 2*len(last))
	for i, c := range changes {
		if last[c.lease.Addr] == i {
			kept = append(kept, c)
		}
	}
	return kept
}

// publish tells every reader of a change; nobody may change the lease any more.
func (t *Table) publish(kind ChangeKind, l *Lease) {
	for _, f := range t.feeds {
		f.add(queued{kind, l})
	}
}
