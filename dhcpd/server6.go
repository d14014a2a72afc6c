package dhcpd

import (
	"context"
	"errors"
	"log/slog"

	"github.com/vnetmgr/vnetmgr/lease"
)

// Server6 serves DHCPv6 on one network.
type Server6 struct {
	server
	service *service6
}

// NewServer6 returns a server that gives its leases from a table, whose IPv6
// pool it sets.
func NewServer6(log *slog.Logger, cfg Config6, leases *lease.Table) *Server6 {
	s := &Server6{server: server{log: log.With("link", cfg.Link), leases: leases}}
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

// Serve answers what c receives until ctx ends, which is no error, or reading
// fails. The caller closes c. A Reply leaves when its leases are on disk;
// until then other messages are read and answered.
func (s *Server6) Serve(ctx context.Context, c *Conn6) error {
	x := newExchange6(s, c)
	stop := context.AfterFunc(ctx, c.interrupt)
	defer stop()
	readers := make(chan error, 3)
	go func() { readers <- x.readMessages(ctx) }()
	go func() { readers <- x.readNeighbours(ctx) }()
	go func() { readers <- x.readLarge(ctx) }()
	err := <-readers
	c.interrupt()
	err = errors.Join(err, <-readers, <-readers)
	x.end()
	if ctx.Err() != nil {
		return nil
	}
	return err
}
