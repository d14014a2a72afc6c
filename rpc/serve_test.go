package rpc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// sockets are those of a server under test.
type sockets struct{ rw, ro string }

// shortDir is a directory whose name leaves room for a socket's, and that
// other users can enter.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rpc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// serve serves m on both sockets until the test ends. Unless opts say
// otherwise everybody is let in.
func serve(t testing.TB, m Networks, opts Options) sockets {
	t.Helper()
	if opts.Authorize == nil {
		opts.Authorize = func(context.Context, Peer, bool) error { return nil }
	}
	dir := shortDir(t)
	s := sockets{filepath.Join(dir, "sock"), filepath.Join(dir, "sock-ro")}
	srv := New(slog.New(slog.DiscardHandler), m, opts)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	for path, readOnly := range map[string]bool{s.rw: false, s.ro: true} {
		l, err := ListenUnix(path, 0o666)
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- srv.Serve(ctx, l, readOnly) }()
	}
	t.Cleanup(func() {
		cancel()
		for range 2 {
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("Serve: %v", err)
				}
			case <-time.After(patience):
				t.Fatal("Serve does not end")
			}
		}
	})
	return s
}

// peer is a client that sees frames.
type peer struct {
	testing.TB
	net.Conn
	r      *bufio.Reader
	serial uint32
}

func connect(t testing.TB, path string) *peer {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &peer{TB: t, Conn: conn, r: bufio.NewReader(conn)}
}

// connectOpen connects and opens the connection.
func connectOpen(t testing.TB, path string) *peer {
	t.Helper()
	p := connect(t, path)
	p.must(wire.AuthList, nil)
	p.must(wire.ConnectOpen, wire.OpenArgs{URI: ptr(systemURI)})
	return p
}

func ptr[T any](v T) *T { return &v }

func (p *peer) send(h wire.Header, args any) {
	p.Helper()
	b, err := wire.Encode(h, args)
	if err != nil {
		p.Fatal(err)
	}
	if _, err := p.Write(b); err != nil {
		p.Fatal(err)
	}
}

// start sends a call and returns its header.
func (p *peer) start(proc wire.Proc, args any) wire.Header {
	p.Helper()
	h := wire.Header{Program: wire.ProgramRemote, Version: 1, Proc: proc, Serial: p.serial}
	p.serial++
	p.send(h, args)
	return h
}

func (p *peer) receive() wire.Frame {
	p.Helper()
	f, err := wire.ReadFrame(p.r, wire.MaxFrame)
	if err != nil {
		p.Fatal(err)
	}
	return f
}

// call calls and returns the reply, of which it checks the header.
func (p *peer) call(proc wire.Proc, args any) wire.Frame {
	p.Helper()
	want := p.start(proc, args)
	got := p.receive()
	want.Type, want.Status = wire.Reply, got.Status
	if diff := cmp.Diff(want, got.Header); diff != "" {
		p.Fatalf("reply (-want +got)\n%s", diff)
	}
	return got
}

// must calls what has to succeed.
func (p *peer) must(proc wire.Proc, args any) []byte {
	p.Helper()
	f := p.call(proc, args)
	if f.Status != wire.OK {
		p.Fatalf("%v: %v", proc, failureOf(p, f))
	}
	return f.Payload
}

// failureOf decodes an error reply.
func failureOf(t testing.TB, f wire.Frame) *wire.Error {
	t.Helper()
	if f.Status != wire.Failed {
		t.Fatalf("%v succeeded: %x", f.Proc, f.Payload)
	}
	e := new(wire.Error)
	if err := wire.Unmarshal(f.Payload, e); err != nil {
		t.Fatal(err)
	}
	return e
}

// gone waits until the server has closed the connection.
func (p *peer) gone() {
	p.Helper()
	for {
		_, err := wire.ReadFrame(p.r, wire.MaxFrame)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			p.Fatal("the connection stays open")
		}
		if err != nil {
			return
		}
	}
}

func TestCloseIsAnsweredThenDone(t *testing.T) {
	s := serve(t, newMemory(), Options{})
	p := connectOpen(t, s.rw)
	p.must(wire.ConnectClose, nil)
	if _, err := wire.ReadFrame(p.r, wire.MaxFrame); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
}

func TestBrokenFramesCloseTheConnectionWithoutReply(t *testing.T) {
	s := serve(t, newMemory(), Options{})
	for name, b := range map[string][]byte{
		"length zero":         {0, 0, 0, 0},
		"short":               {0, 0, 0, 27},
		"huge":                {0xff, 0xff, 0xff, 0xff},
		"over the limit":      {2, 0, 0, 5},
		"large before auth":   {0, 1, 0, 1},
		"text":                []byte("GET / HTTP/1.1\r\n\r\n"),
		"length, then hangup": {0, 0, 0, 28},
	} {
		t.Run(name, func(t *testing.T) {
			p := connect(t, s.rw)
			p.Write(b)
			p.Conn.(*net.UnixConn).CloseWrite()
			if f, err := wire.ReadFrame(p.r, wire.MaxFrame); err == nil {
				t.Errorf("answered: %+v", f)
			} else if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection stays open")
			}
		})
	}
}

