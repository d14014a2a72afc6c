package network

import (
	"context"
	"path/filepath"

	"github.com/vnetmgr/vnetmgr/dhcpd"
)

// dhcpv6 asks for the DHCPv6 server.
func (w *wanted) dhcpv6() {
	if w.plan.DHCP6 == nil {
		return
	}
	cfg := *w.plan.DHCP6
	key := "DHCPv6 " + cfg.Server.Addr().String()
	srv := w.have.dhcp6
	kept := w.tasks[key] != nil
	w.configure = append(w.configure, func() {
		if cfg.DUID = w.m.duid; kept {
			srv.SetConfig(cfg)
		} else {
			srv = dhcpd.NewServer6(w.m.log, cfg, w.e.leases)
		}
		w.next.dhcp6 = srv
	})
	w.add(key, func() (server, error) {
		c, err := w.m.host.ListenDHCP6(cfg.Link, cfg.Server.Addr())
		if err != nil {
			return server{}, err
		}
		return server{
			serve: func(ctx context.Context) error { return srv.Serve(ctx, c) },
			close: func() { c.Close() },
		}, nil
	})
}

// loadDUID reads what the daemon's DHCPv6 servers are called, all the same,
// from beside the leases.
func (m *Manager) loadDUID() (err error) {
	m.duid, err = dhcpd.LoadDUID(filepath.Join(filepath.Dir(m.cfg.LeaseFile), "server-duid"))
	return err
}
