package journal

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Filter says which records are wanted; what is zero does not matter.
type Filter struct {
	Addr     netip.Addr
	MAC      net.HardwareAddr
	Hostname string // in any case
	// Since and Until are a span of which a record must have a part; both the
	// same is a moment.
	Since, Until time.Time
	Max          int // the newest so many
}

func (f *Filter) wants(r *Record) bool {
	switch {
	case f.Addr.IsValid() && r.Addr != f.Addr:
	case f.MAC != nil && !bytes.Equal(r.MAC, f.MAC):
	case f.Hostname != "" && !strings.EqualFold(r.Hostname, f.Hostname):
	case !f.Until.IsZero() && r.From.After(f.Until):
	case !f.Since.IsZero() && r.End != Held && !r.Until.After(f.Since):
	default:
		return true
	}
	return false
}

// Query returns the records of a network that f wants, oldest first. A network
// that has none, or is not known, is no error.
func (j *Journal) Query(network string, f Filter) ([]Record, error) {
	var found []Record
	j.mu.Lock()
	ended := j.ended
	j.mu.Unlock()
	if ended != nil {
		return nil, ended
	}
	err := j.transact(j.db.View, func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(network))
		if b == nil {
			return nil
		}
		records := b.Bucket(recordsBucket)
		if records == nil {
			return fmt.Errorf("%w: %s has no records", ErrDamaged, network)
		}
		c := records.Cursor()
		for key, value := c.Last(); key != nil && (f.Max == 0 || len(found) < f.Max); key, value = c.Prev() {
			r, err := parseRecord(network, key, value)
			if err != nil {
				return err
			}
			if f.wants(&r) {
				found = append(found, r)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read lease journal: %w", err)
	}
	slices.Reverse(found)
	return found, nil
}
