package rpc

import (
	"context"
	"log/slog"
	"runtime"
	"testing"
)

func TestOthersCannotTakeRootsPlaces(t *testing.T) {
	s := New(slog.New(slog.DiscardHandler), newMemory(), Options{MaxClients: 1})
	if !s.poolOf(Peer{UID: 1000}).enter(t.Context()) {
		t.Fatal("the first is kept out")
	}
	if !s.poolOf(Peer{}).enter(t.Context()) {
		t.Error("root is kept out")
	}
}

func TestQueueIsBounded(t *testing.T) {
	p := newPool(Options{MaxClients: 1, MaxAnonymous: 1, MaxQueued: 1})
	if !p.enter(t.Context()) {
		t.Fatal("the first is kept out")
	}
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan bool)
	go func() { waited <- p.enter(ctx) }()
	for len(p.queue) == 0 {
		runtime.Gosched()
	}
	if p.enter(t.Context()) {
		t.Error("a third came in")
	}
	cancel()
	if <-waited {
		t.Error("the second came in")
	}
	p.known()
	p.leave()
	if !p.enter(t.Context()) {
		t.Error("a place given back is not free")
	}
}

func TestWaitingForAnAnonymousPlaceHoldsNoOther(t *testing.T) {
	p := newPool(Options{MaxClients: 2, MaxAnonymous: 1, MaxQueued: 1})
	if !p.enter(t.Context()) {
		t.Fatal("the first is kept out")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p.enter(ctx) {
		t.Error("the second came in")
	}
	if len(p.clients) != 1 {
		t.Errorf("%d places are taken", len(p.clients))
	}
}
