package bridge

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestClassesOfALimit(t *testing.T) {
	const mb = 1000 * 1000
	tests := []struct {
		name   string
		rate   Rate
		floors []class
		want   []class
	}{
		{
			"average only: bursts are of a millisecond, and at least a frame",
			Rate{Average: 10 * mb}, nil,
			[]class{
				{minor: 1, rate: 10 * mb, ceil: 10 * mb, buffer: 15625, cbuffer: 15625, quantum: 853},
				{minor: 2, parent: 1, rate: 10 * mb, ceil: 10 * mb, buffer: 15625, cbuffer: 15625, quantum: 853},
			},
		},
		{
			"peak and burst",
			Rate{Average: mb, Peak: 2 * mb, Burst: 64 << 10}, nil,
			[]class{
				{minor: 1, rate: mb, ceil: 2 * mb, buffer: 1024000, cbuffer: 15625, quantum: 85},
				{minor: 2, parent: 1, rate: mb, ceil: 2 * mb, buffer: 1024000, cbuffer: 15625, quantum: 85},
			},
		},
		{
			"floors come off the rest, and get the ceiling of the whole",
			Rate{Average: 10 * mb, Peak: 20 * mb},
			[]class{{minor: 3, parent: 1, rate: 4 * mb, ceil: 9, quantum: 1}, {minor: 7, parent: 1, rate: mb, quantum: 5}},
			[]class{
				{minor: 1, rate: 10 * mb, ceil: 20 * mb, buffer: 15625, cbuffer: 15625, quantum: 853},
				{minor: 2, parent: 1, rate: 5 * mb, ceil: 20 * mb, buffer: 15625, cbuffer: 15625, quantum: 853},
				{minor: 3, parent: 1, rate: 4 * mb, ceil: 20 * mb, buffer: 15625, cbuffer: 15625, quantum: 1},
				{minor: 7, parent: 1, rate: mb, ceil: 20 * mb, buffer: 25000, cbuffer: 15625, quantum: 5},
			},
		},
		{
			"the rest never gets nothing",
			Rate{Average: mb}, []class{{minor: 3, parent: 1, rate: mb, quantum: 1}},
			[]class{
				{minor: 1, rate: mb, ceil: mb, buffer: 25000, cbuffer: 25000, quantum: 85},
				{minor: 2, parent: 1, rate: 1000, ceil: mb, buffer: 25000000, cbuffer: 25000, quantum: 85},
				{minor: 3, parent: 1, rate: mb, ceil: mb, buffer: 25000, cbuffer: 25000, quantum: 1},
			},
		},
		{
			"numbers beyond the kernel's are its largest",
			Rate{Average: 1, Burst: math.MaxUint32}, nil,
			[]class{
				{minor: 1, rate: 1, ceil: 1, buffer: math.MaxUint32, cbuffer: math.MaxUint32, quantum: 1},
				{minor: 2, parent: 1, rate: 1, ceil: 1, buffer: math.MaxUint32, cbuffer: math.MaxUint32, quantum: 1},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.rate.classes(tt.floors)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(class{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPolicerPassesTheLargestFramesOfAGuest(t *testing.T) {
	seconds := func(p policer) time.Duration { return time.Duration(p.burst) * tick }
	slow := (&Rate{Average: 1000}).policer()
	if bytes := seconds(slow).Seconds() * 1000; bytes < 64<<10 {
		t.Errorf("a burst of %v bytes drops segments that a guest left to its tap to cut", bytes)
	}
	fast := (&Rate{Average: 1000 * 1000 * 1000}).policer()
	if got := seconds(fast); got.Round(time.Millisecond) != time.Second {
		t.Errorf("default burst is of %v, want of a second as libvirt's", got)
	}
	given := (&Rate{Average: 1000 * 1000, Burst: 10 << 10}).policer()
	if got := seconds(given); got != 10240*time.Microsecond {
		t.Errorf("given burst is of %v", got)
	}
}

func TestRateTableReachesTheLargestFrame(t *testing.T) {
	table := rateTable(1000 * 1000) // a byte in a microsecond
	if len(table) != 1024 {
		t.Fatalf("%d bytes, the kernel wants 1024", len(table))
	}
	if first, last := uint32At(table), uint32At(table[1020:]); first != 512*1000/tick || last != policerMTU*1000/tick {
		t.Errorf("from %d to %d ticks", first, last)
	}
}
