package radv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mdlayher/ndp"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Server advertises one network.
type Server struct {
	log     *slog.Logger
	changed chan struct{} // holds one token while a configuration is new
	counts  struct{ solicited, answered, toAll, failed atomic.Uint64 }

	mu   sync.Mutex // guards what follows
	cfg  Config
	past []past // earlier configurations, the last one last
}

// Stats counts what a server did since it was made.
type Stats struct {
	Solicited uint64 // valid solicitations
	Answered  uint64 // advertisements to the one who asked
	ToAll     uint64 // advertisements to all, for whatever reason
	Failed    uint64 // advertisements that could not be sent
}

// NewServer returns a server of what cfg says.
func NewServer(log *slog.Logger, cfg Config) *Server {
	return &Server{log: log.With("link", cfg.Link), changed: make(chan struct{}, 1), cfg: cfg}
}

// SetConfig changes what is advertised. Guests are told at once, as far as the
// protocol's limits let us, what is new and what is no more: for two hours the
// prefixes, resolvers and search domains of before are advertised with lifetimes
// of zero. The link must stay the same.
func (s *Server) SetConfig(cfg Config) {
	s.mu.Lock()
	same := reflect.DeepEqual(cfg, s.cfg)
	if !same {
		s.past = remember(s.past, s.cfg, time.Now())
	}
	s.cfg = cfg
	s.mu.Unlock()
	if same {
		return
	}
	select {
	case s.changed <- struct{}{}:
	default: // the server has not seen the last change yet
	}
}

// message is what to send: made of the configuration, with what earlier ones
// advertised taken back.
func (s *Server) message(what func(Config, origin) *ndp.RouterAdvertisement, from origin) *ndp.RouterAdvertisement {
	s.mu.Lock()
	defer s.mu.Unlock()
	ra := what(s.cfg, from)
	for _, old := range s.past {
		if time.Now().Before(old.until) {
			withdraw(ra, old.cfg, from)
		}
	}
	return ra
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	c := &s.counts
	return Stats{Solicited: c.solicited.Load(), Answered: c.answered.Load(), ToAll: c.toAll.Load(), Failed: c.failed.Load()}
}

// Serve advertises, unasked and when asked, until ctx ends, which is no error,
// or the link goes. Guests keep what they have learned: who takes the network
// away calls Farewell. The caller closes c.
func (s *Server) Serve(ctx context.Context, c *Conn) error {
	group, groupCtx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(groupCtx, c.interrupt)
	defer stop()
	// What does not fit here is part of a flood, whose answer goes to all.
	asked := make(chan netip.Addr, unicastBurst)
	group.Go(c.waitGone)
	group.Go(func() error { return s.read(c, asked) })
	group.Go(func() error { return s.advertise(groupCtx, c, asked) })
	err := group.Wait()
	if ctx.Err() != nil && (errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}

// read hands on who solicits.
func (s *Server) read(c *Conn, asked chan<- netip.Addr) error {
	for {
		from, err := c.readSolicitation()
		if err != nil {
			return err
		}
		s.counts.solicited.Add(1)
		select {
		case asked <- from:
		default:
		}
	}
}

// advertise sends what the schedule says, until ctx ends or the link is gone.
func (s *Server) advertise(ctx context.Context, c *Conn, asked <-chan netip.Addr) error {
	sched := newSchedule(time.Now())
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(sched.next))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.changed:
			sched.renew(time.Now())
		case from := <-asked:
			if sched.solicited(time.Now(), from.IsLinkLocalUnicast()) {
				s.count(&s.counts.answered, s.send(c, advertisement, from))
			}
		case <-timer.C:
			sched.sent(time.Now())
			err := s.send(c, advertisement, allNodes)
			s.count(&s.counts.toAll, err)
			if linkFailed(err) {
				return err
			}
		}
	}
}

// count counts an advertisement as sent or failed.
func (s *Server) count(sent *atomic.Uint64, err error) {
	if err == nil {
		sent.Add(1)
		return
	}
	s.counts.failed.Add(1)
	s.log.Debug("router advertisement not sent", "err", err)
}

// Farewell tells guests that the network ends, or is advertised no more: the
// host is no router of theirs any longer. Serve must have returned.
func (s *Server) Farewell(c *Conn) error {
	return s.send(c, farewell, allNodes)
}

func (s *Server) send(c *Conn, what func(Config, origin) *ndp.RouterAdvertisement, to netip.Addr) error {
	from, err := c.origin()
	if err != nil {
		return err
	}
	b, err := ndp.MarshalMessage(s.message(what, from))
	if err != nil {
		return fmt.Errorf("encode router advertisement: %w", err)
	}
	if err := c.write(b, to); err != nil {
		return fmt.Errorf("send router advertisement to %s: %w", to, err)
	}
	return nil
}

// linkFailed tells whether an error will stay: the link or its address is
// gone. Other errors are of the moment: a full queue, a firewall of the host, a
// neighbour who does not answer.
func linkFailed(err error) bool {
	for _, gone := range []error{unix.ENODEV, unix.ENXIO, unix.ENETDOWN, unix.EADDRNOTAVAIL, unix.EINVAL} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return false
}
