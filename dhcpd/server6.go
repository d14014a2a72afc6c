package dhcpd

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/vnetmgr/vnetmgr/lease"
)

// Server6 serves DHCPv6 on one network.
type Server6 struct {
	log    *slog.Logger
	leases *lease.Table
	counts counters6

	mu      sync.Mutex // one message is handled at a time; guards service
	service *service6
}

// Stats6 counts what a server did since it was made.
type Stats6 struct {
	Received  uint64 // packets to port 547
	Malformed uint64 // of these, what was no DHCPv6 message of a client
	Sent      uint64 // replies
	Dropped   uint64 // messages not looked at because too many waited
	Unwritten uint64 // replies not sent because a lease could not be written
	Declined  uint64 // addresses that a client found in use
}

type counters6 struct {
	received, malformed, sent, dropped, unwritten, declined atomic.Uint64
}

// NewServer6 returns a server that gives its leases from a table, whose IPv6
// pool it sets.
func NewServer6(log *slog.Logger, cfg Config6, leases *lease.Table) *Server6 {
	s := &Server6{log: log.With("link", cfg.Link), leases: leases}
	s.SetConfig(cfg)
	return s
}

// SetConfig changes what the server serves, from the next message on. The
// link must stay the same while it serves.
func (s *Server6) SetConfig(cfg Config6) {
	service := newService6(cfg)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.service = service
	s.leases.SetPool6(service.pool())
}

// Stats returns the counters.
func (s *Server6) Stats() Stats6 {
	c := &s.counts
	return Stats6{
		Received: c.received.Load(), Malformed: c.malformed.Load(), Sent: c.sent.Load(),
		Dropped: c.dropped.Load(), Unwritten: c.unwritten.Load(), Declined: c.declined.Load(),
	}
}

// Serve answers what c receives until ctx ends, which is no error, or reading
// fails. The caller closes c. A Reply leaves when its leases are on disk;
// until then other messages are read and answered.
func (s *Server6) Serve(ctx context.Context, c *Conn6) error {
	x := newExchange6(s, c)
	stop := context.AfterFunc(ctx, c.interrupt)
	defer stop()
	err := x.readMessages(ctx)
	x.outbox.end()
	if ctx.Err() != nil {
		return nil
	}
	return err
}
