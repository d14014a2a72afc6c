package dns

import (
	"context"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A waiter runs the queries of one socket that wait for upstreams.
type waiter struct {
	s    *Server
	wg   sync.WaitGroup
	jobs chan *lookup // to workers that have nothing to do
}

func newWaiter(s *Server) *waiter { return &waiter{s: s, jobs: make(chan *lookup)} }

// workerIdle is how long a worker waits for another lookup: a new one would
// have to grow its stack first.
const workerIdle = time.Second

// A lookup is a query that waits for upstreams, and the memory that it takes.
type lookup struct {
	query  query
	raw    [maxName + 4]byte // query.raw's
	reply  reply
	out    [udpSize]byte // reply.buf's, mostly
	ask    missing
	client netip.Addr

	send func([]byte) // how the answer gets to the client; nil: by sock to peer
	sock syscall.RawConn
	to   peer
	iov  unix.Iovec
	msg  [1]mmsghdr
}

// start forwards a copy of q in the background and sends the answer as how
// says. Beyond the client's share it answers at once, that it refuses.
func (w *waiter) start(ctx context.Context, q *query, ask missing, client netip.Addr, how func(*lookup)) {
	pool := &w.s.up.lookups
	l, ok := pool.Get().(*lookup)
	if !ok {
		l = new(lookup)
	}
	l.query, l.ask, l.client = *q, ask, client
	l.query.raw = l.raw[:copy(l.raw[:], q.raw)]
	l.query.name = l.query.buf[:len(q.name)]
	l.reply.buf = l.out[:0]
	how(l)
	if !w.s.admit(client) {
		l.answer(w.s.limited(&l.query, &l.reply))
		l.release(pool)
		return
	}
	select {
	case w.jobs <- l:
	default:
		w.wg.Go(func() { w.work(ctx, l) })
	}
}

// work does a lookup, and then those that come soon enough.
func (w *waiter) work(ctx context.Context, l *lookup) {
	idle := time.NewTimer(workerIdle)
	defer idle.Stop()
	for {
		w.do(ctx, l)
		idle.Reset(workerIdle)
		select {
		case l = <-w.jobs:
		case <-idle.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (w *waiter) do(ctx context.Context, l *lookup) {
	packed := w.s.fetch(ctx, &l.query, &l.reply, l.ask, l.client)
	w.s.queries.leave(l.client) // before the client knows
	if ctx.Err() == nil {
		l.answer(packed)
	}
	l.release(&w.s.up.lookups)
}

func (l *lookup) answer(packed []byte) {
	if l.send != nil {
		l.send(packed)
		return
	}
	l.to.fill(&l.msg[0], &l.iov, packed)
	send(l.sock, l.msg[:])
}

// release gives the memory back.
func (l *lookup) release(pool *sync.Pool) {
	l.ask, l.send, l.sock = missing{}, nil, nil
	pool.Put(l)
}
