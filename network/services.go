package network

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// services are the servers of one active network.
type services struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// stop ends the servers and waits until their sockets are closed.
func (s *services) stop() {
	s.cancel()
	s.running.Wait()
}

// server is one server with open sockets. serve blocks until ctx ends or the
// sockets fail; close releases them afterwards.
type server struct {
	serve func(ctx context.Context) error
	close func()
}

// opener opens a server's sockets.
type opener struct {
	what string // for the log
	open func() (server, error)
}

// serve starts the servers that p asks for. All sockets are open when it
// returns, or none.
func (m *Manager) serve(e *entry, n *xmlnet.Network, p *plan.Plan) (*services, error) {
	openers, names := m.openers(e, p)
	opened := make([]server, 0, len(openers))
	for _, o := range openers {
		srv, err := o.open()
		if err != nil {
			for _, srv := range opened {
				srv.close()
			}
			return nil, err
		}
		opened = append(opened, srv)
	}
	ctx, cancel := context.WithCancel(m.ctx)
	s := &services{cancel: cancel}
	log := m.log.With("network", n.Name)
	m.follow(ctx, s, log, e, p, names)
	for i, o := range openers {
		s.running.Go(func() { keep(ctx, log, o, opened[i]) })
	}
	return s, nil
}

// serveLater is serve for a network that must stay up whatever its servers
// do: sockets that cannot be opened now are tried again until they can.
func (m *Manager) serveLater(e *entry, n *xmlnet.Network, p *plan.Plan) *services {
	openers, names := m.openers(e, p)
	ctx, cancel := context.WithCancel(m.ctx)
	s := &services{cancel: cancel}
	log := m.log.With("network", n.Name)
	m.follow(ctx, s, log, e, p, names)
	for _, o := range openers {
		srv, err := o.open()
		if err != nil {
			log.Error("server not started, trying on", "server", o.what, "err", err)
			srv = server{serve: func(context.Context) error { return err }, close: func() {}}
		}
		s.running.Go(func() { keep(ctx, log, o, srv) })
	}
	return s
}

// follow starts what follows the network's leases: its names, and the lease
// file that libvirt reads.
func (m *Manager) follow(ctx context.Context, s *services, log *slog.Logger, e *entry, p *plan.Plan, known *names) {
	if known != nil {
		s.running.Go(func() { followLeases(ctx, log, e.leases, known) })
	}
	if m.cfg.StatusDir != "" && p.DHCP4 != nil {
		s.running.Go(func() { m.writeStatus(ctx, log, e, p) })
	}
}

// keep serves until ctx ends, and opens the sockets again when they fail
// (somebody took the bridge away): soon at first, then every 30 s.
func keep(ctx context.Context, log *slog.Logger, o opener, srv server) {
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
			log.Warn("server interrupted, opening its sockets again", "server", o.what, "err", err, "after", wait)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
			wait = min(2*wait, 30*time.Second)
			if srv, err = o.open(); err == nil {
				break
			}
		}
	}
}

// openers are the servers of p, and the holder of its DNS names if it has a
// resolver.
func (m *Manager) openers(e *entry, p *plan.Plan) ([]opener, *names) {
	var all []opener
	var known *names
	if p.DNS != nil {
		srv := dns.NewServer(m.log, *p.DNS, m.resolver)
		known = newNames(srv, *p.DNS, p.Names)
		for _, addr := range p.DNS.Addrs {
			all = append(all, m.openDNS(srv, p.DNS.Link, addr))
		}
	}
	if p.DHCP4 != nil {
		srv := dhcpd.NewServer4(m.log, *p.DHCP4, e.leases)
		all = append(all, opener{"DHCPv4", func() (server, error) {
			c, err := m.host.ListenDHCP4(p.DHCP4.Link, p.DHCP4.Server.Addr())
			if err != nil {
				return server{}, err
			}
			return server{
				serve: func(ctx context.Context) error { return srv.Serve(ctx, c) },
				close: func() { c.Close() },
			}, nil
		}})
	}
	return all, known
}

// openDNS serves UDP and TCP together: when either fails, both are opened
// again.
func (m *Manager) openDNS(srv *dns.Server, link string, addr netip.Addr) opener {
	return opener{"DNS " + addr.String(), func() (server, error) {
		udp, tcp, err := m.host.ListenDNS(link, addr)
		if err != nil {
			return server{}, err
		}
		closeBoth := func() { udp.Close(); tcp.Close() }
		return server{close: closeBoth, serve: func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			failed := make(chan error, 2)
			go func() { failed <- srv.Serve(ctx, udp) }()
			go func() { failed <- srv.ServeTCP(ctx, tcp) }()
			err := <-failed
			cancel()
			<-failed
			return err
		}}, nil
	}}
}