func TestFrameMayArriveByteByByte(t *testing.T) {
	s := serve(t, newMemory("default"), Options{})
	p := connectOpen(t, s.rw)
	b, err := wire.Encode(wire.Header{Program: wire.ProgramRemote, Version: 1, Proc: wire.NetworkLookupByName}, "default")
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		p.Write(b[i : i+1])
	}
	if f := p.receive(); f.Status != wire.OK {
		t.Error(failureOf(t, f))
	}
}

func TestFramesMayArriveTogether(t *testing.T) {
	s := serve(t, newMemory("default"), Options{})
	p := connect(t, s.rw)
	var all []byte
	for i, call := range []struct {
		proc wire.Proc
		args any
	}{
		{wire.AuthList, nil},
		{wire.ConnectSupportsFeature, wire.FeatureKeepalive},
		{wire.ConnectOpen, wire.OpenArgs{URI: ptr(systemURI)}},
		{wire.NetworkLookupByName, "default"},
	} {
		b, err := wire.Encode(wire.Header{Program: wire.ProgramRemote, Version: 1, Proc: call.proc, Serial: uint32(i)}, call.args)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	p.Write(all)
	for i := range 4 {
		if f := p.receive(); f.Status != wire.OK || f.Serial != uint32(i) {
			t.Errorf("reply %d: %+v", i, f)
		}
	}
}

func TestWhoDoesNotAuthenticateIsDropped(t *testing.T) {
	for name, b := range map[string][]byte{
		"silent":       nil,
		"half a frame": {0, 0, 0, 28, 0x20},
		"only pings":   wire.Keepalive(wire.KeepalivePing),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pipe(t, newMemory(), Options{})
				begin := time.Now()
				p.Write(b)
				p.gone()
				if got := time.Since(begin); got != 10*time.Second {
					t.Errorf("dropped after %v", got)
				}
			})
		})
	}
}

func TestWhoAuthenticatedMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipe(t, newMemory(), Options{})
		p.must(wire.AuthList, nil)
		time.Sleep(time.Hour) // the bubble's clock
		p.must(wire.ConnectOpen, wire.OpenArgs{URI: ptr(systemURI)})
	})
}

func TestAnonymousClientsBeyondTheLimitWait(t *testing.T) {
	s := serve(t, newMemory(), Options{MaxAnonymous: 2})
	first, second := connect(t, s.rw), connect(t, s.rw)
	for _, p := range []*peer{first, second} { // which shows that they have places
		p.Write(wire.Keepalive(wire.KeepalivePing))
		p.receive()
	}
	third := connect(t, s.rw)
	third.start(wire.AuthList, nil)
	third.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := third.r.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the third was served: %v", err)
	}
	first.must(wire.AuthList, nil)
	third.SetReadDeadline(time.Now().Add(patience))
	third.receive()
	second.must(wire.AuthList, nil)
}

func TestClientsBeyondTheLimitWaitForOneToLeave(t *testing.T) {
	s := serve(t, newMemory(), Options{MaxClients: 1})
	first := connectOpen(t, s.rw)
	second := connect(t, s.rw)
	second.start(wire.AuthList, nil)
	second.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := second.r.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the second was served: %v", err)
	}
	first.Close()
	second.SetReadDeadline(time.Now().Add(patience))
	second.receive()
}

func TestReplyOfAQuickCallOvertakesASlowOne(t *testing.T) {
	m := newMemory("slow", "quick")
	s := serve(t, m, Options{})
	p := connectOpen(t, s.rw)
	slow := p.start(wire.NetworkCreate, wire.Network{UUID: wire.UUID(id(1))})
	p.must(wire.NetworkCreate, wire.Network{UUID: wire.UUID(id(2))})
	close(m.gate)
	if f := p.receive(); f.Serial != slow.Serial || f.Status != wire.OK {
		t.Errorf("got %+v", f)
	}
}

func TestAtTheLimitOfCallsReadingPauses(t *testing.T) {
	m := newMemory("slow")
	s := serve(t, m, Options{MaxRequests: 2})
	p := connectOpen(t, s.rw)
	for range 2 {
		p.start(wire.NetworkCreate, wire.Network{UUID: wire.UUID(id(1))})
	}
	<-m.begun
	<-m.begun
	last := p.start(wire.ConnectGetType, nil)
	p.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := p.r.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a third call was answered: %v", err)
	}
	p.SetReadDeadline(time.Now().Add(patience))
	close(m.gate)
	answered := make(map[uint32]bool)
	for range 3 {
		answered[p.receive().Serial] = true
	}
	if !answered[last.Serial] || len(answered) != 3 {
		t.Errorf("answered: %v", answered)
	}
}

