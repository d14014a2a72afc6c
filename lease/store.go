package lease

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// Store keeps the leases of all networks in one file, an append-only log.
// Whatever changes wait are written and synced together, at once. The store
// has no goroutine while there is nothing to write.
type Store struct {
	log  *slog.Logger
	path string
	lock *os.File

	mu      sync.Mutex // guards what follows; taken after a Table's
	tables  map[string]*Table
	queue   []op
	frames  []byte // of queue
	writing bool   // the committer runs
	closed  bool

	running sync.WaitGroup // committer and compaction

	// The log belongs to who holds io. It is never taken under mu.
	io         sync.Mutex
	file       logFile
	compacting bool
	base       int64 // the log's size when it was last compacted
	faulty     bool  // the last write failed
	failures   int   // writes that failed
}

// OpenStore opens the lease file at path, which it makes if there is none, and
// reads what it holds. A record cut off by a crash is dropped with a warning.
// If a file is damaged inside, everything that is whole is kept and the
// damaged file is saved as path.corrupt. Only one process can have it open.
func OpenStore(path string, log *slog.Logger) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("open lease store: %w", err)
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("open lease store %s: %w", path, err)
	}
	s := &Store{log: log, path: path, lock: lock, tables: make(map[string]*Table)}
	if err := s.load(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("open lease store %s: %w", path, err)
	}
	return s, nil
}

// Table returns a network's leases; network is its UUID.
func (s *Store) Table(network string) *Table {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table(network)
}

func (s *Store) table(network string) *Table {
	t := s.tables[network]
	if t == nil {
		t = newTable(network, s)
		t.closed = s.closed
		s.tables[network] = t
	}
	return t
}

// Drop forgets a network and all its leases. Its table refuses changes from
// then on.
func (s *Store) Drop(network string) error {
	s.mu.Lock()
	t := s.tables[network]
	s.mu.Unlock()
	if t == nil {
		return nil
	}
	t.close()
	done := make(chan error, 1)
	s.enqueueDrop(network, func(err error) { done <- err })
	if err := <-done; err != nil {
		return fmt.Errorf("drop leases of network %s: %w", network, err)
	}
	return nil
}

// Close writes what waits and closes the file. Changes are refused from then
// on.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	tables := make([]*Table, 0, len(s.tables))
	for _, t := range s.tables {
		tables = append(tables, t)
	}
	s.mu.Unlock()
	for _, t := range tables {
		t.close()
	}
	s.running.Wait()
	s.io.Lock()
	defer s.io.Unlock()
	err := s.file.close()
	s.lock.Close()
	return err
}

// enqueue hands an op to the committer.
func (s *Store) enqueue(o op) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames = o.appendFrames(s.frames)
	s.wait(o)
}

func (s *Store) enqueueDrop(network string, done func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		done(ErrClosed)
		return
	}
	delete(s.tables, network)
	s.frames = appendFrame(s.frames, entry{kind: dropRecord, network: network})
	s.wait(op{done: done})
}

// wait queues an op whose frames are appended, and starts the committer
// unless it runs. After Close nothing gets here: every table is closed.
func (s *Store) wait(o op) {
	s.queue = append(s.queue, o)
	if !s.writing {
		s.writing = true
		s.running.Add(1)
		go s.commitAll()
	}
}

// commitAll writes groups until nothing waits.
func (s *Store) commitAll() {
	defer s.running.Done()
	var spare []op
	var spareFrames []byte
	for {
		s.mu.Lock()
		ops, frames := s.queue, s.frames
		if len(ops) == 0 {
			s.writing = false
			s.mu.Unlock()
			return
		}
		s.queue, s.frames = spare[:0], spareFrames[:0]
		s.mu.Unlock()
		err := s.write(frames)
		settleAll(ops, err)
		clear(ops)
		spare, spareFrames = keepSmall(ops, frames)
	}
}

// keepSmall returns the buffers of a group for the next, unless they grew out
// of all proportion.
func keepSmall(ops []op, frames []byte) ([]op, []byte) {
	if cap(ops) > 8192 {
		ops = nil
	}
	if cap(frames) > 1<<20 {
		frames = nil
	}
	return ops, frames
}

// settleAll tells tables and callers how a group ended.
func settleAll(ops []op, err error) {
	for len(ops) > 0 {
		n := sameTable(ops)
		if t := ops[0].table; t != nil {
			t.mu.Lock()
			for i := range ops[:n] {
				t.settle(&ops[i], err)
			}
			t.mu.Unlock()
		}
		for i := range ops[:n] {
			if ops[i].done != nil {
				ops[i].done(err)
			}
		}
		ops = ops[n:]
	}
}

// sameTable counts the ops at the start that belong to one table.
func sameTable(ops []op) int {
	n := 1
	for n < len(ops) && ops[n].table == ops[0].table {
		n++
	}
	return n
}

// write appends a group to the log and syncs it.
func (s *Store) write(frames []byte) error {
	s.io.Lock()
	defer s.io.Unlock()
	err := s.file.append(frames)
	if err != nil {
		err = fmt.Errorf("write lease store %s: %w", s.path, err)
	}
	s.report(err)
	if err == nil && !s.compacting && s.file.size > max(minCompact, compactFactor*s.base) {
		s.compacting = true
		s.running.Add(1)
		go s.compact()
	}
	return err
}

// report logs when writing begins to fail and when it works again, not each
// time: guests would fill the log.
func (s *Store) report(err error) {
	switch {
	case err != nil && !s.faulty:
		s.log.Error("leases cannot be written, clients get none", "err", err)
	case err == nil && s.faulty:
		s.log.Info("leases can be written again")
	}
	s.faulty = err != nil
	if s.faulty {
		s.failures++
	}
}
