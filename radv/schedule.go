package radv

import (
	"math/rand/v2"
	"time"
)

// The protocol's times (RFC 4861 §6.2.1, §10).
const (
	// Unsolicited advertisements are a random time in this range apart: a
	// guest that missed two still has a router, whose lifetime is 1800 s.
	minInterval, maxInterval = 450 * time.Second, 600 * time.Second

	initialInterval = 16 * time.Second // MAX_INITIAL_RTR_ADVERT_INTERVAL
	initialCount    = 3                // MAX_INITIAL_RTR_ADVERTISEMENTS

	minDelay = 3 * time.Second // MIN_DELAY_BETWEEN_RAS, for multicast
)

// A flood of solicitations is answered to each guest by itself no faster than
// this; beyond that one answer goes to all of them. The kernel keeps a
// neighbour for seconds for each address that is written to, real or forged,
// and these come out of a table of 1024 for the whole host.
const (
	unicastBurst = 64
	unicastEvery = 50 * time.Millisecond
)

// schedule decides when to advertise. It is a function of the times it is
// told and of chance.
type schedule struct {
	next    time.Time // when to send to all
	last    time.Time // when it was done; zero: never
	initial int       // advertisements yet to come at the faster pace

	tokens   int // answers to single guests that are left
	refilled time.Time
}

// newSchedule is that of a server that begins now, or has something new to
// say: the first advertisement at once.
func newSchedule(now time.Time) schedule {
	return schedule{next: now, initial: initialCount, tokens: unicastBurst, refilled: now}
}

// sent notes that an advertisement went to all.
func (s *schedule) sent(now time.Time) {
	s.last = now
	s.next = now.Add(minInterval + rand.N(maxInterval-minInterval))
	if s.initial > 0 {
		s.initial--
	}
	if s.initial > 0 {
		s.next = now.Add(minDelay + rand.N(initialInterval-minDelay))
	}
}

// solicited decides about a solicitation: true if the guest, who has an
// address, is to be answered by itself and at once. Else all are told as soon
// as the last time is long enough ago.
//
// RFC 4861 §6.2.6 delays answers by up to half a second so that several
// routers do not answer at once. A bridge of ours has one, and guests wait for
// it when they start.
func (s *schedule) solicited(now time.Time, addressed bool) bool {
	if addressed && s.take(now) {
		return true
	}
	if soon := s.earliest(now); soon.Before(s.next) {
		s.next = soon
	}
	return false
}

// renew makes the schedule begin again, for a new configuration.
func (s *schedule) renew(now time.Time) {
	s.initial = initialCount
	s.next = s.earliest(now)
}

// earliest is when all may be told next.
func (s *schedule) earliest(now time.Time) time.Time {
	if allowed := s.last.Add(minDelay); !s.last.IsZero() && now.Before(allowed) {
		return allowed
	}
	return now
}

// take uses up one answer to a single guest, if one is left.
func (s *schedule) take(now time.Time) bool {
	if n := int(now.Sub(s.refilled) / unicastEvery); n > 0 {
		s.tokens = min(s.tokens+n, unicastBurst)
		s.refilled = s.refilled.Add(time.Duration(n) * unicastEvery)
	}
	if s.tokens == 0 {
		return false
	}
	s.tokens--
	return true
}
