package dhcpd

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// exchange6 is one server talking through one set of sockets.
type exchange6 struct {
	exchange
	of   *Server6
	conn *Conn6
}

func newExchange6(s *Server6, c *Conn6) *exchange6 {
	return &exchange6{exchange: newExchange(&s.server, c.send, c.solicit, c.ports), of: s, conn: c}
}

// readMessages answers messages until reading fails.
func (x *exchange6) readMessages(ctx context.Context) error {
	for {
		err := x.conn.receive(x.handlePacket)
		x.flush()
		if err := x.conn.waitUp(ctx, err); err != nil {
			return err
		}
	}
}

// asked6 is a message that is being answered.
type asked6 struct {
	request  request6
	datagram datagram6 // without its payload
	from     net.HardwareAddr
	tries    int // addresses that turned out to be in use
}

// handlePacket answers one packet.
func (x *exchange6) handlePacket(b []byte, from net.HardwareAddr) {
	x.counts.received.Add(1)
	d, ok := parseDatagram6(b)
	if !ok {
		x.counts.malformed.Add(1)
		return
	}
	x.handleDatagram(d, from)
}

// handleDatagram answers a datagram to our port that came from a hardware
// address, nil if that is not known.
func (x *exchange6) handleDatagram(d datagram6, from net.HardwareAddr) {
	r, err := parseRequest6(d.payload)
	if err != nil {
		x.counts.malformed.Add(1)
		return
	}
	x.counts.asked.add(uint8(r.kind))
	if x.overloaded() {
		x.counts.dropped.Add(1)
		return
	}
	if d.dst.IsMulticast() && d.dst != allServers6 {
		return
	}
	if len(r.relays) == 0 {
		r.peer = d.src
	}
	r.findMAC(from)
	for i := range r.ias {
		c := x.locate(r.client(&r.ias[i]), from)
		r.clone, r.port = r.clone || c.Clone, c.Port
	}
	d.payload = nil
	x.mu.Lock()
	defer x.mu.Unlock()
	x.handle(&asked6{request: r, datagram: d, from: bytes.Clone(from)})
}

// handle answers a message and does what it changes, or has it wait. The
// server is locked.
func (x *exchange6) handle(a *asked6) {
	now := time.Now()
	r := &a.request
	if x.waitsForRival(now, a) {
		return
	}
	r.tags = nil
	answer := x.of.service.handle6(now, x.leases, r, !a.datagram.dst.IsMulticast())
	if r.kind == dhcpv6.MessageTypeSolicit && !x.of.service.NoProbe && x.waitsForProof(now, a, answer) {
		return
	}
	x.trace(r, answer)
	if answer.short {
		x.short(now, r.client(&r.ias[0]))
	}
	var f *frame
	if answer.reply != nil {
		x.counts.said.add(uint8(answer.reply.kind))
		f = newFrame6(answer.reply, x.conn.source, a.datagram.src, a.from, x.conn.mtu)
	}
	binds := x.apply(now, answer.changes)
	switch {
	case f == nil:
	case len(binds) == 0:
		x.replies = append(x.replies, f)
	default:
		x.bind(now, binds, f)
	}
}

// apply does what changes no lease that a reply has to wait for, and returns
// the rest.
func (x *exchange6) apply(now time.Time, changes []change4) (binds []change4) {
	for _, c := range changes {
		switch c.kind {
		case bindLease:
			binds = append(binds, c)
			continue
		case declineLease:
			x.counts.conflicts.Add(1)
			x.warn(now, "a guest found its address in use", "mac", c.lease.MAC.String(), "addr", c.lease.Addr)
		}
		c.apply(now, x.leases, nil)
	}
	return binds
}

// waitsForRival tells whether a message waits until it is clear whether its
// client is a clone; else the message says so.
func (x *exchange6) waitsForRival(now time.Time, a *asked6) bool {
	r := &a.request
	if x.of.service.OneClient || r.clone || len(r.mac) != 6 || !r.keepsAddresses() {
		return false
	}
	for i := range r.ias {
		clone, wait := x.judge(now, r.client(&r.ias[i]), func() { x.handle(a) })
		if wait {
			return true
		}
		r.clone = r.clone || clone
	}
	return false
}

// keepsAddresses tells whether a message asks to have or to keep addresses.
func (r *request6) keepsAddresses() bool {
	switch r.kind {
	case dhcpv6.MessageTypeSolicit, dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeConfirm,
		dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind:
		return true
	}
	return false
}

// waitsForProof tells whether a message waits to hear who uses the addresses
// that it would be offered. They are held for the client meanwhile.
func (x *exchange6) waitsForProof(now time.Time, a *asked6, answer answer6) bool {
	var addrs []netip.Addr
	for _, c := range answer.changes {
		if c.unproven {
			c.kind = offerAddr
			c.apply(now, x.leases, nil)
			addrs = append(addrs, c.lease.Addr)
		}
	}
	return x.prove(now, addrs, func(used bool) {
		if used {
			a.tries++
		}
		if a.tries < maxTries {
			x.handle(a)
		}
	})
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

// trace logs a message at level debug.
func (x *exchange6) trace(r *request6, a answer6) {
	level := slog.LevelDebug
	if x.of.service.LogRequests {
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
