package rpc

import (
	"testing"
	"time"
)

func TestRefusalIsLoggedOnceAMinuteForEachUser(t *testing.T) {
	var r refusals
	now := time.Unix(1000, 0)
	steps := []struct {
		uid   uint32
		after time.Duration
		want  bool
	}{
		{1000, 0, true},
		{1000, time.Second, false},
		{1001, time.Second, true},
		{1000, 59 * time.Second, false},
		{1000, 61 * time.Second, true},
	}
	for _, s := range steps {
		if got := r.worthALine(s.uid, now.Add(s.after)); got != s.want {
			t.Errorf("user %d after %s: got %v", s.uid, s.after, got)
		}
	}
	for uid := range uint32(3 * maxRefused) {
		r.worthALine(uid, now)
	}
	if len(r.last) > maxRefused {
		t.Errorf("%d users remembered", len(r.last))
	}
}
