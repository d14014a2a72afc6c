package network

import "sync"

// broker hands events to subscribers in order. Each has a queue of its own,
// so that a slow one neither loses events nor delays the others.
type broker struct {
	mu   sync.Mutex // guards subs
	subs map[*subscription]struct{}
}

type subscription struct {
	mu     sync.Mutex // guards queue
	queue  []Event
	wake   chan struct{} // holds one token while queue may not be empty
	cancel chan struct{}
}

func (b *broker) publish(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subs {
		s.mu.Lock()
		s.queue = append(s.queue, e)
		s.mu.Unlock()
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// subscribe returns a channel of the events from now on. The channel is
// closed after cancel.
func (b *broker) subscribe() (<-chan Event, func()) {
	s := &subscription{wake: make(chan struct{}, 1), cancel: make(chan struct{})}
	b.mu.Lock()
	if b.subs == nil {
		b.subs = make(map[*subscription]struct{})
	}
	b.subs[s] = struct{}{}
	b.mu.Unlock()

	out := make(chan Event)
	go s.deliver(out)
	return out, sync.OnceFunc(func() {
		b.mu.Lock()
		delete(b.subs, s)
		b.mu.Unlock()
		close(s.cancel)
	})
}

func (s *subscription) deliver(out chan<- Event) {
	defer close(out)
	for {
		select {
		case <-s.wake:
		case <-s.cancel:
			return
		}
		for _, e := range s.take() {
			select {
			case out <- e:
			case <-s.cancel:
				return
			}
		}
	}
}

func (s *subscription) take() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queue
	s.queue = nil
	return q
}
