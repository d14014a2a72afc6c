// Package rpc serves the network driver to libvirt's clients: virsh,
// virt-manager, virtqemud and our own command line. Every procedure is one
// row of the table in procedures.go; what it does is asked of the Networks.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vnetmgr/vnetmgr/journal"
	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/polkit"
	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Networks is what is served; *network.Manager is one, and says what each
// method does.
type Networks interface {
	List() []network.Info
	LookupName(name string) (network.Info, error)
	LookupUUID(id xmlnet.UUID) (network.Info, error)
	Define(ctx context.Context, doc []byte, validate bool) (network.Ref, error)
	Create(ctx context.Context, doc []byte, validate bool) (network.Ref, error)
	Start(ctx context.Context, id xmlnet.UUID) error
	Destroy(ctx context.Context, id xmlnet.UUID) error
	Undefine(ctx context.Context, id xmlnet.UUID) error
	SetAutostart(ctx context.Context, id xmlnet.UUID, on bool) error
	Update(ctx context.Context, id xmlnet.UUID, u xmlnet.Update, a network.Affect) error
	DefineLive(ctx context.Context, doc []byte, validate bool) (network.Ref, error)
	SetMetadata(id xmlnet.UUID, d network.Metadata, a network.Affect) error
	Metadata(id xmlnet.UUID, kind network.MetadataType, uri string, a network.Affect) (string, error)
	XML(id xmlnet.UUID, inactive bool) (string, error)
	Leases(id xmlnet.UUID, mac string) ([]network.Lease, error)
	CreatePort(id xmlnet.UUID, doc []byte, o network.PortOptions) (network.Ref, xmlnet.UUID, error)
	ListPorts(id xmlnet.UUID) ([]port.Port, error)
	Port(id, portID xmlnet.UUID) (port.Port, error)
	SetPortBandwidth(id, portID xmlnet.UUID, to *xmlnet.Bandwidth) error
	DeletePort(id, portID xmlnet.UUID) error
	Attached(id xmlnet.UUID) ([]network.Attached, error)
	Neighbours(ctx context.Context, id xmlnet.UUID) ([]network.Neighbour, error)
	Subscribe() (events <-chan network.Event, cancel func())
}

// Options limit what clients can ask for. Zero values mean the defaults in
// brackets, which are those of libvirt's daemons where it has such a setting.
// The first three hold for root and for all others separately.
type Options struct {
	MaxClients   int // connections served at once; more wait (5000)
	MaxAnonymous int // of these, not yet authenticated (20)
	MaxQueued    int // connections that wait; more are closed (1000)
	MaxRequests  int // calls of a client at once; then it is not read (5)
	EventQueue   int // events kept for a slow client, then it is dropped (256)

	// KeepaliveInterval is the silence after which a client that can answer
	// is pinged (5 s, negative for never); after KeepaliveCount unanswered
	// pings (5) it is dropped.
	KeepaliveInterval time.Duration
	KeepaliveCount    int

	// Adopt and Release move a network between libvirt's own driver and ours,
	// or with dryRun say how; nil if there is no libvirt.
	Adopt, Release func(ctx context.Context, name string, dryRun bool) (string, error)

	// History tells who had which address of a network when; nil if that is not
	// known.
	History func(id xmlnet.UUID, f journal.Filter) ([]journal.Record, error)

	// Attachments are guests' links that are ports without libvirt; nil for
	// none.
	Attachments Attachments

	AuthTimeout  time.Duration // from connecting to being authenticated (10 s)
	WriteTimeout time.Duration // for a client to take one frame (30 s)

	// Authorize says whether a peer may use the daemon, and in its error why
	// not (AuthorizeGroup("libvirt")).
	Authorize func(ctx context.Context, p Peer, readOnly bool) error

	// PolkitRW and PolkitRO are asked instead, where there is a polkit, about
	// those who are not root on sockets that can change networks and on
	// read-only ones; nil: never.
	PolkitRW, PolkitRO *polkit.Client
}

// withDefaults fills in what is zero.
func (o Options) withDefaults() Options {
	orElse(&o.MaxClients, 5000)
	orElse(&o.MaxAnonymous, 20)
	orElse(&o.MaxQueued, 1000)
	orElse(&o.MaxRequests, 5)
	orElse(&o.EventQueue, 256)
	orElse(&o.KeepaliveInterval, 5*time.Second)
	orElse(&o.KeepaliveCount, 5)
	orElse(&o.AuthTimeout, 10*time.Second)
	orElse(&o.WriteTimeout, 30*time.Second)
	if o.Authorize == nil {
		o.Authorize = AuthorizeGroup("libvirt")
	}
	return o
}

func orElse[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Server serves any number of listeners, with one set of limits.
type Server struct {
	log      *slog.Logger
	networks Networks
	opts     Options
	programs programs

	root   *pool
	others *pool

	refusals refusals
	asking   asking

	// callbackID counts event registrations. libvirt counts them per daemon,
	// not per connection.
	callbackID atomic.Int32
}

// New returns a server of networks. It does nothing before Serve.
func New(log *slog.Logger, networks Networks, opts Options) *Server {
	opts = opts.withDefaults()
	return &Server{
		log:      log,
		networks: networks,
		opts:     opts,
		programs: newPrograms(),
		root:     newPool(opts),
		others:   newPool(opts),
	}
}

// Serve serves the clients of l, a UNIX socket, until ctx ends or l fails.
// With readOnly nobody can change anything through it. Before it returns, l
// and all its connections are closed and their calls have ended.
func (s *Server) Serve(ctx context.Context, l net.Listener, readOnly bool) error {
	ctx, cancel := context.WithCancel(ctx)
	audience := newAudience()
	// Before any client is served, so that it misses no event.
	events, unsubscribe := s.networks.Subscribe()
	defer unsubscribe()
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { audience.follow(ctx, events) })
	running.Go(func() {
		<-ctx.Done()
		l.Close() // ends Accept
	})
	for {
		conn, err := accept(ctx, l)
		if ctx.Err() != nil {
			closeIfOpen(conn)
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept on %s: %w", l.Addr(), err)
		}
		running.Go(func() { s.serveConn(ctx, conn, readOnly, audience) })
	}
}

func closeIfOpen(c net.Conn) {
	if c != nil {
		c.Close()
	}
}

// accept waits out a shortage of descriptors or memory, which must not end
// the daemon.
func accept(ctx context.Context, l net.Listener) (net.Conn, error) {
	for {
		conn, err := l.Accept()
		if err == nil || !shortage(err) {
			return conn, err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func shortage(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// serveConn serves one client when there is a place for it.
func (s *Server) serveConn(ctx context.Context, conn net.Conn, readOnly bool, a *audience) {
	defer conn.Close()
	peer, err := peerOf(conn)
	if err != nil {
		s.log.Warn("client refused", "err", err)
		return
	}
	places := s.poolOf(peer)
	if !places.enter(ctx) {
		return
	}
	defer places.leave()
	known := sync.OnceFunc(places.known)
	defer known()
	c := newClient(s, conn, peer, readOnly, known)
	a.join(c)
	defer a.leave(c)
	defer context.AfterFunc(ctx, c.close)()
	c.serve(ctx)
}

func (s *Server) poolOf(p Peer) *pool {
	if p.UID == 0 {
		return s.root
	}
	return s.others
}
