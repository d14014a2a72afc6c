package lease

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// The log is rewritten when it is larger than minCompact and compactFactor
// times what it was after the last time.
const (
	minCompact    = 4 << 20
	compactFactor = 4
)

// tailInLock is how much may be left to copy while commits wait.
const tailInLock = 256 << 10

var errWriteFailed = errors.New("a write failed meanwhile")

// compact rewrites the log in the background. Commits go on; they wait only
// for the end of it, when the last records are copied and the file renamed.
func (s *Store) compact() {
	defer s.running.Done()
	err := s.rewrite()
	s.io.Lock()
	defer s.io.Unlock()
	s.compacting = false
	s.base = s.file.size
	if err != nil {
		s.log.Warn("lease file stays as large as it is", "path", s.path, "err", err)
	}
}

// rewrite writes what lives to a new file, then the records that were
// appended to the old one meanwhile, and puts it in the old one's place. What
// lives is read as decided, not as synced, so that it cannot miss what was in
// the old file when rewrite began; if a decision is taken back because it
// could not be written, the new file is given up.
func (s *Store) rewrite() error {
	s.io.Lock()
	from, failures := s.file.size, s.failures
	old := s.file.f
	s.io.Unlock()

	f, err := s.writeSnapshot()
	if err != nil {
		return err
	}
	for {
		s.io.Lock()
		size := s.file.size
		if size-from <= tailInLock {
			break
		}
		s.io.Unlock()
		if err := copyRange(f, old, from, size); err != nil {
			return errors.Join(err, discard(f))
		}
		from = size
	}
	defer s.io.Unlock()
	if s.failures != failures {
		return errors.Join(errWriteFailed, discard(f))
	}
	if err := copyRange(f, old, from, s.file.size); err != nil {
		return errors.Join(err, discard(f))
	}
	return s.install(f)
}

// rewriteWhole replaces the file by what the tables hold, before anything is
// appended.
func (s *Store) rewriteWhole() error {
	f, err := s.writeSnapshot()
	if err != nil {
		return err
	}
	return errors.Join(s.install(f), s.file.close())
}

// install syncs f and renames it into place. The log is f from then on.
func (s *Store) install(f *os.File) error {
	if err := f.Sync(); err != nil {
		return errors.Join(err, discard(f))
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return errors.Join(err, discard(f))
	}
	if err := os.Rename(f.Name(), s.path); err != nil {
		return errors.Join(err, discard(f))
	}
	err = s.file.close()
	s.file = logFile{f: f, size: size}
	return errors.Join(err, syncDir(s.path))
}

// writeSnapshot writes every table to a new file beside the log.
func (s *Store) writeSnapshot() (*os.File, error) {
	f, err := os.OpenFile(s.path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	w := bufio.NewWriterSize(f, 64<<10)
	w.WriteString(fileHeader)
	for _, t := range s.allTables() {
		t.writeTo(w)
	}
	if err := w.Flush(); err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", f.Name(), err), discard(f))
	}
	// Most is synced here, so that little is left for when commits wait.
	if err := f.Sync(); err != nil {
		return nil, errors.Join(err, discard(f))
	}
	return f, nil
}

func (s *Store) allTables() []*Table {
	s.mu.Lock()
	defer s.mu.Unlock()
	tables := make([]*Table, 0, len(s.tables))
	for _, t := range s.tables {
		tables = append(tables, t)
	}
	return tables
}

// chunk is how many leases are written while the table is locked.
const chunk = 128

// writeTo writes what the table knows; errors stay in w.
func (t *Table) writeTo(w *bufio.Writer) {
	t.mu.Lock()
	type ordered struct {
		s     *slot
		order uint64
	}
	slots := make([]ordered, 0, len(t.slots))
	for _, s := range t.slots {
		slots = append(slots, ordered{s, s.order})
	}
	t.mu.Unlock()
	slices.SortFunc(slots, func(a, b ordered) int { return compare(a.order, b.order) })
	var frames []byte
	for part := range slices.Chunk(slots, chunk) {
		frames = frames[:0]
		t.mu.Lock()
		for _, o := range part {
			if o.s.cur != nil {
				frames = appendFrame(frames, entry{kind: putRecord, network: t.network, lease: o.s.cur.Lease})
			}
		}
		t.mu.Unlock()
		w.Write(frames)
	}
}

// copyRange appends the bytes of from between two offsets to to.
func copyRange(to, from *os.File, start, end int64) error {
	_, err := io.Copy(to, io.NewSectionReader(from, start, end-start))
	return err
}

func discard(f *os.File) error {
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
