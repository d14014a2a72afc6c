package dhcpd

import "time"

// limiter lets a thing happen once in a while, and so many times at once after
// a pause.
type limiter struct {
	every time.Duration
	burst time.Duration // the time that a burst takes
	full  time.Time     // when a whole burst is allowed again
}

// newLimiter returns a limiter that allows burst things at once.
func newLimiter(every time.Duration, burst int) limiter {
	return limiter{every: every, burst: every * time.Duration(burst)}
}

// allow tells whether it may happen now, and counts it if so.
func (l *limiter) allow(now time.Time) bool {
	if l.full.Before(now) {
		l.full = now
	}
	if l.full.Add(l.every).Sub(now) > l.burst {
		return false
	}
	l.full = l.full.Add(l.every)
	return true
}
