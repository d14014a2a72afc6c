package radv

import (
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestFirstAdvertisementsComeQuicklyThenEveryTenMinutes(t *testing.T) {
	now := epoch
	s := newSchedule(now)
	if s.next != now {
		t.Fatalf("the first is at %v", s.next.Sub(now))
	}
	for i := range 20 {
		now = s.next
		s.sent(now)
		low, high := minInterval, maxInterval
		if i < initialCount-1 {
			low, high = minDelay, initialInterval
		}
		if gap := s.next.Sub(now); gap < low || gap > high {
			t.Errorf("after advertisement %d: %v, want between %v and %v", i+1, gap, low, high)
		}
	}
}

func TestGuestWithAnAddressIsAnsweredByItself(t *testing.T) {
	s := newSchedule(epoch)
	s.sent(epoch)
	next := s.next
	if !s.solicited(epoch.Add(time.Millisecond), true) {
		t.Error("not answered at once")
	}
	if s.next != next {
		t.Error("the answer to one guest moved what all are told")
	}
}

func TestGuestWithoutAnAddressIsAnsweredWithAll(t *testing.T) {
	for _, tc := range []struct{ since, wait time.Duration }{
		{0, 3 * time.Second},
		{time.Second, 2 * time.Second},
		{3 * time.Second, 0},
		{time.Minute, 0},
	} {
		s := newSchedule(epoch)
		for range initialCount {
			s.sent(epoch)
		}
		now := epoch.Add(tc.since)
		if s.solicited(now, false) {
			t.Error("answered to no address")
		}
		if got := s.next.Sub(now); got != tc.wait {
			t.Errorf("%v after the last advertisement: waits %v, want %v", tc.since, got, tc.wait)
		}
	}
}

// A thousand solicitations a second for a minute.
func TestFloodIsBounded(t *testing.T) {
	s := newSchedule(epoch)
	alone, all := 0, 0
	for now := epoch; now.Before(epoch.Add(time.Minute)); now = now.Add(time.Millisecond) {
		if s.solicited(now, true) {
			alone++
		}
		if !now.Before(s.next) {
			s.sent(now)
			all++
		}
	}
	if most := unicastBurst + int(time.Minute/unicastEvery); alone > most || alone < most-1 {
		t.Errorf("%d answers to single guests, want %d", alone, most)
	}
	if most := int(time.Minute / minDelay); all > most || all < most-1 {
		t.Errorf("%d advertisements to all, want %d", all, most)
	}
}

func TestNewConfigurationIsToldSoonButNotTooSoon(t *testing.T) {
	s := newSchedule(epoch)
	for range initialCount {
		s.sent(epoch)
	}
	s.renew(epoch.Add(time.Second))
	if got := s.next.Sub(epoch); got != minDelay {
		t.Errorf("told %v after the last one, want %v", got, minDelay)
	}
	s.sent(s.next)
	if gap := s.next.Sub(s.last); gap > initialInterval {
		t.Errorf("then only after %v", gap)
	}
}
