package lease

// queue is a doubly linked list: first in, first out, and anything may leave
// before its turn.
type queue[T any] struct {
	first, last *place[T]
	n           int
}

// place is where a value stands in a queue.
type place[T any] struct {
	value      T
	prev, next *place[T]
}

func (q *queue[T]) len() int { return q.n }

// push appends v.
func (q *queue[T]) push(v T) *place[T] {
	p := &place[T]{value: v, prev: q.last}
	if q.last != nil {
		q.last.next = p
	} else {
		q.first = p
	}
	q.last = p
	q.n++
	return p
}

// front returns the value that has waited longest, the zero value if none has.
func (q *queue[T]) front() T {
	if q.first == nil {
		var none T
		return none
	}
	return q.first.value
}

// remove takes p out.
func (q *queue[T]) remove(p *place[T]) {
	if p.prev != nil {
		p.prev.next = p.next
	} else {
		q.first = p.next
	}
	if p.next != nil {
		p.next.prev = p.prev
	} else {
		q.last = p.prev
	}
	q.n--
}