func TestCallOutlivesItsClient(t *testing.T) {
	m := newMemory("slow")
	s := serve(t, m, Options{})
	p := connectOpen(t, s.rw)
	p.start(wire.NetworkCreate, wire.Network{UUID: wire.UUID(id(1))})
	<-m.begun
	watch := connectOpen(t, s.ro)
	watch.must(wire.NetworkEventRegisterAny, wire.EventRegisterArgs{})
	p.Close()
	close(m.gate)
	if f := watch.receive(); f.Proc != wire.NetworkEventLifecycle {
		t.Errorf("got %+v", f)
	}
	if i, _ := m.LookupName("slow"); !i.Active {
		t.Error("the network did not start")
	}
}

func TestEndOfServerEndsCalls(t *testing.T) {
	m := newMemory("slow")
	srv := New(slog.New(slog.DiscardHandler), m, Options{Authorize: func(context.Context, Peer, bool) error { return nil }})
	path := filepath.Join(shortDir(t), "sock")
	l, err := ListenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ctx, l, false) }()
	p := connectOpen(t, path)
	p.start(wire.NetworkCreate, wire.Network{UUID: wire.UUID(id(1))})
	<-m.begun
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	p.gone()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
}

func TestFailedListenerEndsServe(t *testing.T) {
	srv := New(slog.New(slog.DiscardHandler), newMemory(), Options{})
	l, err := ListenUnix(filepath.Join(shortDir(t), "sock"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := srv.Serve(context.Background(), l, false); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// scarce is a listener that fails before it accepts.
type scarce struct {
	net.Listener
	errs []error
	conn net.Conn
}

func (l *scarce) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, err
	}
	return l.conn, nil
}

func TestShortageOfDescriptorsIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		l := &scarce{errs: []error{
			&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)},
			&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.ENFILE)},
		}, conn: far}
		conn, err := accept(t.Context(), l)
		if err != nil || conn != far {
			t.Errorf("got %v, %v", conn, err)
		}
		l.errs = []error{syscall.EMFILE, syscall.EMFILE}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := accept(ctx, l); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestEventsReachOnlyWhoAskedForThatNetwork(t *testing.T) {
	m := newMemory("a", "b")
	s := serve(t, m, Options{})
	p := connectOpen(t, s.ro)
	register := func(n *wire.Network, event int32) int32 {
		var cb int32
		if err := wire.Unmarshal(p.must(wire.NetworkEventRegisterAny, wire.EventRegisterArgs{EventID: event, Network: n}), &cb); err != nil {
			t.Fatal(err)
		}
		return cb
	}
	a, b := wire.Network{Name: "a", UUID: wire.UUID(id(1))}, wire.Network{Name: "b", UUID: wire.UUID(id(2))}
	all := register(nil, wire.EventLifecycle)
	ofB := register(&wire.Network{Name: "any", UUID: b.UUID}, wire.EventLifecycle)
	register(nil, wire.EventMetadataChange)
	register(&wire.Network{UUID: wire.UUID(id(99))}, wire.EventLifecycle)
	dropped := register(nil, wire.EventLifecycle)
	p.must(wire.NetworkEventDeregisterAny, dropped)

	w := connectOpen(t, s.rw)
	w.must(wire.NetworkCreate, a)
	w.must(wire.NetworkCreate, b)
	w.must(wire.NetworkDestroy, a)
	w.must(wire.NetworkUndefine, a)
	want := []wire.LifecycleEvent{
		{CallbackID: all, Network: a, Event: int32(network.Started)},
		{CallbackID: all, Network: b, Event: int32(network.Started)},
		{CallbackID: ofB, Network: b, Event: int32(network.Started)},
		{CallbackID: all, Network: a, Event: int32(network.Stopped)},
		{CallbackID: all, Network: a, Event: int32(network.Undefined)},
	}
	var got []wire.LifecycleEvent
	for range want {
		f := p.receive()
		wantHeader := wire.Header{Program: wire.ProgramRemote, Version: 1, Proc: wire.NetworkEventLifecycle, Type: wire.Message, Serial: 1}
		if diff := cmp.Diff(wantHeader, f.Header); diff != "" {
			t.Errorf("header (-want +got)\n%s", diff)
		}
		var e wire.LifecycleEvent
		if err := wire.Unmarshal(f.Payload, &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWhoDoesNotReadEventsIsDropped(t *testing.T) {
	m := newMemory("a")
	s := serve(t, m, Options{EventQueue: 4})
	p := connectOpen(t, s.ro)
	p.must(wire.NetworkEventRegisterAny, wire.EventRegisterArgs{})
	// The socket holds some; then the queue fills.
	m.mu.Lock()
	for range 1 << 15 {
		m.emit(network.Ref{Name: "a", UUID: id(1)}, network.Defined)
	}
	m.mu.Unlock()
	for n := 0; ; n++ {
		if _, err := wire.ReadFrame(p.r, wire.MaxFrame); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the connection stays open after %d events", n)
			}
			return
		}
	}
}

func TestRegistrationsAreBounded(t *testing.T) {
	p := connectOpen(t, serve(t, newMemory(), Options{}).ro)
	for range maxCallbacks {
		p.must(wire.NetworkEventRegisterAny, wire.EventRegisterArgs{})
	}
	failureOf(t, p.call(wire.NetworkEventRegisterAny, wire.EventRegisterArgs{}))
}
