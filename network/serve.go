package network

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/plan"
)

// wanted is what a plan asks of a network's services. Until configure is
// called, what runs has not changed.
type wanted struct {
	*services
	plan *plan.Plan

	next      servers
	parts     []part
	configure []func() // sets configurations
}

// all gathers what the plan asks for.
func (w *wanted) all() {
	w.resolver()
	w.dhcpv4()
	w.dhcpv6()
	w.advertisements()
	w.bootFiles()
	w.leaseFile()
	w.follow("addresses of attached links", func(ctx context.Context) { w.m.followAttached(ctx, w.log, w.e) })
	w.history()
	w.neighbours()
}

// add asks for a part.
func (w *wanted) add(key string, open func() (server, error)) {
	w.parts = append(w.parts, part{key, open})
}

// follow asks for a part without sockets, which ends with its context only.
func (w *wanted) follow(key string, run func(context.Context)) {
	w.add(key, func() (server, error) {
		return server{close: func() {}, serve: func(ctx context.Context) error { run(ctx); return nil }}, nil
	})
}

// resolver asks for the DNS server, one part for each address, and for what
// gives it the leases' names.
func (w *wanted) resolver() {
	if w.plan.DNS == nil {
		return
	}
	cfg := *w.plan.DNS
	cfg.QueryRate = w.m.cfg.QueryRate
	srv, known := w.have.dns, w.have.names
	if srv == nil {
		srv = dns.NewServer(w.m.log, cfg, w.m.resolver)
		known = newNames(w.log, srv)
	}
	w.next.dns, w.next.names = srv, known
	w.configure = append(w.configure, func() {
		srv.SetConfig(cfg)
		known.reset(cfg, w.plan.Names)
	})
	w.follow("names of leases", func(ctx context.Context) { followLeases(ctx, w.log, w.e.leases, known) })
	w.follow("names of domains", func(ctx context.Context) { w.m.followOwners(ctx, cfg.Link, known) })
	for _, addr := range cfg.Addrs {
		w.add("DNS "+addr.String(), func() (server, error) { return w.m.openDNS(srv, cfg.Link, addr) })
	}
}

// openDNS opens UDP and TCP together: when either fails, both are opened
// again.
func (m *Manager) openDNS(srv *dns.Server, link string, addr netip.Addr) (server, error) {
	udp, tcp, err := m.host.ListenDNS(link, addr)
	if err != nil {
		return server{}, err
	}
	serve := func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		failed := make(chan error, 2)
		go func() { failed <- srv.Serve(ctx, udp) }()
		go func() { failed <- srv.ServeTCP(ctx, tcp) }()
		err := <-failed
		cancel()
		<-failed
		return err
	}
	return server{serve: serve, close: func() { udp.Close(); tcp.Close() }}, nil
}

// dhcpv4 asks for the DHCPv4 server. With another address it is another
// server: two may serve for a moment, out of one table.
func (w *wanted) dhcpv4() {
	cfg := w.plan.DHCP4
	if cfg == nil {
		return
	}
	key := fmt.Sprintf("DHCPv4 %s", cfg.Server.Addr())
	srv := w.have.dhcp4
	kept := w.tasks[key] != nil
	w.configure = append(w.configure, func() {
		if kept {
			srv.SetConfig(*cfg)
		} else {
			srv = dhcpd.NewServer4(w.m.log, *cfg, w.e.leases)
		}
		w.next.dhcp4 = srv
	})
	w.add(key, func() (server, error) {
		c, err := w.m.host.ListenDHCP4(cfg.Link, cfg.Server.Addr())
		if err != nil {
			return server{}, err
		}
		return server{
			serve: func(ctx context.Context) error { return srv.Serve(ctx, c) },
			close: func() { c.Close() },
		}, nil
	})
}

// leaseFile asks for what keeps the lease file that libvirt reads.
func (w *wanted) leaseFile() {
	if w.m.cfg.StatusDir == "" || w.plan.DHCP4 == nil && w.plan.DHCP6 == nil {
		return
	}
	w.follow("lease file", func(ctx context.Context) { w.m.writeStatus(ctx, w.log, w.e, w.plan) })
}

// keep serves until ctx ends, and opens the sockets again when they fail
// (somebody took the bridge away): soon at first, then every 30 s.
func keep(ctx context.Context, log *slog.Logger, p part, srv server) {
	wait := 100 * time.Millisecond
	for {
		began := time.Now()
		err := srv.serve(ctx)
		srv.close()
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			wait = 100 * time.Millisecond
		}
		for {
			log.Warn("server interrupted, opening its sockets again", "server", p.key, "err", err, "after", wait)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
			wait = min(2*wait, 30*time.Second)
			if srv, err = p.open(); err == nil {
				break
			}
		}
	}
}
