package lease

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Errors that callers tell apart.
var (
	// ErrTaken: the address is another client's.
	ErrTaken = errors.New("address is taken")
	// ErrClosed: the store is closed or the network was dropped.
	ErrClosed = errors.New("lease store is closed")
)

// maxField bounds each field of a lease that comes from a client.
const maxField = 1024

// Table holds one network's leases: every look-up, and the choice of a free
// address, costs the same however many leases there are. What it answers is
// what has been decided; Leases and Feed tell what is also on disk.
//
// A lease that has ended stays known until somebody else needs its address,
// so that a client which returns finds the address it had.
type Table struct {
	network string
	store   *Store // nil: in memory only

	mu       sync.Mutex // guards all below
	slots    map[netip.Addr]*slot
	byClient map[string]*slot // live leases
	byMAC    map[string]*slot // live leases; the latest of several
	byName   map[string]*slot // live leases
	byPast   map[string]*slot // ended leases by client
	byHold   map[string]*slot // offers by client
	four     family
	six      family
	expiry   expiryHeap
	timer    *time.Timer
	feeds    []*Feed
	seq      uint64 // of the last change decided
	orders   uint64 // of the last change on disk
	closed   bool
}

// family is what a table chooses from for one address family.
type family struct {
	pool    pool
	past    queue[*slot] // ended leases, longest ago first
	holds   queue[*slot] // offers, in the order in which they lapse
	avoided queue[*slot] // in the order in which they lapse
	shares  shares
}

// family returns the part of the table that an address belongs to.
func (t *Table) family(a netip.Addr) *family {
	if a.Is6() {
		return &t.six
	}
	return &t.four
}

// record is a lease, live or past, that is never changed.
type record struct {
	Lease
	past bool // ended; remembered for its client
	// The keys that it is found by.
	client, mac, name string
}

func newRecord(l Lease, past bool) *record {
	c := l.Client()
	return &record{Lease: l, past: past, client: c.key(), mac: c.macKey(), name: nameKey(l.Hostname, c.Six)}
}

// nameKey is a host name as a map key: one name has a lease in each family.
func nameKey(name string, six bool) string {
	if six && name != "" {
		return "6/" + strings.ToLower(name)
	}
	return strings.ToLower(name)
}

// live tells whether r is a lease that has not ended.
func (r *record) live() bool { return r != nil && !r.past }

// slot is all that is known of an address that is not simply free.
type slot struct {
	addr    netip.Addr
	cur     *record // what has been decided
	durable *record // what is on disk
	seq     uint64  // of the last change of cur
	pending int     // changes on their way to disk
	order   uint64  // of the last change of durable

	heapAt    time.Time // place in the expiry heap
	heapIndex int       // -1: not in it
	pastPlace *place[*slot]
	hold      *hold
	avoid     *avoidance
	charge    charge
	heard     time.Time // when cur was last given or renewed, as far as this process knows
}

// NewTable returns an empty table that is kept in memory only.
func NewTable() *Table { return newTable("", nil) }

func newTable(network string, s *Store) *Table {
	return &Table{
		network:  network,
		store:    s,
		slots:    make(map[netip.Addr]*slot),
		byClient: make(map[string]*slot),
		byMAC:    make(map[string]*slot),
		byName:   make(map[string]*slot),
		byPast:   make(map[string]*slot),
		byHold:   make(map[string]*slot),
	}
}

// SetPool sets the IPv4 addresses to choose from. Leases of other addresses
// live on until they expire.
func (t *Table) SetPool(p Pool) { t.setPool(&t.four, p) }

// SetPool6 is SetPool for IPv6.
func (t *Table) SetPool6(p Pool) { t.setPool(&t.six, p) }

