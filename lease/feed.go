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
// of each address, and how many it hands out at once.
const maxQueued = 4096

// queued is a Change that waits. Its lease is a record's, which never changes.
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

// Next waits for changes and returns the next of them, at most maxQueued.
// It returns ctx's error, or ErrClosed once the table is gone or the feed is
// closed and everything was read.
func (f *Feed) Next(ctx context.Context) ([]Change, error) {
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

func (f *Feed) take() ([]Change, bool) {
	f.mu.Lock()
	n := min(len(f.queue), maxQueued)
	next, closed := f.queue[:n], f.closed
	if f.queue = f.queue[n:]; len(f.queue) == 0 {
		f.queue, f.limit = nil, maxQueued
	}
	f.mu.Unlock()
	changes := make([]Change, n)
	for i, c := range next {
		changes[i] = Change{Kind: c.kind, Lease: *c.lease}
	}
	return changes, closed
}

// Skip waits for changes as Next does, and drops all that have come.
func (f *Feed) Skip(ctx context.Context) error {
	if _, err := f.Next(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue, f.limit = nil, maxQueued
	return nil
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
	kept := make([]queued, 0, len(last))
	for i, c := range changes {
		if last[c.lease.Addr] == i {
			kept = append(kept, c)
		}
	}
	return kept
}

// publish tells every reader of a change.
func (t *Table) publish(kind ChangeKind, l *Lease) {
	for _, f := range t.feeds {
		f.add(queued{kind, l})
	}
}
