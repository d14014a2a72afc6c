package dhcpd

import (
	"context"
	"log/slog"
	"net/netip"

	"github.com/vnetmgr/vnetmgr/lease"
)

type Conn4 struct{}

func (c *Conn4) Close() error { return nil }

type Server4 struct{}

func Listen4(link string, a netip.Addr) (*Conn4, error) { return &Conn4{}, nil }

func NewServer4(l *slog.Logger, c Config4, t *lease.Table) *Server4 { return &Server4{} }

func (s *Server4) Serve(ctx context.Context, c *Conn4) error { <-ctx.Done(); return nil }
