package dhcpd

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// exchange6 is one server talking through one set of sockets.
type exchange6 struct {
	*Server6
	outbox
	conn *Conn6

	// Of the one goroutine that reads.
	replies  []*frame // to the packets read together
	warnings limiter
}

func newExchange6(s *Server6, c *Conn6) *exchange6 {
	return &exchange6{
		Server6: s, conn: c, warnings: newLimiter(time.Minute/4, 8),
		outbox: outbox{debug: s.log, send: c.send, sent: &s.counts.sent, unwritten: &s.counts.unwritten},
	}
}

// readMessages answers messages until reading fails.
func (x *exchange6) readMessages(ctx context.Context) error {
	for {
		err := x.conn.receive(x.handlePacket)
		if len(x.replies) > 0 {
			x.transmit(x.replies)
			x.replies = x.replies[:0]
		}
		if err := x.conn.waitUp(ctx, err); err != nil {
			return err
		}
	}
}

// handlePacket answers one packet.
func (x *exchange6) handlePacket(b []byte, from net.HardwareAddr) {
	x.counts.received.Add(1)
	d, ok := parseDatagram6(b)
	if !ok {
		x.counts.malformed.Add(1)
		return
	}
	r, err := parseRequest6(d.payload)
	if err != nil {
		x.counts.malformed.Add(1)
		return
	}
	if x.overloaded() {
		x.counts.dropped.Add(1)
		return
	}
	if d.dst.IsMulticast() && d.dst != allServers6 {
		return
	}
	x.counts.asked.add(uint8(r.kind))
	if len(r.relays) == 0 {
		r.peer = d.src
	}
	r.findMAC(from)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.handle(&r, d, from)
}

// handle answers a message and does what it changes. The server is locked.
func (x *exchange6) handle(r *request6, d datagram6, from net.HardwareAddr) {
	now := time.Now()
	answer := x.service.handle6(now, x.leases, r, !d.dst.IsMulticast())
	x.trace(r, answer)
	if answer.short {
		x.counts.exhausted.Add(1)
		x.warn(now, "no IPv6 address is left", r.mac, netip.Addr{})
	}
	var f *frame
	if answer.reply != nil {
		x.counts.said.add(uint8(answer.reply.kind))
		f = newFrame6(answer.reply, x.conn.source, d.src, from)
	}
	var binds []change4
	for _, c := range answer.changes {
		switch c.kind {
		case bindLease:
			binds = append(binds, c)
			continue
		case declineLease:
			x.counts.conflicts.Add(1)
			x.warn(now, "a guest found its address in use", r.mac, c.lease.Addr)
		}
		c.apply(now, x.leases, nil)
	}
	switch {
	case f == nil:
	case len(binds) == 0:
		x.replies = append(x.replies, f)
	default:
		x.bind(now, binds, f)
	}
}

// bind gives a client its leases and sends the reply once all are on disk. If
// one cannot be written the client hears nothing and asks again.
func (x *exchange6) bind(now time.Time, binds []change4, f *frame) {
	x.wait(1)
	g := &group6{left: int32(len(binds)), end: func(err error) { x.bound(f, err) }}
	for _, c := range binds {
		if err := c.apply(now, x.leases, g.done); err != nil {
			g.done(err)
		}
	}
}

// group6 waits for several writes; done is called for each, from anywhere.
type group6 struct {
	left   int32
	failed atomic.Pointer[error]
	end    func(error)
}

func (g *group6) done(err error) {
	if err != nil {
		g.failed.Store(&err)
	}
	if atomic.AddInt32(&g.left, -1) > 0 {
		return
	}
	if e := g.failed.Load(); e != nil {
		err = *e
	}
	g.end(err)
}

// warn logs what an administrator should know, a few times a minute at most,
// as guests can cause it at will.
func (x *exchange6) warn(now time.Time, what string, mac net.HardwareAddr, a netip.Addr) {
	if !x.warnings.allow(now) {
		return
	}
	args := []any{"mac", mac.String()}
	if a.IsValid() {
		args = append(args, "addr", a)
	}
	x.log.Warn(what, args...)
}

// trace logs a message at level debug.
func (x *exchange6) trace(r *request6, a answer6) {
	level := slog.LevelDebug
	if x.service.LogRequests {
		level = slog.LevelInfo
	}
	if !x.log.Enabled(context.Background(), level) {
		return
	}
	said := "nothing"
	if a.reply != nil {
		said = a.reply.kind.String()
	}
	args := []any{"mac", r.mac.String(), "asked", r.kind.String(), "said", said}
	for _, c := range a.changes {
		args = append(args, "addr", c.lease.Addr)
	}
	x.log.Log(context.Background(), level, "dhcpv6", args...)
}
