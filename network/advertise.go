package network

import (
	"context"

	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/radv"
)

// advertiser is the key of what advertises the host as guests' router.
const advertiser = "router advertisements"

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
	w.add(advertiser, func() (server, error) {
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

// farewell has guests told that the host is no router of theirs, if p says so:
// before the bridge loses the address to tell them from.
func (s *services) farewell(p *plan.Plan) {
	if p.RA == nil {
		s.end(advertiser)
	}
}

// greet takes a farewell back, for a network that stays as p says.
func (s *services) greet(p *plan.Plan) {
	if p.RA == nil || s.tasks[advertiser] != nil {
		return
	}
	if err := s.change(p, s.startLater); err != nil {
		panic(err) // startLater has none
	}
}
