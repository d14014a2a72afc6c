package rpc

import "context"

// pool is places for clients. Root has one of its own: anybody can connect,
// and nobody may keep root from the daemon by filling it.
type pool struct {
	clients   chan struct{} // a place for each client
	anonymous chan struct{} // one more for each that is not authenticated
	queue     chan struct{} // one for each that waits for these
}

func newPool(o Options) *pool {
	return &pool{
		clients:   make(chan struct{}, o.MaxClients),
		anonymous: make(chan struct{}, o.MaxAnonymous),
		queue:     make(chan struct{}, o.MaxQueued),
	}
}

// enter waits for a client's place and an anonymous one. It is false when too
// many wait already, or ctx ends.
func (p *pool) enter(ctx context.Context) bool {
	select {
	case p.queue <- struct{}{}:
		defer func() { <-p.queue }()
	default:
		return false
	}
	if !take(ctx, p.clients) {
		return false
	}
	if !take(ctx, p.anonymous) {
		<-p.clients
		return false
	}
	return true
}

// known gives the anonymous place back, leave the other.
func (p *pool) known() { <-p.anonymous }
func (p *pool) leave() { <-p.clients }

func take(ctx context.Context, places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}
