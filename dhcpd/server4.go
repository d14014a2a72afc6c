package dhcpd

import (
	"context"
	"errors"
	"log/slog"

	"github.com/vnetmgr/vnetmgr/lease"
)

// Server4 serves DHCPv4 on one network.
type Server4 struct {
	server
	service *service4
}

// NewServer4 returns a server that gives its leases from a table, whose pool
// it sets.
func NewServer4(log *slog.Logger, cfg Config4, leases *lease.Table) *Server4 {
	s := &Server4{server: server{log: log.With("link", cfg.Link), leases: leases}}
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
