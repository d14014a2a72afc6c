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
	exchange
	of   *Server4
	conn *Conn4
}

func newExchange4(s *Server4, c *Conn4) *exchange4 {
	return &exchange4{exchange: newExchange(&s.server, c.send, c.askARP, c.ports), of: s, conn: c}
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

// handlePacket answers one packet.
func (x *exchange4) handlePacket(b []byte, from net.HardwareAddr) {
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
	x.counts.asked.add(uint8(r.kind))
	if x.overloaded() {
		x.counts.dropped.Add(1)
		return
	}
	if r.kind == dhcpv4.MessageTypeDiscover || r.kind == dhcpv4.MessageTypeRequest {
		c := x.locate(r.client(), from)
		r.clone, r.port = c.Clone, c.Port
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	unicast := d.dst == x.of.service.addr
	if !unicast && d.dst != limitedBroadcast && d.dst != x.of.service.broadcast {
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

// handle answers a request and does what it changes, or has it wait. The
// server is locked.
func (x *exchange4) handle(a *asked4) {
	now := time.Now()
	if x.waitsForRival(now, a) {
		return
	}
	answer := x.of.service.handle4(now, x.leases, &a.request, a.unicast)
	if answer.change.kind == offerAddr {
		answer.change.apply(now, x.leases, nil)
		if answer.change.unproven && !x.of.service.NoProbe && x.waitsForProof(now, a, answer.change.lease.Addr) {
			return
		}
	}
	x.trace(&a.request, answer)
	if answer.limited(x.leases, &a.request) {
		x.short(now, a.request.client())
	}
	switch answer.change.kind {
	case bindLease:
		x.bind(now, answer)
		return
	case offerAddr:
	case declineLease:
		x.counts.conflicts.Add(1)
		x.warn(now, "a guest found its address in use", "mac", a.request.mac.String(), "addr", answer.change.lease.Addr)
		fallthrough
	default:
		answer.change.apply(now, x.leases, nil)
	}
	x.reply(answer.reply)
}

// waitsForRival tells whether a request waits until it is clear whether its
// client is a clone; else the request says so.
func (x *exchange4) waitsForRival(now time.Time, a *asked4) bool {
	r := &a.request
	asks := r.kind == dhcpv4.MessageTypeDiscover || r.kind == dhcpv4.MessageTypeRequest
	if x.of.service.OneClient || r.clone || !asks || !r.isEthernet() {
		return false
	}
	clone, wait := x.judge(now, r.client(), func() { x.handle(a) })
	r.clone = clone
	return wait
}

// waitsForProof tells whether a request waits to hear who uses the address that
// it would be offered.
func (x *exchange4) waitsForProof(now time.Time, a *asked4, addr netip.Addr) bool {
	return x.prove(now, []netip.Addr{addr}, func(used bool) {
		if used {
			a.tries++
		}
		if a.tries < maxTries {
			x.handle(a)
		}
	})
}

// trace logs a request at level debug.
func (x *exchange4) trace(r *request4, a answer4) {
	level := slog.LevelDebug
	if x.of.service.LogRequests {
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
		x.replies = append(x.replies, newFrame4(p, x.of.service.addr))
	}
}

// bind gives the client its lease and sends the reply once that is on disk.
func (x *exchange4) bind(now time.Time, a answer4) {
	x.counts.said.add(uint8(a.reply.kind))
	f := newFrame4(a.reply, x.of.service.addr)
	x.wait(1)
	if err := a.change.apply(now, x.leases, func(err error) { x.bound(f, err) }); err != nil {
		x.bound(f, err)
	}
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
