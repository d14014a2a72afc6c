package journal

import (
	"encoding/binary"
	"net/netip"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/vnetmgr/vnetmgr/lease"
)

// again is how soon a client must be back on an address to go on with its
// record.
const again = time.Minute

// The buckets of a network's bucket, and the key of how many records there are.
var (
	recordsBucket = []byte("records") // by Record.key
	latestBucket  = []byte("latest")  // address to the key of its latest record
	countKey      = []byte("count")
)

// writer notes what happened, in one transaction.
type writer struct {
	tx *bolt.Tx
}

// noteAll writes down notes, and leaves limit records at most.
func noteAll(tx *bolt.Tx, notes []note, limit int) error {
	w := writer{tx: tx}
	for _, n := range notes {
		if err := w.note(n); err != nil {
			return err
		}
	}
	return w.trim(limit)
}

// log is one network's part of the file.
type log struct {
	network string
	bucket  *bolt.Bucket
	records *bolt.Bucket
	latest  *bolt.Bucket
	clones  Clones
	added   int // records that are not counted yet
}

// full is how full the pages of records are made: they come in the order of
// their keys, so that none goes between two others.
const full = 0.9

// open returns a network's log, made if it is not there.
func (w writer) open(network string) (*log, error) {
	b, err := w.tx.CreateBucketIfNotExists([]byte(network))
	if err != nil {
		return nil, err
	}
	records, err := b.CreateBucketIfNotExists(recordsBucket)
	if err != nil {
		return nil, err
	}
	records.FillPercent = full
	latest, err := b.CreateBucketIfNotExists(latestBucket)
	return &log{network: network, bucket: b, records: records, latest: latest}, err
}

func (w writer) note(n note) error {
	l, err := w.open(n.network)
	if err != nil {
		return err
	}
	l.clones = n.clones
	if n.whole {
		err = l.reconcile(n.leases, n.at)
	} else {
		err = l.changeAll(n.changes, n.at)
	}
	if err != nil || l.added == 0 {
		return err
	}
	return setCount(l.bucket, count(l.bucket)+l.added)
}

// changeAll notes changes, one after the other.
func (l *log) changeAll(changes []lease.Change, now time.Time) error {
	for _, c := range changes {
		if err := l.change(c, now); err != nil {
			return err
		}
	}
	return nil
}

// change notes one change.
func (l *log) change(c lease.Change, now time.Time) error {
	switch c.Kind {
	case lease.Released:
		return l.end(c.Lease, now, Released)
	case lease.Expired:
		return l.end(c.Lease, c.Lease.Expiry, Expired)
	}
	return l.begin(c.Lease, now)
}

// begin notes that a client has an address.
func (l *log) begin(has lease.Lease, now time.Time) error {
	last, err := l.last(has.Addr)
	if err != nil {
		return err
	}
	if last != nil && last.sameClient(has) && (last.End == Held || has.Start.Sub(last.Until) < again) {
		if last.End == Held && last.Hostname == has.Hostname && !renews(last.Until, has) {
			return nil
		}
		last.End, last.Until, last.Hostname = Held, has.Expiry, has.Hostname
		return l.put(*last)
	}
	if last != nil && last.End == Held {
		last.End, last.Until = Replaced, now
		if err := l.put(*last); err != nil {
			return err
		}
	}
	r := l.newRecord(has)
	if last != nil && last.From.Equal(r.From) {
		r.From = now // the lease went on with a client of another MAC
	}
	return l.insert(r)
}

// renews tells whether a renewal is to be written down, for the case that its
// end is not seen: not each of a client that renews all the time.
func renews(until time.Time, has lease.Lease) bool {
	if until.IsZero() || has.Expiry.IsZero() {
		return until.IsZero() != has.Expiry.IsZero()
	}
	return has.Expiry.Sub(until) > again || until.After(has.Expiry)
}

// newRecord is what is noted when a lease begins.
func (l *log) newRecord(has lease.Lease) Record {
	r := Record{
		Network: l.network, Addr: has.Addr, MAC: has.MAC, ClientID: has.ClientID, IAID: has.IAID,
		Hostname: has.Hostname, From: has.Start, Until: has.Expiry,
	}
	if has.Clone {
		r.CloneOf = l.clones[has.Addr]
	}
	return r
}

