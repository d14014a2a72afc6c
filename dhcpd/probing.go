package dhcpd

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/vnetmgr/vnetmgr/lease"
)

// Nobody waits for the check whether an address is free. What is heard on the
// link of who uses which address, by ARP or neighbour discovery, counts for
// avoidTime. An address of which nothing was heard is asked for as it is
// chosen, and its offer leaves probeTime later: on one host, who has the
// address answers within that. An answer that comes even later makes the
// client's request be refused. Beyond a rate, and in a crowd, offers leave
// unproven.
const (
	probeTime = 2 * time.Millisecond
	// provenTime is for how long an address that nobody answered for counts as
	// free, as in dnsmasq.
	provenTime = 30 * time.Second
	maxProven  = 1024
	// maxProbing bounds the messages that wait.
	maxProbing = 64
	// maxTries bounds how often other addresses are chosen for one message.
	maxTries = 8
	// How often, and how many at once, probes are sent and sightings read.
	probeEvery, probeBurst = 10 * time.Millisecond, 100
	seeEvery, seeBurst     = 2 * time.Millisecond, 500
)

// probing is what is being found out about addresses.
type probing struct {
	ask     func(netip.Addr) error
	waiting map[netip.Addr]*probed
	proven  map[netip.Addr]time.Time // when nobody answered
	rate    limiter
	deaf    time.Time // when there was last more to hear than we read
}

// probed is a message that waits for somebody to claim the addresses that it
// would be answered with.
type probed struct {
	addrs []netip.Addr
	// again handles the message anew; used tells that an address is in use.
	again func(used bool)
	timer *time.Timer
}

func newProbing(ask func(netip.Addr) error) probing {
	return probing{
		ask:     ask,
		waiting: make(map[netip.Addr]*probed),
		proven:  make(map[netip.Addr]time.Time),
		rate:    newLimiter(probeEvery, probeBurst),
	}
}

// stop forgets the messages that wait.
func (p *probing) stop() {
	for _, w := range p.waiting {
		p.forget(w)
	}
}

func (p *probing) forget(w *probed) {
	w.timer.Stop()
	for _, a := range w.addrs {
		delete(p.waiting, a)
	}
}

// open are those of addrs that were not asked for lately.
func (p *probing) open(addrs []netip.Addr, now time.Time) []netip.Addr {
	var open []netip.Addr
	for _, a := range addrs {
		if at, ok := p.proven[a]; !ok || now.Sub(at) >= provenTime {
			open = append(open, a)
		}
	}
	return open
}

// setProven notes that nobody answered for an address.
func (p *probing) setProven(a netip.Addr, now time.Time) {
	if len(p.proven) >= maxProven {
		clear(p.proven) // costs a few probes
	}
	p.proven[a] = now
}

// prove asks who uses addresses, and calls again when that is clear; or it
// returns false, because it is already or will not be. The server is locked,
// also when again is called.
func (x *exchange) prove(now time.Time, addrs []netip.Addr, again func(used bool)) bool {
	p := &x.probing
	open := p.open(addrs, now)
	if len(open) == 0 {
		return false
	}
	if w := p.waiting[open[0]]; w != nil {
		w.again = again // the client asked again
		return true
	}
	if len(p.waiting) >= maxProbing || !p.rate.allow(now) {
		return false
	}
	for _, a := range open {
		x.counts.probes.Add(1)
		if err := p.ask(a); err != nil {
			x.log.Debug("ask who uses an address", "addr", a, "err", err)
			return false
		}
	}
	w := &probed{addrs: open, again: again}
	for _, a := range open {
		p.waiting[a] = w
	}
	w.timer = x.later(probeTime, func() {
		if p.waiting[open[0]] != w {
			return
		}
		p.forget(w)
		for _, a := range open {
			p.setProven(a, time.Now())
		}
		w.again(false)
	})
	return true
}

// sighting is somebody using an address.
type sighting struct {
	addr netip.Addr
	mac  net.HardwareAddr // valid until the next read
}

// watch takes what read sees of addresses of the network, until reading fails
// for good, which recovered tells.
func (x *exchange) watch(ctx context.Context, recovered func(context.Context, error) error, read func() (s sighting, ok bool, err error)) error {
	rate := newLimiter(seeEvery, seeBurst)
	for {
		s, ok, err := read()
		if err := recovered(ctx, err); err != nil {
			return err
		}
		now := time.Now()
		if ok {
			x.sighted(now, s)
		}
		if !rate.allow(now) {
			x.mu.Lock()
			x.probing.deaf = time.Now()
			x.mu.Unlock()
			pause(ctx, seeEvery)
		}
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

// sighted notes that somebody uses an address of the network. If it was about
// to be offered another is.
func (x *exchange) sighted(now time.Time, s sighting) {
	defer x.flush()
	x.mu.Lock()
	x.judging.hear(s)
	x.mu.Unlock()
	found := x.leases.Seen(s.addr, s.mac, now.Add(avoidTime))
	if found == lease.Rightful {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if found == lease.Conflict {
		x.warn(now, "a guest uses another's address", "mac", s.mac.String(), "addr", s.addr)
		return
	}
	delete(x.probing.proven, s.addr)
	w := x.probing.waiting[s.addr]
	if w == nil {
		return
	}
	x.probing.forget(w)
	x.counts.conflicts.Add(1)
	x.warn(now, "a guest uses an address that it was not given", "mac", s.mac.String(), "addr", s.addr)
	w.again(true)
}
