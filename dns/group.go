package dns

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A group is an ordered list of upstream servers: the first that is well is
// asked (dnsmasq's strict-order), the next ones when it does not answer.
type group struct {
	id      uint32 // in cache keys
	servers []*server
	shape   *shaping
}

// server is what is remembered of an upstream's health.
type server struct {
	addr netip.AddrPort

	queries, failures atomic.Uint64

	mu     sync.Mutex // guards below
	fails  int        // in a row
	asleep time.Time  // not to be preferred before
	warned bool       // the log says that it is down
	logged time.Time  // when the log last said anything of it
}

const (
	// hedge is how long a server may take before the next is asked as well.
	hedge = 800 * time.Millisecond
	// patience bounds a whole resolution: stub resolvers give up after 5 s.
	patience = 4500 * time.Millisecond
	// resend is when a lone server is asked again: the datagram may be lost.
	resend = 1500 * time.Millisecond
	// minSleep and maxSleep bound the time that a failed server is passed
	// over; it doubles with each failure.
	minSleep = time.Second
	maxSleep = 30 * time.Second
	// warnAfter failures in a row, and not more often than logPause, the log
	// mentions a server: a guest that asks for names that time out must not
	// fill it.
	warnAfter = 3
	logPause  = time.Minute
)

// ready tells whether the server may be asked first. Of those that want to
// know whether a failed server is back, only one each time gets to try it.
func (s *server) ready(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails == 0 {
		return true
	}
	if now.Before(s.asleep) {
		return false
	}
	s.asleep = now.Add(s.sleep())
	return true
}

func (s *server) sleep() time.Duration {
	return min(minSleep<<min(s.fails, 10), maxSleep)
}

// succeeded and failed record an outcome, and log when the state changes.
func (s *server) succeeded(log *slog.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = 0
	if s.warned {
		s.warned = false
		log.Info("upstream answers again", "addr", s.addr)
	}
}

func (s *server) failed(log *slog.Logger, now time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures.Add(1)
	s.fails++
	s.asleep = now.Add(s.sleep())
	if s.fails >= warnAfter && !s.warned && now.Sub(s.logged) >= logPause {
		s.warned, s.logged = true, now
		log.Warn("upstream does not answer", "addr", s.addr, "err", err)
	}
}

// order returns the servers to ask, the sleeping ones last, those that skip
// names left out.
func (g *group) order(now time.Time, skip func(netip.AddrPort) bool) []*server {
	if len(g.servers) == 1 && !skip(g.servers[0].addr) {
		return g.servers
	}
	var awake, asleep []*server
	for _, s := range g.servers {
		switch {
		case skip(s.addr):
		case s.ready(now):
			awake = append(awake, s)
		default:
			asleep = append(asleep, s)
		}
	}
	return append(awake, asleep...)
}

// An attempt is one server's outcome.
type attempt struct {
	e   *entry
	err error
}

// race asks the servers in turn, each when the one before has failed or is
// late, and returns the first answer; nil if there is none in time. Most often
// the first server answers: the others cost a timer until then.
func race(ctx context.Context, log *slog.Logger, c carrier, servers []*server, shape *shaping, q *query) *entry {
	if len(servers) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	first, others, late := servers[0], servers[1:], hedge
	lone := len(others) == 0
	if lone {
		others, late = servers, resend
	} else if shape.Parallel {
		late = 0
	}
	second := make(chan *entry, 1)
	timer := time.AfterFunc(late, func() {
		e := inTurn(ctx, log, c, others, shape, q)
		if e != nil {
			cancel() // the first has had its time
		}
		second <- e
	})
	got := tryServer(ctx, log, c, first, shape, q)
	final := got.err == nil || lone && errors.Is(got.err, errNoAnswer)
	if !timer.Stop() { // the others are being asked
		if final {
			cancel()
		}
		if e := <-second; !final {
			return e
		}
		return got.e
	}
	if final || ctx.Err() != nil {
		return got.e
	}
	return inTurn(ctx, log, c, others, shape, q)
}

// inTurn asks each server when the one before has failed or is late, and
// returns the first answer; nil if there is none before ctx ends.
func inTurn(ctx context.Context, log *slog.Logger, c carrier, servers []*server, shape *shaping, q *query) *entry {
	ctx, cancel := context.WithCancel(ctx)
	late := hedge
	if shape.Parallel {
		late = 0
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	outcomes := make(chan attempt, len(servers))
	next := time.NewTimer(0)
	defer next.Stop()
	for started, ended := 0, 0; ended < len(servers); {
		select {
		case <-next.C:
			if started < len(servers) {
				s := servers[started]
				wg.Go(func() { outcomes <- tryServer(ctx, log, c, s, shape, q) })
				started++
				next.Reset(late)
			}
		case got := <-outcomes:
			if got.err == nil {
				return got.e
			}
			ended++
			next.Reset(0)
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// tryServer asks one server and remembers how it went. An attempt that we
// ended ourselves, another server having answered first, counts as a failure
// only if it had its full time: it was late.
func tryServer(ctx context.Context, log *slog.Logger, c carrier, s *server, shape *shaping, q *query) attempt {
	begun := time.Now()
	s.queries.Add(1)
	e, err := ask(ctx, c, s.addr, shape, q)
	now := time.Now()
	switch {
	case err == nil, errors.Is(err, errNoAnswer):
		s.succeeded(log)
	case ctx.Err() == nil || now.Sub(begun) >= hedge:
		s.failed(log, now, err)
	}
	return attempt{e, err}
}
