package dhcpd

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// exchange4 is one server talking through one set of sockets.
type exchange4 struct {
	*Server4
	outbox
	conn *Conn4

	// Guarded by Server4.mu.
	probing  probing4
	replies  []*frame // to the packets read together
	warnings limiter
}

func newExchange4(s *Server4, c *Conn4) *exchange4 {
	return &exchange4{
		Server4: s, conn: c, probing: newProbing4(), warnings: newLimiter(time.Minute/4, 8),
		outbox: outbox{debug: s.log, send: c.send, sent: &s.counts.sent, unwritten: &s.counts.unwritten},
	}
}

// readRequests answers requests until reading fails.
func (x *exchange4) readRequests(ctx context.Context) error {
	for {
		err := x.conn.receive(x.handlePacket)
		x.flush()
		if err := x.conn.waitUp(ctx, err); err != nil {
			return err
		}
	}
}

// flush sends the replies to the packets read together that need not wait.
func (x *exchange4) flush() {
	x.mu.Lock()
	frames := x.replies
	x.replies = nil
	x.mu.Unlock()
	if len(frames) > 0 {
		x.transmit(frames)
	}
}

// handlePacket answers one packet.
func (x *exchange4) handlePacket(b []byte, _ net.HardwareAddr) {
	x.counts.received.Add(1)
	d, ok := parseDatagram4(b)
	if !ok {
		x.counts.malformed.Add(1)
		return
	}
	r, err := parseRequest4(d.payload)
	if err != nil {
		x.counts.malformed.Add(1)
		return
	}
	if x.overloaded() {
		x.counts.dropped.Add(1)
		return
	}
	x.counts.asked.add(uint8(r.kind))
	x.mu.Lock()
	defer x.mu.Unlock()
	unicast := d.dst == x.service.addr
	if !unicast && d.dst != limitedBroadcast && d.dst != x.service.broadcast {
		return
	}
	x.handle(&asked4{request: r, unicast: unicast})
}

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// asked4 is a request that is being answered.
type asked4 struct {
	request request4
	unicast bool
	tries   int // addresses that turned out to be in use
}

// handle answers a request and does what it changes. The server is locked.
func (x *exchange4) handle(a *asked4) {
	now := time.Now()
	answer := x.service.handle4(now, x.leases, &a.request, a.unicast)
	x.trace(&a.request, answer)
	switch answer.change.kind {
	case bindLease:
		x.bind(now, answer)
		return
	case declineLease:
		x.counts.conflicts.Add(1)
		x.warn(now, "a guest found its address in use", a.request.mac, answer.change.lease.Addr)
	}
	if answer.exhausted {
		x.counts.exhausted.Add(1)
		x.warn(now, "no address is left", a.request.mac, netip.Addr{})
	}
	answer.change.apply(now, x.leases, nil)
	if answer.change.kind == offerAddr {
		x.offer(now, a, answer)
	} else {
		x.reply(answer.reply)
	}
}

// warn logs what an administrator should know, a few times a minute at most,
// as guests can cause it at will. The server is locked.
func (x *exchange4) warn(now time.Time, what string, mac net.HardwareAddr, a netip.Addr) {
	if !x.warnings.allow(now) {
		return
	}
	args := []any{"mac", mac.String()}
	if a.IsValid() {
		args = append(args, "addr", a)
	}
	x.log.Warn(what, args...)
}

// trace logs a request at level debug.
func (x *exchange4) trace(r *request4, a answer4) {
	level := slog.LevelDebug
	if x.service.LogRequests {
		level = slog.LevelInfo
	}
	if !x.log.Enabled(context.Background(), level) {
		return
	}
	said := "nothing"
	var addr netip.Addr
	if a.reply != nil {
		said, addr = a.reply.kind.String(), a.reply.yiaddr
	}
	x.log.Log(context.Background(), level, "dhcp", "mac", r.mac.String(), "asked", r.kind.String(), "said", said, "addr", addr)
}

// reply sends a reply with the others of its batch.
func (x *exchange4) reply(p *reply4) {
	if p != nil {
		x.counts.said.add(uint8(p.kind))
		x.replies = append(x.replies, newFrame4(p, x.service.addr))
	}
}

// bind gives the client its lease and sends the reply once that is on disk.
func (x *exchange4) bind(now time.Time, a answer4) {
	x.counts.said.add(uint8(a.reply.kind))
	f := newFrame4(a.reply, x.service.addr)
	x.wait(1)
	if err := a.change.apply(now, x.leases, func(err error) { x.bound(f, err) }); err != nil {
		x.bound(f, err)
	}
}

// end waits for what is being sent. Replies that wait for the disk are not
// sent any more.
func (x *exchange4) end() {
	x.mu.Lock()
	x.probing.stop()
	x.mu.Unlock()
	x.outbox.end()
}

// newFrame4 encodes a reply and decides where it goes: to the relay that it
// came through; to all, if the client cannot receive otherwise or must not
// rely on its address; else to the client's MAC (RFC 2131 §4.1).
func newFrame4(p *reply4, server netip.Addr) *frame {
	f := framePool.Get().(*frame)
	f.b = p.appendTo(append(f.b[:0], make([]byte, ipUDPHeader)...))
	f.mac, f.relay = nil, p.giaddr
	if p.giaddr.IsValid() {
		return f
	}
	dst := limitedBroadcast
	switch {
	case p.kind == dhcpv4.MessageTypeNak:
	case p.ciaddr.IsValid():
		dst = p.ciaddr
	case !p.broadcast:
		dst = p.yiaddr
	}
	if dst != limitedBroadcast && p.htype == 1 && len(p.mac) == 6 {
		f.mac = p.mac
	}
	sealDatagram4(f.b, server, dst)
	return f
}
