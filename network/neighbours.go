package network

import (
	"context"
	"net"
	"path/filepath"

	"github.com/vnetmgr/vnetmgr/neighbour"
)

// neighbours asks for what learns the addresses that guests make themselves of
// advertised prefixes, so that they have their names. It comes after the
// resolver.
func (w *wanted) neighbours() {
	if w.plan.DNS == nil {
		return
	}
	if w.plan.RA == nil {
		w.configure = append(w.configure, func() { w.next.names.followWith(nil) })
		return
	}
	cfg := neighbour.Config{Link: w.plan.RA.Link}
	for _, p := range w.plan.RA.Prefixes {
		cfg.Prefixes = append(cfg.Prefixes, p.Prefix)
	}
	path := filepath.Join(w.m.cfg.Dir.Run, cfg.Link+".neighbours")
	known, tracker := w.next.names, w.have.made
	if tracker == nil || w.have.names != known {
		tracker = neighbour.New(w.m.log, cfg, func(gone, set []neighbour.Neighbour) { known.setMade(tracker, gone, set) })
	}
	if w.have.made != tracker {
		heard, err := recall(path)
		if err != nil {
			w.log.Warn("recall the addresses of guests", "err", err)
		}
		tracker.Recall(heard)
	}
	w.next.made = tracker
	w.follow("neighbours' file", func(ctx context.Context) { known.remember(ctx, w.log, path) })
	w.configure = append(w.configure, func() {
		tracker.SetConfig(cfg)
		known.followWith(tracker)
	})
	w.add("neighbours", func() (server, error) {
		c, err := w.m.host.ListenNeighbours(cfg.Link)
		if err != nil {
			return server{}, err
		}
		return server{
			serve: func(ctx context.Context) error { return tracker.Serve(ctx, c) },
			close: func() { c.Close() },
		}, nil
	})
}

// followWith has guests' addresses learned by a tracker, or by none: then what
// was learned is forgotten.
func (n *names) followWith(tracker *neighbour.Tracker) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if tracker == n.tracker {
		return
	}
	n.tracker = tracker
	for _, g := range n.guests {
		g.followed = false
	}
	for addr, mac := range n.made {
		delete(n.made, addr)
		n.touch(mac, addr, false)
	}
	n.renameAll()
}

// follow tells the tracker whose addresses matter.
func (n *names) follow(mac macKey, on bool) {
	if m, ok := neighbour.ParseMAC(net.HardwareAddr(mac)); ok {
		n.tracker.Follow(m, on)
	}
}
