package dhcpd

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/vnetmgr/vnetmgr/lease"
)

// server is what the servers of both families are made of.
type server struct {
	log    *slog.Logger
	leases *lease.Table
	counts counters

	mu sync.Mutex // one message is handled at a time; guards the service
}

// exchange is one server talking through one set of sockets.
type exchange struct {
	*server
	outbox
	ports *ports

	// Guarded by server.mu.
	probing  probing
	judging  judging
	replies  []*frame // to the packets read together
	warnings map[string]*limiter
}

func newExchange(s *server, send func([]*frame) error, ask func(netip.Addr) error, p *ports) exchange {
	return exchange{
		server: s, ports: p, probing: newProbing(ask), judging: newJudging(), warnings: make(map[string]*limiter),
		outbox: outbox{debug: s.log, send: send, sent: &s.counts.sent, unwritten: &s.counts.unwritten},
	}
}

// flush sends the replies that need not wait.
func (x *exchange) flush() {
	x.mu.Lock()
	frames := x.replies
	x.replies = nil
	x.mu.Unlock()
	if len(frames) > 0 {
		x.transmit(frames)
	}
}

// later calls f after a while, with the server locked, and sends the replies.
func (x *exchange) later(after time.Duration, f func()) *time.Timer {
	return time.AfterFunc(after, func() {
		x.mu.Lock()
		f()
		x.mu.Unlock()
		x.flush()
	})
}

// locate completes a client's identity, from the hardware address that its
// frame came from, unless it is known where it is.
func (x *exchange) locate(c lease.Client, from net.HardwareAddr) lease.Client {
	c, located := x.leases.Identify(c)
	if !located {
		c.Port = x.ports.of(from, time.Now())
	}
	return c
}

// short notes that there is no address for a client.
func (x *exchange) short(now time.Time, c lease.Client) {
	if x.leases.HasShare(c) {
		x.counts.limited.Add(1)
		x.warn(now, "a bridge port has its share of the addresses", "mac", c.MAC.String(), "port", x.ports.name(c.Port))
		return
	}
	x.counts.exhausted.Add(1)
	x.warn(now, "no address is left", "mac", c.MAC.String())
}

// How often, and how many times at once, the same is logged that guests can
// cause at will.
const (
	warnEvery = time.Minute / 4
	warnBurst = 4
)

// warn logs what an administrator should know. The server is locked.
func (x *exchange) warn(now time.Time, what string, args ...any) {
	l := x.warnings[what]
	if l == nil {
		fresh := newLimiter(warnEvery, warnBurst)
		l = &fresh
		x.warnings[what] = l
	}
	if l.allow(now) {
		x.log.Warn(what, args...)
	}
}

// end waits for what is being sent. Replies that wait for the disk are not
// sent any more.
func (x *exchange) end() {
	x.mu.Lock()
	x.probing.stop()
	x.judging.stop()
	x.mu.Unlock()
	x.outbox.end()
}
