package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// The processor's time that a handshake costs the peer says more than rates on
// a computer that does other work, too. The kernel's share is in it as far as
// it works for the peer's own threads.

// cpuClients is how many clients are served for it.
const cpuClients = 10000

// cpu4 is the time for each handshake of DHCPv4 clients never seen.
func cpu4(t lab.TB, b bed) float64 {
	if b.slow {
		return math.NaN()
	}
	b.serve(t, b.Host, large)
	_, clients := loader(t, b, large)
	return cpuEach(t, b, func(ctx context.Context, i int) error {
		_, err := clients.Get(ctx, client(i))
		return err
	})
}

// cpu6 is cpu4 for DHCPv6.
func cpu6(t lab.TB, b bed) float64 {
	if b.serve6 == nil {
		return math.NaN()
	}
	clients, _ := loader6(t, b, 0)
	return cpuEach(t, b, func(ctx context.Context, i int) error {
		_, err := clients.Get(ctx, client(i))
		return err
	})
}

func cpuEach(t lab.TB, b bed, f func(ctx context.Context, i int) error) float64 {
	before := cpuTime(t, b)
	inTurn(cpuClients, true, func(ctx context.Context, i int) error {
		err := f(ctx, i)
		if err != nil {
			t.Errorf("%v", err)
		}
		return err
	})
	return (cpuTime(t, b) - before) / cpuClients
}

// cpuTime is what the peer's programs have used so far, in seconds.
func cpuTime(t lab.TB, b bed) float64 {
	t.Helper()
	const ticks = 100 // a second, on every Linux of today
	total, running := 0.0, false
	for _, program := range b.programs {
		for _, pid := range b.Pids(t, program) {
			running = true
			stat, err := b.ReadFile("/proc/" + pid + "/stat")
			if err != nil {
				t.Fatalf("%v", err)
			}
			_, after, _ := strings.Cut(string(stat), ") ")
			fields := strings.Fields(after)
			for _, f := range fields[11:13] { // utime and stime, proc(5)
				n, err := strconv.ParseFloat(f, 64)
				if err != nil {
					t.Fatalf("%v", err)
				}
				total += n / ticks
			}
		}
	}
	if !running {
		t.Fatalf("none of %v runs", b.programs)
	}
	return total
}

func microseconds(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf("%.0f µs", v*1e6)
}
