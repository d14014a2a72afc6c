package network

import (
	"context"

	"github.com/vnetmgr/vnetmgr/radv"
)

// advertisements asks for router advertisements. When they end for good, guests
// are told: they must not go on sending to a router that is none.
func (w *wanted) advertisements() {
	cfg := w.plan.RA
	if cfg == nil {
		return
	}
	srv := w.have.ra
	if srv == nil {
		srv = radv.NewServer(w.m.log, *cfg)
	}
	w.next.ra = srv
	w.configure = append(w.configure, func() { srv.SetConfig(*cfg) })
	w.add("router advertisements", func() (server, error) {
		c, err := w.m.host.ListenRA(cfg.Link)
		if err != nil {
			return server{}, err
		}
		serve := func(ctx context.Context) error {
			err := srv.Serve(ctx, c)
			if context.Cause(ctx) != errEnded {
				return err
			}
			if err := srv.Farewell(c); err != nil {
				w.log.Warn("guests do not know that their router is gone", "err", err)
			}
			return err
		}
		return server{serve: serve, close: func() { c.Close() }}, nil
	})
}