// end notes that the client's lease of an address has ended.
func (l *log) end(had lease.Lease, at time.Time, how End) error {
	last, err := l.last(had.Addr)
	if err != nil {
		return err
	}
	r := l.newRecord(had)
	if last != nil && last.sameClient(had) {
		if last.End != Held {
			return nil
		}
		r = *last
	}
	r.End, r.Until = how, at
	return l.insert(r)
}

// reconcile makes what is held exactly leases.
func (l *log) reconcile(leases []lease.Lease, now time.Time) error {
	held := make(map[netip.Addr]bool, len(leases))
	for _, has := range leases {
		held[has.Addr] = true
		if err := l.begin(has, now); err != nil {
			return err
		}
	}
	var gone []Record
	err := l.latest.ForEach(func(addr, key []byte) error {
		r, err := parseRecord(l.network, key, l.records.Get(key))
		if err == nil && r.End == Held && !held[r.Addr] {
			gone = append(gone, r)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range gone {
		r.End = Lost
		if r.Until.IsZero() || r.Until.After(now) {
			r.Until = now
		}
		if err := l.put(r); err != nil {
			return err
		}
	}
	return nil
}

// last returns the latest record of an address, or nil.
func (l *log) last(a netip.Addr) (*Record, error) {
	addr := a.As16()
	key := l.latest.Get(addr[:])
	if key == nil {
		return nil, nil
	}
	r, err := parseRecord(l.network, key, l.records.Get(key))
	return &r, err
}

// insert adds a record, and makes it its address's latest. It takes the place
// of one that began at the same time.
func (l *log) insert(r Record) error {
	key := r.key()
	if l.records.Get(key) == nil {
		l.added++
	}
	addr := r.Addr.As16()
	if err := l.latest.Put(addr[:], key); err != nil {
		return err
	}
	return l.records.Put(key, r.value())
}

// put stores a record.
func (l *log) put(r Record) error {
	return l.records.Put(r.key(), r.value())
}

// dropOldest drops a log's n oldest records.
func (l *log) dropOldest(n int) error {
	c := l.records.Cursor()
	key, _ := c.First()
	for range n {
		if key == nil {
			break
		}
		if addr := key[8:]; string(l.latest.Get(addr)) == string(key) {
			if err := l.latest.Delete(addr); err != nil {
				return err
			}
		}
		if err := c.Delete(); err != nil {
			return err
		}
		key, _ = c.First()
	}
	return setCount(l.bucket, max(0, count(l.bucket)-n))
}

// count returns how many records a network's bucket has.
func count(b *bolt.Bucket) int {
	if v := b.Get(countKey); len(v) == 8 {
		return int(binary.BigEndian.Uint64(v))
	}
	return 0
}

func setCount(b *bolt.Bucket, n int) error {
	return b.Put(countKey, binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// trim drops records until there are at most limit: always of the network that
// has most, so that none pushes the others' out.
func (w writer) trim(limit int) error {
	counts := make(map[string]int)
	total := 0
	err := w.tx.ForEach(func(name []byte, b *bolt.Bucket) error {
		counts[string(name)] = count(b)
		total += counts[string(name)]
		return nil
	})
	if err != nil || total <= limit {
		return err
	}
	for name, n := range shares(counts, limit) {
		if err := w.shrink(name, n); err != nil {
			return err
		}
	}
	return nil
}

// shrink leaves a network its n newest records; without any it is forgotten.
func (w writer) shrink(network string, n int) error {
	if n == 0 {
		return w.tx.DeleteBucket([]byte(network))
	}
	l, err := w.open(network)
	if err != nil {
		return err
	}
	return l.dropOldest(count(l.bucket) - n)
}

// shares returns what those that have more than their share keep, so that all
// have limit together.
func shares(counts map[string]int, limit int) map[string]int {
	left, over := limit, make(map[string]int, len(counts))
	for name, n := range counts {
		over[name] = n
	}
	for len(over) > 0 {
		share, settled := left/len(over), false
		for name, n := range over {
			if n <= share {
				left -= n
				delete(over, name)
				settled = true
			}
		}
		if !settled {
			for name := range over {
				over[name] = share
			}
			break
		}
	}
	return over
}
