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
	db  *bolt.DB
	max int

	running sync.WaitGroup
	stop    chan struct{}
	wake    chan struct{} // holds a token while batch is not empty

	mu     sync.Mutex // guards batch and closed
	batch  *batch
	closed bool
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
	at     time.Time
}

// Open opens the journal at path, or makes it. It keeps at most limit records:
// then the network that has most loses its oldest.
func Open(path string, limit int) (*Journal, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: 5 * time.Second, NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return nil, fmt.Errorf("open lease journal %s: %w", path, err)
	}
	j := &Journal{db: db, max: limit, stop: make(chan struct{}), wake: make(chan struct{}, 1)}
	j.running.Go(j.commit)
	return j, nil
}

// OpenOrReplace is Open; a file that cannot be read is moved aside to
// path.damaged first. It returns why, if it did so.
func OpenOrReplace(path string, limit int) (j *Journal, damage, err error) {
	if j, err = Open(path, limit); err == nil || !damaged(err) {
		return j, nil, err
	}
	damage = err
	if err := os.Rename(path, path+".damaged"); err != nil {
		return nil, damage, err
	}
	j, err = Open(path, limit)
	return j, damage, err
}

// damaged tells an unreadable file from one that is locked or forbidden.
func damaged(err error) bool {
	var path *os.PathError
	return !errors.Is(err, bolterrors.ErrTimeout) && !errors.As(err, &path)
}

// Close notes what waits, and closes the file.
func (j *Journal) Close() error {
	j.mu.Lock()
	closed := j.closed
	j.closed = true
	j.mu.Unlock()
	if closed {
		return nil
	}
	close(j.stop)
	j.running.Wait()
	return j.db.Close()
}

// Note writes down changes of a network's leases and waits until they are on
// disk, or ctx ends. Changes of one network must come one call after the other.
func (j *Journal) Note(ctx context.Context, network string, changes []lease.Change) error {
	return j.add(ctx, note{network: network, changes: changes, at: time.Now()})
}

// Reconcile is Note for a moment at which all leases of a network are known:
// what began or ended while nobody looked is mended.
func (j *Journal) Reconcile(ctx context.Context, network string, leases []lease.Lease) error {
	return j.add(ctx, note{network: network, whole: true, leases: leases, at: time.Now()})
}

// add puts n in the next batch and waits for it.
func (j *Journal) add(ctx context.Context, n note) error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return ErrClosed
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
	b.err = j.db.Update(func(tx *bolt.Tx) error {
		w := writer{tx: tx}
		for _, n := range b.notes {
			if err := w.note(n); err != nil {
				return err
			}
		}
		return w.trim(j.max)
	})
	if b.err != nil {
		b.err = fmt.Errorf("write lease journal: %w", b.err)
	}
	close(b.done)
}
