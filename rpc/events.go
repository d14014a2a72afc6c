package rpc

import (
	"context"
	"slices"
	"sync"

	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// audience is the clients of one listener, to whom events go.
type audience struct {
	mu      sync.Mutex // guards clients
	clients map[*client]struct{}
}

func newAudience() *audience {
	return &audience{clients: make(map[*client]struct{})}
}

func (a *audience) join(c *client) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clients[c] = struct{}{}
}

func (a *audience) leave(c *client) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.clients, c)
}

// follow passes events on until ctx ends or there are no more.
func (a *audience) follow(ctx context.Context, events <-chan network.Event) {
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			a.publish(e)
		case <-ctx.Done():
			return
		}
	}
}

// publish waits for nobody.
func (a *audience) publish(e network.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.clients {
		c.publish(e)
	}
}

// maxCallbacks bounds the registrations of a client, which libvirt does not.
const maxCallbacks = 1000

// eventQueue is a client's registrations and the messages on their way to it.
type eventQueue struct {
	frames chan []byte
	pump   sync.Once // starts writing them

	mu        sync.Mutex // guards callbacks
	callbacks []callback
}

// callback is one registration for events.
type callback struct {
	id      int32
	event   int32
	network *wire.UUID // nil: of every network
}

// registerEvent returns the number of a new registration. That its network
// exists is not asked for: one may wait for it to be defined.
func (c *client) registerEvent(_ context.Context, args wire.EventRegisterArgs) (int32, error) {
	if args.EventID != wire.EventLifecycle && args.EventID != wire.EventMetadataChange {
		return 0, failuref(wire.FromRPC, wire.CodeInternal, "unsupported network event ID %d", args.EventID)
	}
	cb := callback{id: c.srv.callbackID.Add(1) - 1, event: args.EventID}
	if args.Network != nil {
		cb.network = &args.Network.UUID
	}
	c.events.pump.Do(func() { c.tasks.Go(c.pumpEvents) })
	c.events.mu.Lock()
	defer c.events.mu.Unlock()
	if len(c.events.callbacks) == maxCallbacks {
		return 0, failuref(wire.FromRPC, wire.CodeInternal, "more than %d network event callbacks", maxCallbacks)
	}
	c.events.callbacks = append(c.events.callbacks, cb)
	return cb.id, nil
}

func (c *client) deregisterEvent(_ context.Context, id int32) (wire.Empty, error) {
	c.events.mu.Lock()
	defer c.events.mu.Unlock()
	before := len(c.events.callbacks)
	c.events.callbacks = slices.DeleteFunc(c.events.callbacks, func(cb callback) bool { return cb.id == id })
	if len(c.events.callbacks) == before {
		return wire.Empty{}, failuref(wire.FromRPC, wire.CodeInternal, "network event callback %d not registered", id)
	}
	return wire.Empty{}, nil
}

// publish queues e for each registration that it matches. A client whose
// queue is full is dropped: it would miss events without knowing.
func (c *client) publish(e network.Event) {
	kind := wire.EventLifecycle
	if e.Metadata != nil {
		kind = wire.EventMetadataChange
	}
	c.events.mu.Lock()
	defer c.events.mu.Unlock()
	for _, cb := range c.events.callbacks {
		if cb.event != kind || cb.network != nil && xmlnet.UUID(*cb.network) != e.Network.UUID {
			continue
		}
		select {
		case c.events.frames <- eventMessage(cb.id, e):
		default:
			c.log.Warn("client dropped: it does not read its events")
			c.close()
			return
		}
	}
}

// eventMessage is the frame of e. Messages of libvirt's daemon carry serial 1.
func eventMessage(callbackID int32, e network.Event) []byte {
	h := wire.Header{
		Program: wire.ProgramRemote,
		Version: wire.ProgramVersion,
		Proc:    wire.NetworkEventLifecycle,
		Type:    wire.Message,
		Serial:  1,
	}
	var body any = wire.LifecycleEvent{CallbackID: callbackID, Network: ref(e.Network), Event: int32(e.Kind)}
	if m := e.Metadata; m != nil {
		h.Proc = wire.NetworkEventMetadataChange
		body = wire.MetadataEvent{CallbackID: callbackID, Network: ref(e.Network), Type: int32(m.Type), URI: optional(m.URI)}
	}
	b, err := wire.Encode(h, body)
	if err != nil {
		panic(err) // a name that came in by the protocol goes out by it
	}
	return b
}

// pumpEvents writes queued events until the connection ends.
func (c *client) pumpEvents() {
	for {
		select {
		case b := <-c.events.frames:
			c.write(b)
		case <-c.done:
			return
		}
	}
}
