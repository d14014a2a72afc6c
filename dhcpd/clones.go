package dhcpd

import (
	"bytes"
	"fmt"
	"time"

	"github.com/vnetmgr/vnetmgr/lease"
)

// Guests made from one image may go by one client identifier, and be up at the
// same time. By RFC 2131 §4.2 and RFC 8415 §12 they are one client and have one
// address. Here a client that goes by the identifier of another, with another
// MAC, is a clone if the other is there, and gets an address of its own. If the
// other is not, the client is that one with a new MAC, and has its address.
//
// Who was heard within livelyTime is there: a guest that has just got its
// address may not answer for it yet. Else the other is asked for by ARP or
// neighbour discovery, at the times of askAfter, and the message waits.
const (
	livelyTime = time.Minute
	// verdictTime is how long a verdict counts: for the messages that follow.
	verdictTime = holdTime
	// maxJudging bounds the messages that wait, and maxVerdicts what is
	// remembered. In a crowd who has another MAC is a clone.
	maxJudging  = 64
	maxVerdicts = 1024
)

// askAfter are the pauses between the questions, and after the last.
var askAfter = [...]time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 200 * time.Millisecond}

// judging is what is being found out about clients with one identifier.
type judging struct {
	open     map[string]*judgement
	verdicts map[string]verdict
}

// judgement is a message that waits to hear whether its client is a clone.
type judgement struct {
	rival  lease.Lease // who goes by the identifier, too
	began  time.Time
	asked  int
	again  func()
	timer  *time.Timer
	decide func(clone bool)
}

type verdict struct {
	clone bool
	until time.Time
}

func newJudging() judging {
	return judging{open: make(map[string]*judgement), verdicts: make(map[string]verdict)}
}

// stop forgets the messages that wait.
func (j *judging) stop() {
	for key, g := range j.open {
		g.timer.Stop()
		delete(j.open, key)
	}
}

// hear decides what waits for a client to show itself. The server is locked.
func (j *judging) hear(s sighting) {
	for _, g := range j.open {
		if g.rival.Addr == s.addr && bytes.Equal(g.rival.MAC, s.mac) {
			g.decide(true)
		}
	}
}

func (j *judging) remember(key string, clone bool, now time.Time) {
	if len(j.verdicts) >= maxVerdicts {
		clear(j.verdicts)
	}
	j.verdicts[key] = verdict{clone, now.Add(verdictTime)}
}

// judge tells whether a client is a clone, or that its message has to wait:
// again is called when it is clear. The server is locked, also then.
func (x *exchange) judge(now time.Time, c lease.Client, again func()) (clone, wait bool) {
	rival, heard, ok := x.leases.Rival(c, now)
	if !ok {
		return false, false
	}
	key := fmt.Sprintf("%x %d %s", c.ID, c.IAID, c.MAC)
	if v, ok := x.judging.verdicts[key]; ok && now.Before(v.until) {
		return v.clone, false
	}
	if g := x.judging.open[key]; g != nil {
		g.again = again
		return false, true
	}
	if now.Sub(heard) < livelyTime || len(x.judging.open) >= maxJudging || !x.probing.rate.allow(now) {
		x.judging.remember(key, true, now)
		x.tellClone(now, c, rival)
		return true, false
	}
	x.ask(now, key, c, rival, again)
	return false, true
}

// ask asks whether a client is there that another may be a clone of.
func (x *exchange) ask(now time.Time, key string, c lease.Client, rival lease.Lease, again func()) {
	g := &judgement{rival: rival, began: now, again: again}
	g.decide = func(clone bool) {
		g.timer.Stop()
		delete(x.judging.open, key)
		now := time.Now()
		x.judging.remember(key, clone, now)
		if clone {
			x.tellClone(now, c, rival)
		}
		g.again()
	}
	x.judging.open[key] = g
	x.askOnce(key, g)
}

// askOnce asks, and has the silence after the last question mean that nobody is
// there, unless there was too much to hear.
func (x *exchange) askOnce(key string, g *judgement) {
	x.counts.probes.Add(1)
	if err := x.probing.ask(g.rival.Addr); err != nil {
		x.log.Debug("ask who uses an address", "addr", g.rival.Addr, "err", err)
	}
	wait := askAfter[g.asked]
	g.asked++
	g.timer = x.later(wait, func() {
		switch {
		case x.judging.open[key] != g:
		case g.asked < len(askAfter):
			x.askOnce(key, g)
		default:
			g.decide(x.probing.deaf.After(g.began))
		}
	})
}

// tellClone counts a clone and logs who it is and whose.
func (x *exchange) tellClone(now time.Time, c lease.Client, rival lease.Lease) {
	x.counts.clonings.Add(1)
	x.warn(now, "two guests go by one client identifier, each gets an address of its own",
		"mac", c.MAC.String(), "other", rival.MAC.String(), "addr", rival.Addr)
}
