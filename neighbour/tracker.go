package neighbour

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxFrames is how many frames a second are read; more are somebody's flood,
// and are lost. Whom it hides is heard later.
const maxFrames = 4000

// A Tracker learns the neighbours of one network.
type Tracker struct {
	log     *slog.Logger
	changed func(gone, set []Neighbour)
	wake    chan struct{} // holds one token when there may be work

	mu    sync.Mutex // guards table
	table *table
}

// New returns a Tracker that tells changed, one call after the other, which
// neighbours are there no more and which are. It knows none until Serve.
func New(log *slog.Logger, cfg Config, changed func(gone, set []Neighbour)) *Tracker {
	return &Tracker{log: log.With("link", cfg.Link), changed: changed, wake: make(chan struct{}, 1), table: newTable(cfg)}
}

// SetConfig changes what is learned. The link must stay the same.
func (t *Tracker) SetConfig(cfg Config) {
	t.change(func(table *table) { table.configure(cfg) })
}

// Follow says that the addresses of a station matter from now on, or, with on
// false, no more.
func (t *Tracker) Follow(m MAC, on bool) {
	t.change(func(table *table) {
		if on {
			table.follow(m, time.Now())
		} else {
			table.unfollow(m)
		}
	})
}

// change changes the table and has the consequences looked at.
func (t *Tracker) change(f func(*table)) {
	t.mu.Lock()
	f(t.table)
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Recall notes what was known before: it counts once it is answered.
func (t *Tracker) Recall(all []Neighbour) {
	t.change(func(table *table) {
		for _, n := range all {
			table.claim(n, time.Now())
		}
	})
}

// Serve listens and asks until ctx ends, which is no error, or the link goes.
// The caller closes c.
func (t *Tracker) Serve(ctx context.Context, c *Conn) error {
	group, groupCtx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(groupCtx, c.interrupt)
	defer stop()
	t.Recall(c.known)
	for _, own := range c.own {
		if err := c.send(echoRequest(own)); err != nil {
			return fmt.Errorf("ask all neighbours: %w", err)
		}
	}
	group.Go(func() error { return t.listen(c) })
	group.Go(func() error { return t.ask(groupCtx, c) })
	err := group.Wait()
	if ctx.Err() != nil && (errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}

// listen notes what stations say.
func (t *Tracker) listen(c *Conn) error {
	b := make([]byte, maxFrame)
	from, frames := time.Now(), 0
	for {
		n, _, err := c.sock.ReadFrom(b)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		now := time.Now()
		if now.Sub(from) >= time.Second {
			from, frames = now, 0
		}
		if frames++; frames > maxFrames {
			continue
		}
		t.note(b[:n], now)
	}
}

func (t *Tracker) note(frame []byte, now time.Time) {
	n, says := heard(frame)
	switch says {
	case claims:
		t.change(func(table *table) { table.claim(n, now) })
	case answers:
		t.change(func(table *table) { table.answer(n, now) })
	}
}

// ask asks what is due and tells what has changed, until ctx ends.
func (t *Tracker) ask(ctx context.Context, c *Conn) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		t.mu.Lock()
		questions := t.table.due(time.Now())
		gone, set := t.table.changes()
		next := t.table.next()
		t.mu.Unlock()
		if len(gone)+len(set) > 0 {
			t.changed(gone, set)
		}
		for _, q := range questions {
			to := &q.MAC
			if q.all {
				to = nil
			}
			if err := c.send(solicitation(c.local, q.Addr, to)); err != nil {
				return fmt.Errorf("solicit %s: %w", q.Addr, err)
			}
		}
		timer.Stop()
		if !next.IsZero() {
			timer.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.wake:
		case <-timer.C:
		}
	}
}
