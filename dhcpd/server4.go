package dhcpd

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/vnetmgr/vnetmgr/lease"
)

// Server4 serves DHCPv4 on one network.
type Server4 struct {
	log    *slog.Logger
	leases *lease.Table
	counts counters4

	mu      sync.Mutex // one request is handled at a time; guards service
	service *service4
}

// Stats4 counts what a server did since it was made.
type Stats4 struct {
	Received  uint64 // packets to port 67
	Malformed uint64 // of these, what was no DHCP request
	Sent      uint64 // replies
	Dropped   uint64 // requests not looked at because too many waited
	Unwritten uint64 // ACKs not sent because the lease could not be written
	Probes    uint64 // ARP requests
	Conflicts uint64 // addresses found in use by somebody without a lease
}

type counters4 struct {
	received, malformed, sent, dropped, unwritten, probes, conflicts atomic.Uint64
}

// NewServer4 returns a server that gives its leases from a table, whose pool
// it sets.
func NewServer4(log *slog.Logger, cfg Config4, leases *lease.Table) *Server4 {
	s := &Server4{log: log.With("link", cfg.Link), leases: leases}
	s.SetConfig(cfg)
	return s
}

// SetConfig changes what the server serves, from the next request on. The
// link and our address must stay the same while it serves.
func (s *Server4) SetConfig(cfg Config4) {
	service := newService4(cfg)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.service = service
	s.leases.SetPool(service.pool())
}

// Stats returns the counters.
func (s *Server4) Stats() Stats4 {
	c := &s.counts
	return Stats4{
		Received: c.received.Load(), Malformed: c.malformed.Load(), Sent: c.sent.Load(),
		Dropped: c.dropped.Load(), Unwritten: c.unwritten.Load(),
		Probes: c.probes.Load(), Conflicts: c.conflicts.Load(),
	}
}

// Serve answers what c receives until ctx ends, which is no error, or reading
// fails. The caller closes c. An ACK leaves when its lease is on disk; until
// then other requests are read and answered.
func (s *Server4) Serve(ctx context.Context, c *Conn4) error {
	x := newExchange4(s, c)
	stop := context.AfterFunc(ctx, c.interrupt)
	defer stop()
	readers := make(chan error, 2)
	go func() { readers <- x.readRequests(ctx) }()
	go func() { readers <- x.readARP(ctx) }()
	err := <-readers
	c.interrupt()
	err = errors.Join(err, <-readers)
	x.end()
	if ctx.Err() != nil {
		return nil
	}
	return err
}