func (t *Table) setPool(f *family, p Pool) {
	np := newPool(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	f.pool = np
	f.shares = newShares(&np)
	for a, s := range t.slots {
		if t.family(a) != f {
			continue
		}
		f.pool.mark(a, false)
		s.charge = charge{}
		if s.pastPlace != nil && np.spanOf(a) == nil {
			t.forgetPast(s, nil)
		}
		t.recount(s)
	}
}

// Lookup returns the live lease of an address.
func (t *Table) Lookup(a netip.Addr) (Lease, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return liveLease(t.slots[a])
}

// LookupClient returns a client's live lease. Like dnsmasq it takes the lease
// of the same hardware address for the client's when only one of the two had
// an identifier: a boot ROM and the system it loads are one client.
func (t *Table) LookupClient(c Client) (Lease, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return liveLease(t.ofClient(c))
}

// LookupMAC returns the latest live IPv4 lease of an Ethernet address.
func (t *Table) LookupMAC(mac net.HardwareAddr) (Lease, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return liveLease(t.byMAC[Client{MAC: mac}.macKey()])
}

// LookupName returns the live IPv4 lease whose client is called name, in any
// case.
func (t *Table) LookupName(name string) (Lease, bool) { return t.lookupName(name, false) }

// LookupName6 is LookupName for IPv6.
func (t *Table) LookupName6(name string) (Lease, bool) { return t.lookupName(name, true) }

func (t *Table) lookupName(name string, six bool) (Lease, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return liveLease(t.byName[nameKey(name, six)])
}

func liveLease(s *slot) (Lease, bool) {
	if s == nil || !s.cur.live() {
		return Lease{}, false
	}
	return s.cur.Lease, true
}

func (t *Table) ofClient(c Client) *slot {
	if s := lookUp(t.byClient, c); s != nil {
		return s
	}
	if len(c.MAC) == 0 {
		return nil
	}
	if len(c.ID) > 0 {
		return lookUpMAC(t.byClient, c)
	}
	return lookUpMAC(t.byMAC, c)
}

// Leases returns the live leases that are on disk, in the order in which they
// were given or last renewed.
func (t *Table) Leases() []Lease {
	live := t.durable()
	leases := make([]Lease, len(live))
	for i, l := range live {
		leases[i] = l.Lease
	}
	return leases
}

// orderedRecord is a record with its place among all.
type orderedRecord struct {
	*record
	order uint64
}

// durable returns the live records that are on disk, in order.
func (t *Table) durable() []orderedRecord {
	t.mu.Lock()
	live := make([]orderedRecord, 0, len(t.byClient))
	for _, s := range t.slots {
		if s.durable.live() {
			live = append(live, orderedRecord{s.durable, s.order})
		}
	}
	t.mu.Unlock()
	slices.SortFunc(live, func(a, b orderedRecord) int { return compare(a.order, b.order) })
	return live
}

func compare(a, b uint64) int {
	if a < b {
		return -1
	}
	return 1
}

// Bind gives l.Addr to its client, or renews it, and calls done once that is
// on disk, or with the error that kept it from there; then nothing has
// changed. An address that the client had before is given up. A name that
// another lease had is this one's from now on. ErrTaken means that another
// client has or was offered the address; done is not called then.
func (t *Table) Bind(l Lease, done func(error)) error {
	if len(l.ClientID) > maxField || len(l.Hostname) > maxField || len(l.ServerDUID) > maxField || len(l.MAC) > maxField {
		return fmt.Errorf("bind %s: client sent more than %d bytes of identity", l.Addr, maxField)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	now := time.Now()
	t.lapse(now)
	c := l.Client()
	if !t.available(l.Addr, c, now) {
		return fmt.Errorf("bind %s: %w", l.Addr, ErrTaken)
	}
	r := newRecord(l, false)
	o := op{table: t, done: done}
	t.giveUp(&o, t.ofClient(c), l.Addr)
	t.giveUp(&o, t.byClient[r.client], l.Addr)
	t.takeName(&o, r)
	t.dropHold(t.byHold[r.client])
	t.dropHold(t.byHold[r.mac])
	s := t.slotOf(l.Addr)
	t.dropHold(s)
	t.dropAvoidance(s)
	t.change(&o, s, r)
	s.heard = now
	t.commit(o)
	return nil
}

// Import binds leases that another program gave, and waits until they are on
// disk. One whose address or client has a lease already is left out. It
// returns how many were taken over.
func (t *Table) Import(leases []Lease) (int, error) {
	results := make(chan error, len(leases))
	bound := 0
	for _, l := range leases {
		_, taken := t.Lookup(l.Addr)
		_, has := t.LookupClient(l.Client())
		if taken || has || t.Bind(l, func(err error) { results <- err }) != nil {
			continue
		}
		bound++
	}
	var errs []error
	for range bound {
		if err := <-results; err != nil {
			errs = append(errs, err)
		}
	}
	return bound - len(errs), errors.Join(errs...)
}

// giveUp ends the lease in s, if it is not addr's.
func (t *Table) giveUp(o *op, s *slot, addr netip.Addr) {
	if s != nil && s.addr != addr && s.cur.live() {
		t.change(o, s, nil)
	}
}

// takeName takes r's name from another lease that has it.
func (t *Table) takeName(o *op, r *record) {
	s := t.byName[r.name]
	if r.name == "" || s == nil || s.addr == r.Addr {
		return
	}
	nameless := s.cur.Lease
	nameless.Hostname = ""
	t.change(o, s, newRecord(nameless, false))
}

// Release ends the lease of an address that its client no longer wants. The
// client keeps the first claim on it. If there is no lease it reports false, and
// done is not called.
func (t *Table) Release(a netip.Addr, done func(error)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.slots[a]
	if s == nil || !s.cur.live() || t.closed {
		return false
	}
	ended := s.cur.Lease
	ended.Expiry = time.Now()
	o := op{table: t, done: done}
	t.change(&o, s, newRecord(ended, true))
	t.commit(o)
	return true
}

// Decline ends the lease of an address that its client found in use by
// somebody else, and keeps it from being chosen until then.
func (t *Table) Decline(a netip.Addr, until time.Time, done func(error)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	s := t.slotOf(a)
	o := op{table: t, done: done}
	port := 0
	if s.cur != nil {
		port = s.cur.Port
		t.change(&o, s, nil)
	}
	t.dropHold(s)
	t.keepOff(s, avoidance{until: until, port: port})
	t.commit(o)
}

// change sets what has been decided about s to r and notes it in o.
func (t *Table) change(o *op, s *slot, r *record) {
	t.seq++
	o.add(edit{slot: s, after: r, seq: t.seq})
	s.seq = t.seq
	s.pending++
	t.set(s, r)
}

// set puts r in s and in every index, in place of what was there.
func (t *Table) set(s *slot, r *record) {
	t.unindex(s)
	s.cur = r
	switch {
	case r == nil:
	case r.past:
		t.indexPast(s, r)
	default:
		t.indexLive(s, r)
	}
	t.tidy(s)
}

func (t *Table) unindex(s *slot) {
	if s.cur == nil {
		return
	}
	deleteIf(t.byClient, s.cur.client, s)
	deleteIf(t.byMAC, s.cur.mac, s)
	deleteIf(t.byName, s.cur.name, s)
	deleteIf(t.byPast, s.cur.client, s)
	if s.pastPlace != nil {
		t.family(s.addr).past.remove(s.pastPlace)
		s.pastPlace = nil
	}
}

func deleteIf(index map[string]*slot, key string, s *slot) {
	if index[key] == s {
		delete(index, key)
	}
}

func (t *Table) indexLive(s *slot, r *record) {
	t.forgetPast(t.byPast[r.client], s)
	t.byClient[r.client] = s
	if r.mac != "" {
		t.byMAC[r.mac] = s
	}
	if r.name != "" {
		t.byName[r.name] = s
	}
	t.watchExpiry(s, r.Expiry)
}

// maxPast bounds the ended leases of a family that are remembered.
const maxPast = 1 << 16

func (t *Table) indexPast(s *slot, r *record) {
	t.forgetPast(t.byPast[r.client], s)
	f := t.family(s.addr)
	if f.past.len() >= maxPast {
		t.forgetPast(f.past.front(), s)
	}
	t.byPast[r.client] = s
	s.pastPlace = f.past.push(s)
}

// forgetPast forgets an ended lease, unless it is in except.
func (t *Table) forgetPast(s, except *slot) {
	if s != nil && s != except && s.pending == 0 {
		s.durable = nil
		t.set(s, nil)
	}
}

// slotOf returns the slot of an address.
func (t *Table) slotOf(a netip.Addr) *slot {
	s := t.slots[a]
	if s == nil {
		s = &slot{addr: a, heapIndex: -1}
		t.slots[a] = s
		t.family(a).pool.mark(a, false)
	}
	return s
}

// tidy frees the address of a slot that holds nothing.
func (t *Table) tidy(s *slot) {
	t.recount(s)
	if s.cur == nil && s.durable == nil && s.pending == 0 && s.hold == nil && s.avoid == nil {
		delete(t.slots, s.addr)
		t.family(s.addr).pool.mark(s.addr, true)
	}
}

// close stops the table's timer; changes are refused from then on.
func (t *Table) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.timer != nil {
		t.timer.Stop()
	}
	for _, f := range t.feeds {
		f.end()
	}
	t.feeds = nil
}
