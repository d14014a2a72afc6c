package dhcpd

import (
	"testing"
	"time"
)

func TestLimiterAllowsABurstAndThenARate(t *testing.T) {
	l := newLimiter(time.Second, 3)
	now := time.Unix(1000, 0)
	count := func() int {
		n := 0
		for l.allow(now) {
			n++
		}
		return n
	}
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{0, 3}, {0, 0}, {time.Second, 1}, {2 * time.Second, 2}, {time.Hour, 3}} {
		now = now.Add(tt.after)
		if got := count(); got != tt.want {
			t.Errorf("after %v: allowed %d, want %d", tt.after, got, tt.want)
		}
	}
}
