package cli

import (
	"context"
	"errors"
	"sync"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// networkEvent is one event of a network, of the kind that its
// registration asked for.
type networkEvent struct {
	callback int32 // the registration's number
	network  string
	kind     int32   // of lifecycle event, or of metadata
	uri      *string // of metadata
}

// metadataEvent is the message wire.NetworkEventMetadataChange. Type is 0
// description, 1 title, 2 element, whose namespace is NSURI.
type metadataEvent struct {
	CallbackID int32
	Network    wire.Network
	Type       int32
	NSURI      *string
}

// decodeEvent decodes an event message; ok is false for a message of another
// kind and for one that is malformed.
func decodeEvent(f wire.Frame) (ev networkEvent, ok bool) {
	switch f.Proc {
	case wire.NetworkEventLifecycle:
		var m wire.LifecycleEvent
		err := wire.Unmarshal(f.Payload, &m)
		return networkEvent{callback: m.CallbackID, network: m.Network.Name, kind: m.Event}, err == nil
	case wire.NetworkEventMetadataChange:
		var m metadataEvent
		err := wire.Unmarshal(f.Payload, &m)
		return networkEvent{callback: m.CallbackID, network: m.Network.Name, kind: m.Type, uri: m.NSURI}, err == nil
	}
	return ev, false
}

// errNoMoreEvents says that the connection ended.
var errNoMoreEvents = errors.New("no more events")

// eventQueue holds events until they are asked for, so that the reader of
// the connection never waits.
type eventQueue struct {
	mu     sync.Mutex // guards items and closed
	items  []networkEvent
	closed bool
	wake   chan struct{}
}

func newEventQueue() *eventQueue { return &eventQueue{wake: make(chan struct{}, 1)} }

func (q *eventQueue) push(ev networkEvent) {
	q.mu.Lock()
	q.items = append(q.items, ev)
	q.mu.Unlock()
	q.signal()
}

func (q *eventQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

func (q *eventQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next waits for an event. It fails with ctx's error, or errNoMoreEvents
// when the connection ended.
func (q *eventQueue) next(ctx context.Context) (networkEvent, error) {
	for {
		if ev, ok, closed := q.pop(); ok {
			return ev, nil
		} else if closed {
			return networkEvent{}, errNoMoreEvents
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
			return networkEvent{}, ctx.Err()
		}
	}
}

func (q *eventQueue) pop() (ev networkEvent, ok, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return ev, false, q.closed
	}
	ev = q.items[0]
	q.items = q.items[1:]
	return ev, true, false
}
