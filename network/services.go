package network

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/neighbour"
	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/radv"
	"github.com/vnetmgr/vnetmgr/tftp"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// services are the servers of one active network, and what follows its leases.
// What they serve changes while they run: sockets are closed and opened only
// where a plan asks for others. Manager.change guards them.
type services struct {
	m    *Manager
	e    *entry
	name string // the network's
	log  *slog.Logger

	ctx     context.Context
	cancel  context.CancelCauseFunc
	running sync.WaitGroup

	have  servers
	shown atomic.Pointer[servers] // have, for who reads what is counted
	tasks map[string]*task        // by part.key
	// stale holds when the sockets are bound to a link that is gone: those of
	// the same name, made anew, are another link to the kernel.
	stale bool
}

// servers are what outlives its sockets: it is configured anew, and knows what
// it knew.
type servers struct {
	dns   *dns.Server
	names *names
	made  *neighbour.Tracker
	dhcp4 *dhcpd.Server4
	dhcp6 *dhcpd.Server6
	ra    *radv.Server
	tftp  map[string]*tftp.Server // by part.key
}

// part is one thing that runs for a network: a server's sockets, or what
// follows the leases.
type part struct {
	// key says what it is and where, also to the log. While a plan asks for the
	// same key, the part goes on as it is.
	key  string
	open func() (server, error)
}

// server is a part with open sockets. serve blocks until ctx ends or the
// sockets fail; close releases them afterwards. The context's cause is errEnded
// if it ends because the network, or this part of it, does, and not the daemon.
type server struct {
	serve func(ctx context.Context) error
	close func()
}

// errEnded is the cause when what a server serves ends: guests are told then.
var errEnded = errors.New("it is served no more")

// task is a part that runs.
type task struct {
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// serve starts the servers that p asks for. All sockets are open when it
// returns, or none.
func (m *Manager) serve(e *entry, n *xmlnet.Network, p *plan.Plan) (*services, error) {
	s := m.newServices(e, n)
	if err := s.change(p, part.start); err != nil {
		s.cancel(errEnded)
		return nil, err
	}
	return s, nil
}

// serveLater is serve for a network that must stay up whatever its servers
// do: sockets that cannot be opened now are tried again until they can.
func (m *Manager) serveLater(e *entry, n *xmlnet.Network, p *plan.Plan) *services {
	s := m.newServices(e, n)
	if err := s.change(p, s.startLater); err != nil {
		panic(err) // startLater has none
	}
	return s
}

func (m *Manager) newServices(e *entry, n *xmlnet.Network) *services {
	ctx, cancel := context.WithCancelCause(m.ctx)
	return &services{m: m, e: e, name: n.Name, log: m.log.With("network", n.Name), ctx: ctx, cancel: cancel, tasks: make(map[string]*task)}
}

// start opens a part's sockets.
func (p part) start() (server, error) { return p.open() }

// startLater opens a part's sockets, or leaves that to the part itself.
func (s *services) startLater(p part) (server, error) {
	srv, err := p.open()
	if err != nil {
		s.log.Error("server not started, trying on", "server", p.key, "err", err)
		return server{serve: func(context.Context) error { return err }, close: func() {}}, nil
	}
	return srv, nil
}

// change has the servers serve what p says. What is new is opened first; if
// that fails nothing has changed. Then what stays takes its configuration,
// what is new starts, and what is not wanted any more ends.
func (s *services) change(p *plan.Plan, start func(part) (server, error)) error {
	w := &wanted{services: s, plan: p}
	w.all()
	var fresh []part
	var opened []server
	for _, part := range w.parts {
		if s.tasks[part.key] != nil {
			continue
		}
		srv, err := start(part)
		if err != nil {
			for _, srv := range opened {
				srv.close()
			}
			return err
		}
		fresh, opened = append(fresh, part), append(opened, srv)
	}
	for _, configure := range w.configure {
		configure()
	}
	s.have = w.next
	s.shown.Store(&w.next)
	for i, part := range fresh {
		s.run(part, opened[i])
	}
	s.endOthers(w.parts)
	return nil
}

// run runs a part until endOthers or stop ends it.
func (s *services) run(p part, srv server) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	t := &task{cancel: cancel, done: make(chan struct{})}
	s.tasks[p.key] = t
	s.running.Go(func() {
		defer close(t.done)
		keep(ctx, s.log, p, srv)
	})
}

// endOthers ends what is not among parts, and waits until its sockets are
// closed.
func (s *services) endOthers(parts []part) {
	for key := range s.tasks {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.key == key }) {
			s.end(key)
		}
	}
}

// end ends one part for good, if it runs.
func (s *services) end(key string) {
	t := s.tasks[key]
	if t == nil {
		return
	}
	t.cancel(errEnded)
	<-t.done
	delete(s.tasks, key)
}

// restart has all sockets opened anew, on a bridge that was. What the servers
// know they keep.
func (s *services) restart(p *plan.Plan) {
	for key, t := range s.tasks {
		t.cancel(nil)
		<-t.done
		delete(s.tasks, key)
	}
	if err := s.change(p, s.startLater); err != nil {
		panic(err) // startLater has none
	}
	s.stale = false
}

// stop ends the servers and waits until their sockets are closed. The cause is
// errEnded, or nil where the daemon ends and the network stays.
func (s *services) stop(cause error) {
	s.cancel(cause)
	s.running.Wait()
}
