package lease

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"time"
)

// load reads the file into the tables and makes it ready for appending.
func (s *Store) load() error {
	data, err := os.ReadFile(s.path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	found := scan(data)
	if found.unknown > 0 {
		return fmt.Errorf("%d records were written by a later version", found.unknown)
	}
	s.replay(found.entries)
	if err := s.repair(data, found); err != nil {
		return err
	}
	if s.file, err = openLog(s.path); err != nil {
		return err
	}
	s.base = s.file.size
	return nil
}

// repair makes the file on disk one that openLog may append to.
func (s *Store) repair(data []byte, found scanned) error {
	headless := !bytes.HasPrefix(data, []byte(fileHeader))
	switch {
	case len(data) == 0:
		return s.rewriteWhole()
	case headless || found.lost > 0:
		saved, err := saveAside(s.path, data)
		if err != nil {
			return err
		}
		s.log.Error("lease file is damaged, kept what is whole", "path", s.path,
			"leases", len(found.entries), "lost_bytes", found.lost+len(data)-found.end, "saved", saved)
		return s.rewriteWhole()
	case found.end < len(data):
		s.log.Warn("lease file ends in half a record, cut it off", "path", s.path,
			"bytes", len(data)-found.end)
		return truncateSynced(s.path, int64(found.end))
	}
	return nil
}

// saveAside writes data to path.corrupt, or path.corrupt.1 and so on, and
// returns the name.
func saveAside(path string, data []byte) (string, error) {
	name := path + ".corrupt"
	for i := 1; ; i++ {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if os.IsExist(err) && i < 100 {
			name = fmt.Sprintf("%s.corrupt.%d", path, i)
			continue
		}
		if err != nil {
			return "", err
		}
		defer f.Close()
		if _, err := f.Write(data); err != nil {
			return "", err
		}
		return name, f.Sync()
	}
}

func truncateSynced(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}

// replay applies the records that a file held.
func (s *Store) replay(entries []entry) {
	for _, e := range entries {
		if e.kind == dropRecord {
			delete(s.tables, e.network)
			continue
		}
		s.table(e.network).replay(e)
	}
	now := time.Now()
	for _, t := range s.tables {
		t.finishReplay(now)
	}
}

// replay notes one record of the log.
func (t *Table) replay(e entry) {
	a := e.lease.Addr
	if e.kind == forgetRecord {
		delete(t.slots, a)
		return
	}
	s := t.slotOf(a)
	s.durable = newRecord(e.lease, false)
	t.order(s)
}

// finishReplay files what replay noted, in the order of the log.
func (t *Table) finishReplay(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	slots := make([]*slot, 0, len(t.slots))
	for _, s := range t.slots {
		slots = append(slots, s)
	}
	slices.SortFunc(slots, func(a, b *slot) int { return compare(a.order, b.order) })
	for _, s := range slots {
		if s.durable.Expired(now) {
			s.durable = newRecord(s.durable.Lease, true)
		}
		t.set(s, s.durable)
	}
}
