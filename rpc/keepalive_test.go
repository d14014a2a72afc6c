package rpc

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// pipe serves one client over a pipe, within a synctest bubble, and returns
// the client's side.
func pipe(t *testing.T, m Networks, opts Options) *peer {
	opts.Authorize = func(context.Context, Peer, bool) error { return nil }
	srv := New(slog.New(slog.DiscardHandler), m, opts)
	far, near := net.Pipe()
	c := newClient(srv, far, Peer{}, false, func() {})
	go c.serve(t.Context())
	t.Cleanup(func() { near.Close() })
	return &peer{TB: t, Conn: near, r: bufio.NewReader(near)}
}

func TestPingIsAnsweredBeforeAuthentication(t *testing.T) {
	p := connect(t, serve(t, newMemory(), Options{}).rw)
	p.Write(wire.Keepalive(wire.KeepalivePing))
	if f := p.receive(); !f.IsKeepalive() || f.Proc != wire.KeepalivePong || f.Serial != 0 {
		t.Errorf("got %+v", f)
	}
}

func TestPingIsAnsweredWhileCallsRun(t *testing.T) {
	m := newMemory("slow")
	p := connectOpen(t, serve(t, m, Options{MaxRequests: 1}).rw)
	p.start(wire.NetworkCreate, wire.Network{UUID: wire.UUID(id(1))})
	<-m.begun
	p.Write(wire.Keepalive(wire.KeepalivePing))
	if f := p.receive(); f.Proc != wire.KeepalivePong {
		t.Errorf("got %+v", f)
	}
	close(m.gate)
	p.receive()
}

func TestSilentClientIsPingedThenDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe(t, newMemory(), Options{})
		p.must(wire.AuthList, nil)
		p.must(wire.ConnectSupportsFeature, wire.FeatureKeepalive)
		begin := time.Now()
		for n := range 5 {
			if f := p.receive(); !f.IsKeepalive() || f.Proc != wire.KeepalivePing {
				t.Errorf("got %+v", f)
			}
			if got, want := time.Since(begin), time.Duration(n+1)*5*time.Second; got != want {
				t.Errorf("ping %d came after %v, want %v", n, got, want)
			}
		}
		p.gone()
		if got := time.Since(begin); got != 30*time.Second {
			t.Errorf("dropped after %v", got)
		}
	})
}

func TestClientThatAnswersPingsStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe(t, newMemory(), Options{KeepaliveCount: 1})
		p.must(wire.AuthList, nil)
		p.must(wire.ConnectSupportsFeature, wire.FeatureKeepalive)
		for range 10 {
			p.receive()
			p.Write(wire.Keepalive(wire.KeepalivePong))
		}
	})
}

func TestBusyClientIsNotPinged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe(t, newMemory(), Options{KeepaliveCount: 1})
		p.must(wire.AuthList, nil)
		for range 10 {
			p.must(wire.ConnectSupportsFeature, wire.FeatureKeepalive)
			time.Sleep(4 * time.Second) // the bubble's clock
		}
	})
}

func TestClientAtItsLimitOfCallsIsNotDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory("slow")
		m.begun, m.gate = make(chan struct{}, 1), make(chan struct{})
		p := pipe(t, m, Options{MaxRequests: 1})
		p.must(wire.AuthList, nil)
		p.must(wire.ConnectOpen, wire.OpenArgs{URI: ptr(systemURI)})
		p.must(wire.ConnectSupportsFeature, wire.FeatureKeepalive)
		p.start(wire.NetworkCreate, wire.Network{UUID: wire.UUID(id(1))})
		time.AfterFunc(time.Minute, func() { close(m.gate) })
		if f := p.receive(); f.Type != wire.Reply {
			t.Errorf("got %+v", f)
		}
	})
}

func TestClientWithoutKeepaliveIsNotPinged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe(t, newMemory(), Options{})
		p.must(wire.AuthList, nil)
		time.Sleep(time.Hour) // the bubble's clock
		p.must(wire.ConnectSupportsFeature, wire.FeatureKeepalive)
	})
}

func TestNegativeIntervalMeansNoPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe(t, newMemory(), Options{KeepaliveInterval: -1})
		p.must(wire.AuthList, nil)
		p.must(wire.ConnectSupportsFeature, wire.FeatureKeepalive)
		time.Sleep(time.Hour) // the bubble's clock
		p.must(wire.ConnectSupportsFeature, wire.FeatureKeepalive)
	})
}

func TestClientThatTakesNoReplyIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe(t, newMemory(), Options{})
		p.start(wire.AuthList, nil) // a pipe holds nothing
		time.Sleep(31 * time.Second)
		p.gone()
	})
}
