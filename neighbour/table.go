package neighbour

import (
	"container/heap"
	"container/list"
	"net/netip"
	"slices"
	"time"
)

// Limits of one network. What a station claims beyond its own share pushes out
// what it claimed first; what stations claim that do not matter (yet) pushes
// out each other's.
const (
	maxEach     = 16 // Linux makes itself no more (net.ipv6.conf.*.max_addresses)
	maxBystand  = 4096
	maxFollowed = 1 << 16
)

// Times of asking.
const (
	// firstAsk is when a claim is asked for: a station that looks for others
	// with its address is silent for a second (RFC 4862 §5.4).
	firstAsk = 1200 * time.Millisecond
	// askAgain is how long an answer may take (RetransTimer, RFC 4861 §10).
	askAgain = time.Second
	// askTimes is how often it is asked without an answer.
	askTimes = 4
	// confirm is how long an answer counts.
	confirm = time.Minute
)

// An entry is a claimed address.
type entry struct {
	Neighbour
	rival   *MAC      // another who claims it, and gets it if the first is gone
	holds   bool      // it has answered
	heard   time.Time // when it did last
	asked   int       // times since the last answer
	due     time.Time
	index   int           // in the queue, -1: nobody asks
	bystand *list.Element // in table.bystanders, nil if the MAC is followed
}

// A table holds what stations claim, and says what to ask them when. It is not
// safe for concurrent use. What became true goes to changes.
type table struct {
	cfg        Config
	entries    map[netip.Addr]*entry
	byMAC      map[MAC][]*entry // in the order of their claims
	followed   map[MAC]bool
	bystanders *list.List // of *entry, the latest claim last
	queue      queue
	set, gone  []Neighbour
}

func newTable(cfg Config) *table {
	return &table{
		cfg: cfg, entries: map[netip.Addr]*entry{}, byMAC: map[MAC][]*entry{},
		followed: map[MAC]bool{}, bystanders: list.New(),
	}
}

// changes returns what happened since the last time: first what is gone.
func (t *table) changes() (gone, set []Neighbour) {
	gone, set = t.gone, t.set
	t.gone, t.set = nil, nil
	return gone, set
}

// configure takes another configuration. What it is not about is forgotten.
func (t *table) configure(cfg Config) {
	t.cfg = cfg
	for addr, e := range t.entries {
		if !cfg.holds(addr) {
			t.remove(e)
		}
	}
}

// follow begins to ask a station, also for what it is likely to have.
func (t *table) follow(m MAC, now time.Time) {
	if t.followed[m] {
		return
	}
	t.followed[m] = true
	for _, e := range t.byMAC[m] {
		t.bystanders.Remove(e.bystand)
		e.bystand = nil
		t.ask(e, now)
	}
	for _, addr := range t.cfg.guesses(m) {
		t.claim(Neighbour{addr, m}, now)
	}
}

// unfollow asks a station no more. What it has is noted as any other's.
func (t *table) unfollow(m MAC) {
	delete(t.followed, m)
	for _, e := range slices.Clone(t.byMAC[m]) {
		t.remove(e)
		if e.holds {
			t.add(e.Neighbour, time.Time{})
		}
	}
}

// claim notes that a station says, by whatever frame, that it has an address.
func (t *table) claim(n Neighbour, now time.Time) {
	if !t.cfg.holds(n.Addr) {
		return
	}
	e := t.entries[n.Addr]
	switch {
	case e == nil:
		t.add(n, now)
	case e.MAC == n.MAC:
		t.alive(e, now)
	case e.bystand != nil:
		t.remove(e)
		t.add(n, now)
	case t.followed[n.MAC] && e.rival == nil && now.Sub(e.heard) >= askAgain:
		m := n.MAC
		e.rival = &m
		if e.asked == 0 {
			t.ask(e, now)
		}
	}
}

// alive postpones the next question to a station that was heard.
func (t *table) alive(e *entry, now time.Time) {
	if e.holds && e.rival == nil {
		e.asked = 0
		t.schedule(e, now.Add(confirm))
	}
	if e.bystand != nil {
		t.bystanders.MoveToBack(e.bystand)
	}
}

// add notes a new claim.
func (t *table) add(n Neighbour, now time.Time) {
	e := &entry{Neighbour: n, index: -1}
	if mine := t.byMAC[n.MAC]; len(mine) >= maxEach {
		t.remove(mine[0])
	}
	t.byMAC[n.MAC] = append(t.byMAC[n.MAC], e)
	t.entries[n.Addr] = e
	if !t.followed[n.MAC] {
		e.bystand = t.bystanders.PushBack(e)
		if t.bystanders.Len() > maxBystand {
			t.remove(t.bystanders.Front().Value.(*entry))
		}
		return
	}
	if len(t.queue) >= maxFollowed {
		t.remove(e)
		return
	}
	t.schedule(e, now.Add(firstAsk))
}

// remove forgets an entry.
func (t *table) remove(e *entry) {
	delete(t.entries, e.Addr)
	t.byMAC[e.MAC] = slices.DeleteFunc(t.byMAC[e.MAC], func(o *entry) bool { return o == e })
	if len(t.byMAC[e.MAC]) == 0 {
		delete(t.byMAC, e.MAC)
	}
	if e.bystand != nil {
		t.bystanders.Remove(e.bystand)
	}
	if e.index >= 0 {
		heap.Remove(&t.queue, e.index)
	}
	if e.holds {
		t.gone = append(t.gone, e.Neighbour)
	}
}

// answer notes that a station answers for an address.
func (t *table) answer(n Neighbour, now time.Time) {
	e := t.entries[n.Addr]
	switch {
	case e == nil || e.bystand != nil || e.MAC != n.MAC && !(e.rival != nil && *e.rival == n.MAC):
		t.claim(n, now)
		return
	case e.MAC == n.MAC:
		e.rival = nil
	case e.holds:
		return // the first one has its time to answer
	default:
		t.remove(e)
		t.add(n, now)
		e = t.entries[n.Addr]
	}
	if e == nil {
		return
	}
	e.heard = now
	if !e.holds {
		e.holds = true
		t.set = append(t.set, e.Neighbour)
	}
	t.alive(e, now)
}

// A question is what to ask: all, or a station that is known to have the
// address.
type question struct {
	Neighbour
	all bool
}

// due returns the questions of this moment. What was asked often enough is
// forgotten, or its rival's.
func (t *table) due(now time.Time) (all []question) {
	for len(t.queue) > 0 && !t.queue[0].due.After(now) {
		e := t.queue[0]
		if e.asked >= askTimes {
			t.giveUp(e, now)
			continue
		}
		e.asked++
		t.schedule(e, now.Add(askAgain))
		all = append(all, question{e.Neighbour, !e.holds})
	}
	return all
}

func (t *table) giveUp(e *entry, now time.Time) {
	rival := e.rival
	t.remove(e)
	if rival != nil {
		t.add(Neighbour{e.Addr, *rival}, now)
	}
}

// next is when due will have something; zero if never.
func (t *table) next() time.Time {
	if len(t.queue) == 0 {
		return time.Time{}
	}
	return t.queue[0].due
}

// ask has an entry asked for at once.
func (t *table) ask(e *entry, now time.Time) {
	e.asked = 0
	t.schedule(e, now)
}

func (t *table) schedule(e *entry, at time.Time) {
	if e.due = at; e.index >= 0 {
		heap.Fix(&t.queue, e.index)
		return
	}
	heap.Push(&t.queue, e)
}

// A queue is a heap of entries by when they are due.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push and Pop implement heap.Interface.
func (q *queue) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	e.index = -1
	*q = old[:len(old)-1]
	return e
}
