package rpc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

func TestHundredClientsAreServedAtOnce(t *testing.T) {
	s := serve(t, fourNetworks(), Options{})
	var clients sync.WaitGroup
	for range 100 {
		clients.Go(func() {
			c, err := wire.Dial(t.Context(), s.rw, systemURI, false)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			var calls sync.WaitGroup
			for range 5 { // as many as the server takes at once
				calls.Go(func() {
					for range 10 {
						if err := lookUpUp(t.Context(), c); err != nil {
							t.Error(err)
						}
					}
				})
			}
			calls.Wait()
		})
	}
	clients.Wait()
}

// lookUpUp looks one network up and checks what comes back.
func lookUpUp(ctx context.Context, c *wire.Conn) error {
	var n wire.Network
	if err := c.Call(ctx, wire.NetworkLookupByName, "up", &n); err != nil {
		return err
	}
	if n != up {
		return fmt.Errorf("got %+v", n)
	}
	return nil
}

func TestClientsThatDieMidFrameOrMidCallHarmNobody(t *testing.T) {
	m := fourNetworks()
	s := serve(t, m, Options{MaxClients: 10})
	frame, err := wire.Encode(wire.Header{Program: wire.ProgramRemote, Version: 1, Proc: wire.NetworkLookupByName}, "up")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 200 {
		p := connectOpen(t, s.rw)
		p.Write(frame)
		p.Write(frame[:n%len(frame)])
		p.Close()
	}
	connectOpen(t, s.rw).must(wire.NetworkLookupByName, "up")
}

func TestConnDeliversEventsAndReplies(t *testing.T) {
	m := newMemory("a")
	s := serve(t, m, Options{})
	c, err := wire.Dial(t.Context(), s.rw, systemURI, false)
	if err != nil {
		t.Fatal(err)
	}
	a := wire.Network{Name: "a", UUID: wire.UUID(id(1))}
	var cb int32
	if err := c.Call(t.Context(), wire.NetworkEventRegisterAny, wire.EventRegisterArgs{}, &cb); err != nil {
		t.Fatal(err)
	}
	if err := c.Call(t.Context(), wire.NetworkCreate, a, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := <-c.Events(), (wire.LifecycleEvent{CallbackID: cb, Network: a, Event: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if e, ok := <-c.Events(); ok {
		t.Errorf("after the end: %+v", e)
	}
	if err := c.Call(t.Context(), wire.ConnectGetType, nil, nil); !errors.Is(err, wire.ErrClosed) {
		t.Errorf("call after the end: %v", err)
	}
}

func TestConnGivesUpACallWithItsContext(t *testing.T) {
	m := newMemory("slow")
	s := serve(t, m, Options{})
	c, err := wire.Dial(t.Context(), s.rw, systemURI, false)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-m.begun; cancel() }()
	if err := c.Call(ctx, wire.NetworkCreate, wire.Network{UUID: wire.UUID(id(1))}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(m.gate)
	var typ string
	if err := c.Call(t.Context(), wire.ConnectGetType, nil, &typ); err != nil || typ != "network" {
		t.Errorf("next call: %q, %v", typ, err)
	}
}

func TestConnIsReadOnlyWhenAsked(t *testing.T) {
	c, err := wire.Dial(t.Context(), serve(t, fourNetworks(), Options{}).rw, systemURI, true)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Call(t.Context(), wire.NetworkDestroy, up, nil)
	if e, ok := errors.AsType[*wire.Error](err); !ok || e.Code != wire.CodeOperationDenied {
		t.Errorf("got %v", err)
	}
}

func TestIdleConnStaysAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe(t, fourNetworks(), Options{KeepaliveCount: 1})
		c := wire.NewConn(p.Conn)
		if err := c.Open(t.Context(), systemURI, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // the bubble's clock
		if err := lookUpUp(t.Context(), c); err != nil {
			t.Error(err)
		}
		c.Close()
	})
}

// FuzzConversation sends anything to an open connection. The server must
// answer or close, and serve the next client.
func FuzzConversation(f *testing.F) {
	for _, tt := range append(connectCalls(), append(lookupCalls(), leaseCalls()...)...) {
		b, err := wire.Encode(wire.Header{Program: wire.ProgramRemote, Version: 1, Proc: tt.proc}, tt.args)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(wire.Keepalive(wire.KeepalivePing))
	srv := New(slog.New(slog.DiscardHandler), fourNetworks(), Options{Authorize: func(context.Context, Peer, bool) error { return nil }})
	f.Fuzz(func(t *testing.T, b []byte) {
		near, far := net.Pipe()
		c := newClient(srv, far, Peer{}, false, func() {})
		c.authenticated, c.opened = true, true
		var running sync.WaitGroup
		defer running.Wait()
		running.Go(func() { c.serve(t.Context()) })
		running.Go(func() {
			near.Write(b)
			near.Write(wire.Keepalive(wire.KeepalivePing))
			near.Close()
		})
		r := bufio.NewReader(near)
		for {
			reply, err := wire.ReadFrame(r, wire.MaxFrame)
			if errors.Is(err, wire.ErrLength) {
				t.Error(err)
			}
			if err != nil {
				return
			}
			if reply.Type != wire.Reply && !reply.IsKeepalive() {
				t.Errorf("answer %+v", reply)
			}
		}
	})
}

func BenchmarkSequentialCalls(b *testing.B) {
	s := serve(b, fourNetworks(), Options{})
	c, err := wire.Dial(b.Context(), s.rw, systemURI, false)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for b.Loop() {
		var active int32
		if err := c.Call(b.Context(), wire.NetworkIsActive, up, &active); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkRawCalls is without our own client's goroutines: what the server
// takes.
func BenchmarkRawCalls(b *testing.B) {
	p := connectOpen(b, serve(b, fourNetworks(), Options{}).rw)
	p.SetDeadline(time.Time{})
	frame, err := wire.Encode(wire.Header{Program: wire.ProgramRemote, Version: 1, Proc: wire.NetworkIsActive}, up)
	if err != nil {
		b.Fatal(err)
	}
	reply := make([]byte, 32)
	for b.Loop() {
		if _, err := p.Write(frame); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(p.Conn, reply); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

func BenchmarkConnection(b *testing.B) {
	s := serve(b, fourNetworks(), Options{})
	for b.Loop() {
		c, err := wire.Dial(b.Context(), s.rw, systemURI, false)
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}
