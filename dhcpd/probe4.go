package dhcpd

import (
	"context"
	"net/netip"
	"time"

	"github.com/vnetmgr/vnetmgr/lease"
)

// Nobody waits for the check whether an address is free. What is heard of ARP
// on the link counts for avoidTime. An address of which nothing was heard is
// asked for by ARP as it is chosen, and its offer leaves probeTime later: on
// one host, who has the address answers within that. An answer that comes even
// later makes the client's REQUEST be refused. Beyond a rate, and in a crowd,
// offers leave unproven.
const (
	probeTime = 2 * time.Millisecond
	// provenTime is for how long an address that nobody answered for counts as
	// free, as in dnsmasq.
	provenTime = 30 * time.Second
	maxProven  = 1024
	// maxProbing bounds the offers that wait.
	maxProbing = 64
	// maxTries bounds the addresses that are tried for one DISCOVER.
	maxTries = 8
	// How often, and how many at once, probes are sent and ARP packets read.
	probeEvery, probeBurst = 10 * time.Millisecond, 100
	arpEvery, arpBurst     = 2 * time.Millisecond, 500
)

// probing4 is what is being found out about addresses.
type probing4 struct {
	offers map[netip.Addr]*probedOffer
	proven map[netip.Addr]time.Time // when nobody answered
	rate   limiter
}

// probedOffer is an offer that waits for somebody to claim its address.
type probedOffer struct {
	asked *asked4
	reply *reply4
	timer *time.Timer
}

func newProbing4() probing4 {
	return probing4{
		offers: make(map[netip.Addr]*probedOffer),
		proven: make(map[netip.Addr]time.Time),
		rate:   newLimiter(probeEvery, probeBurst),
	}
}

// stop forgets the offers that wait.
func (p *probing4) stop() {
	for a, o := range p.offers {
		o.timer.Stop()
		delete(p.offers, a)
	}
}

// isProven tells whether an address was asked for lately and nobody answered.
func (p *probing4) isProven(a netip.Addr, now time.Time) bool {
	at, ok := p.proven[a]
	return ok && now.Sub(at) < provenTime
}

// setProven notes that nobody answered for an address.
func (p *probing4) setProven(a netip.Addr, now time.Time) {
	if len(p.proven) >= maxProven {
		clear(p.proven) // costs a few probes
	}
	p.proven[a] = now
}

// offer sends an offer, after finding out about its address where nothing is
// known of it. The server is locked.
func (x *exchange4) offer(now time.Time, a *asked4, answer answer4) {
	addr := answer.change.lease.Addr
	if !answer.change.unproven || x.service.NoProbe || x.probing.isProven(addr, now) {
		x.reply(answer.reply)
		return
	}
	if o := x.probing.offers[addr]; o != nil {
		o.asked, o.reply = a, answer.reply // the client asked again
		return
	}
	if len(x.probing.offers) >= maxProbing || !x.probing.rate.allow(now) {
		x.reply(answer.reply)
		return
	}
	x.counts.probes.Add(1)
	if err := x.conn.askARP(addr); err != nil {
		x.log.Debug("ask for an address by ARP", "addr", addr, "err", err)
		x.reply(answer.reply)
		return
	}
	o := &probedOffer{asked: a, reply: answer.reply}
	o.timer = time.AfterFunc(probeTime, func() { x.prove(addr, o) })
	x.probing.offers[addr] = o
}

// prove sends an offer whose address nobody claimed.
func (x *exchange4) prove(addr netip.Addr, o *probedOffer) {
	x.mu.Lock()
	if x.probing.offers[addr] != o {
		x.mu.Unlock()
		return
	}
	delete(x.probing.offers, addr)
	x.probing.setProven(addr, time.Now())
	x.reply(o.reply)
	x.mu.Unlock()
	x.flush()
}

// readARP notes who uses which address, until reading fails. It reads no more
// than arpBurst packets at once and one every arpEvery; the kernel drops what
// is beyond.
func (x *exchange4) readARP(ctx context.Context) error {
	b := make([]byte, 2*arpSize)
	rate := newLimiter(arpEvery, arpBurst)
	for {
		got, err := x.conn.readARP(b)
		if err := x.conn.waitUp(ctx, err); err != nil {
			return err
		}
		now := time.Now()
		if s, ok := parseARP(got); ok {
			x.sighted(now, s)
		}
		if !rate.allow(now) {
			pause(ctx, arpEvery)
		}
	}
}

// sighted notes that somebody uses an address. If it was about to be offered
// another is.
func (x *exchange4) sighted(now time.Time, s sighting) {
	x.mu.Lock()
	known := x.service.subnet.Contains(s.addr) && s.addr != x.service.addr
	x.mu.Unlock()
	if !known {
		return
	}
	found := x.leases.Seen(s.addr, s.mac, now.Add(avoidTime))
	if found == lease.Rightful {
		return
	}
	x.mu.Lock()
	defer x.flush()
	defer x.mu.Unlock()
	if found == lease.Conflict {
		x.warn(now, "a guest uses another's address", s.mac, s.addr)
		return
	}
	delete(x.probing.proven, s.addr)
	o := x.probing.offers[s.addr]
	if o == nil {
		return
	}
	o.timer.Stop()
	delete(x.probing.offers, s.addr)
	x.counts.conflicts.Add(1)
	x.warn(now, "a guest uses an address that it was not given", s.mac, s.addr)
	if o.asked.tries++; o.asked.tries < maxTries {
		x.handle(o.asked)
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
