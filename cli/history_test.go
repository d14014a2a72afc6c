package cli

import (
	"testing"
	"time"
)

func TestTimesOfTheHistoryAreRead(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 21, 15, 4, 5, 0, zone)
	for _, test := range []struct{ in, want string }{
		{"20m", "2026-11-21T14:44:05+01:00"},
		{"3d", "2026-11-18T15:04:05+01:00"},
		{"14:30", "2026-11-21T14:30:00+01:00"},
		{"14:30:10", "2026-11-21T14:30:10+01:00"},
		{"2026-11-20", "2026-11-20T00:00:00+01:00"},
		{"2026-11-20 08:15", "2026-11-20T08:15:00+01:00"},
		{"2026-11-20 08:15:09", "2026-11-20T08:15:09+01:00"},
		{"2026-11-20T08:15:09Z", "2026-11-20T08:15:09Z"},
	} {
		got, err := parseTime(test.in, now)
		if err != nil || got.Format(time.RFC3339) != test.want {
			t.Errorf("%s: %s, %v; want %s", test.in, got.Format(time.RFC3339), err, test.want)
		}
	}
	for _, in := range []string{"", "yesterday", "25:00", "2026-13-01", "-3d", "99999999d"} {
		if got, err := parseTime(in, now); err == nil {
			t.Errorf("%q is read as %v", in, got)
		}
	}
}
