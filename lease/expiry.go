package lease

import (
	"container/heap"
	"time"
)

// expiryHeap has the slots with leases that end, the next to look at first. A
// renewed lease keeps its place and is put further back when its turn comes.
type expiryHeap []*slot

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].heapAt.Before(h[j].heapAt) }
func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}

// Push is for container/heap.
func (h *expiryHeap) Push(x any) {
	s := x.(*slot)
	s.heapIndex = len(*h)
	*h = append(*h, s)
}

// Pop is for container/heap.
func (h *expiryHeap) Pop() any {
	s := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = nil
	*h = (*h)[:len(*h)-1]
	s.heapIndex = -1
	return s
}

// watchExpiry has s looked at when at has come; the zero time is never.
func (t *Table) watchExpiry(s *slot, at time.Time) {
	if at.IsZero() {
		return
	}
	switch {
	case s.heapIndex < 0:
		s.heapAt = at
		heap.Push(&t.expiry, s)
	case at.Before(s.heapAt):
		s.heapAt = at
		heap.Fix(&t.expiry, s.heapIndex)
	}
	if s.heapIndex == 0 {
		t.armTimer()
	}
}

// armTimer sets the one timer for the first of the heap.
func (t *Table) armTimer() {
	if len(t.expiry) == 0 || t.closed {
		return
	}
	wait := time.Until(t.expiry[0].heapAt)
	if t.timer == nil {
		t.timer = time.AfterFunc(wait, t.expire)
	} else {
		t.timer.Reset(wait)
	}
}

// expire ends the leases whose time has come.
func (t *Table) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	now := time.Now()
	for len(t.expiry) > 0 && !now.Before(t.expiry[0].heapAt) {
		t.endIfExpired(heap.Pop(&t.expiry).(*slot), now)
	}
	t.armTimer()
}

// retryExpiry is when an expired lease is looked at again that has a change on
// its way to disk.
const retryExpiry = time.Second

func (t *Table) endIfExpired(s *slot, now time.Time) {
	r := s.cur
	switch {
	case !r.live() || r.Expiry.IsZero():
	case !r.Expired(now):
		t.watchExpiry(s, r.Expiry)
	case s.pending > 0:
		t.watchExpiry(s, now.Add(retryExpiry))
	default:
		past := newRecord(r.Lease, true)
		s.durable = past
		t.set(s, past)
		t.publish(Expired, &r.Lease)
	}
}
