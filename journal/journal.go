package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/vnetmgr/vnetmgr/lease"
)

// ErrClosed is returned once the journal is closed.
var ErrClosed = errors.New("lease journal is closed")

// pace is the least time between two transactions: however many leases change,
// the disk that leases are synced to has one more write a second.
const pace = time.Second

// Journal is the file of all networks' records.
type Journal struct {
	db   *bolt.DB
	path string
	max  int

	running sync.WaitGroup
	stop    chan struct{}
	wake    chan struct{} // holds a token while batch is not empty

	mu    sync.Mutex // guards what follows
	batch *batch
	ended error // why nothing is noted any more
}

// batch is what the next transaction notes.
type batch struct {
	notes []note
	done  chan struct{} // closed when err is set
	err   error
}

// note is one network's part of a batch.
type note struct {
	network string
	changes []lease.Change
	// whole says that leases are all that the network has.
	whole  bool
	leases []lease.Lease
	clones Clones
	at     time.Time
}

// Open opens the journal at path, or makes it. It keeps at most limit records:
// then the network that has most loses its oldest. A file that is damaged is
// moved aside, to path.damaged, and begun anew; damage says why.
func Open(path string, limit int) (j *Journal, damage, err error) {
	db, err := open(path)
	if unreadable(err) {
		damage = err
		if err := os.Rename(path, path+damagedSuffix); err != nil {
			return nil, damage, err
		}
		db, err = open(path)
	}
	if err != nil {
		return nil, damage, fmt.Errorf("open lease journal %s: %w", path, err)
	}
	j = &Journal{db: db, path: path, max: limit, stop: make(chan struct{}), wake: make(chan struct{}, 1)}
	j.running.Go(j.commit)
	return j, damage, nil
}

// open opens the file. Its list of free pages is kept in it: made anew, it
// would be read by a goroutine that no guard can be set around.
func open(path string) (db *bolt.DB, err error) {
	err = guarded(func() (err error) {
		db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: 5 * time.Second, FreelistType: bolt.FreelistMapType})
		return err
	})
	return db, err
}

// unreadable tells the error of a damaged file from that of one which is locked
// or forbidden.
func unreadable(err error) bool {
	var path *os.PathError
	return err != nil && !errors.Is(err, bolterrors.ErrTimeout) && !errors.As(err, &path)
}

// Close notes what waits, and closes the file.
func (j *Journal) Close() error {
	if !j.end(ErrClosed) {
		return nil
	}
	close(j.stop)
	j.running.Wait()
	return guarded(j.db.Close)
}

// end has all calls fail with err from now on, and tells whether they did not
// before.
func (j *Journal) end(err error) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended != nil && err != ErrClosed || j.ended == ErrClosed {
		return false
	}
	j.ended = err
	return true
}

// Note writes down changes of a network's leases, and who the clones among the
// clients are clones of, and waits until that is on disk, or ctx ends. Changes
// of one network must come one call after the other.
func (j *Journal) Note(ctx context.Context, network string, changes []lease.Change, clones Clones) error {
	return j.add(ctx, note{network: network, changes: changes, clones: clones, at: time.Now()})
}

// Reconcile is Note for a moment at which all leases of a network are known:
// what began or ended while nobody looked is mended.
func (j *Journal) Reconcile(ctx context.Context, network string, leases []lease.Lease, clones Clones) error {
	if len(leases) == 0 {
		if known, err := j.Query(network, Filter{Max: 1}); err != nil || len(known) == 0 {
			return err // nothing to write: most networks that start are new
		}
	}
	return j.add(ctx, note{network: network, whole: true, leases: leases, clones: clones, at: time.Now()})
}

// add puts n in the next batch and waits for it.
func (j *Journal) add(ctx context.Context, n note) error {
	j.mu.Lock()
	if err := j.ended; err != nil {
		j.mu.Unlock()
		return err
	}
	if j.batch == nil {
		j.batch = &batch{done: make(chan struct{})}
		j.wake <- struct{}{}
	}
	b := j.batch
	b.notes = append(b.notes, n)
	j.mu.Unlock()
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commit writes batches until the journal is closed.
func (j *Journal) commit() {
	for {
		select {
		case <-j.wake:
			j.write()
		case <-j.stop:
			j.write()
			return
		}
		select {
		case <-time.After(pace):
		case <-j.stop:
		}
	}
}

// write writes the batch that waits, if one does.
func (j *Journal) write() {
	j.mu.Lock()
	b := j.batch
	j.batch = nil
	j.mu.Unlock()
	if b == nil {
		return
	}
	if b.err = j.transact(j.db.Update, func(tx *bolt.Tx) error { return noteAll(tx, b.notes, j.max) }); b.err != nil {
		b.err = fmt.Errorf("write lease journal: %w", b.err)
	}
	close(b.done)
}
