package main

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// measure is one figure.
type measure struct {
	name, what string
	format     func(float64) string
	take       func(lab.TB, bed) float64
}

// bed is where a figure is taken: a host with a peer on it.
type bed struct {
	*lab.Host
	peer
}

var measures = []measure{
	{"link-up", "guest's link up to ACK", seconds, linkUp},
	{"hundred", "100 guests at once, all served", seconds, hundred},
	{"perfdhcp-100", "perfdhcp without a drop, 100 leases held", perSecond, func(t lab.TB, b bed) float64 { return dropFree(t, b, 100) }},
	{"perfdhcp-20000", "perfdhcp without a drop, 20,000 leases held", perSecond, func(t lab.TB, b bed) float64 { return dropFree(t, b, 20000) }},
	{"closed-100", "handshakes, 64 clients at a time, 100 leases held", perSecond, func(t lab.TB, b bed) float64 { return closedLoop(t, b, 100) }},
	{"closed-20000", "handshakes, 64 clients at a time, 20,000 leases held", perSecond, func(t lab.TB, b bed) float64 { return closedLoop(t, b, 20000) }},
	{"closed-fresh", "handshakes of clients never seen, 64 at a time", perSecond, func(t lab.TB, b bed) float64 { return closedLoop(t, b, 0) }},
	{"renew-10", "renewals, 64 clients at a time, 10 more leases held", perSecond, func(t lab.TB, b bed) float64 { return renewals(t, b, 10) }},
	{"renew-10000", "renewals, 64 clients at a time, 10,000 more leases held", perSecond, func(t lab.TB, b bed) float64 { return renewals(t, b, 10000) }},
	{"closed6-fresh", "DHCPv6 handshakes of clients never seen, 64 at a time", perSecond, func(t lab.TB, b bed) float64 { return handshakes6(t, b, 0) }},
	{"closed6-10", "DHCPv6 handshakes, 64 clients at a time, 10 more leases held", perSecond, func(t lab.TB, b bed) float64 { return handshakes6(t, b, 10) }},
	{"closed6-10000", "DHCPv6 handshakes, 64 clients at a time, 10,000 more leases held", perSecond, func(t lab.TB, b bed) float64 { return handshakes6(t, b, 10000) }},
	{"renew6-10", "DHCPv6 renewals, 64 clients at a time, 10 more leases held", perSecond, func(t lab.TB, b bed) float64 { return renewals6(t, b, 10) }},
	{"renew6-10000", "DHCPv6 renewals, 64 clients at a time, 10,000 more leases held", perSecond, func(t lab.TB, b bed) float64 { return renewals6(t, b, 10000) }},
	{"cpu", "processor time for a handshake of a client never seen", microseconds, cpu4},
	{"cpu6", "processor time for a DHCPv6 handshake of a client never seen", microseconds, cpu6},
	{"dns", "DNS answers for 1,000 local names", perSecond, rateOf(localNames)},
	{"dns-cpu", "CPU time of each", micros, cpuOf(localNames)},
	{"dns-cached", "DNS answers from the cache, 1,000 names", perSecond, rateOf(cachedNames)},
	{"dns-cached-cpu", "CPU time of each", micros, cpuOf(cachedNames)},
	{"dns-misses", "DNS answers that an upstream gives", perSecond, rateOf(missedNames)},
	{"dns-misses-cpu", "CPU time of each", micros, cpuOf(missedNames)},
	{"dns-p99", "99 of 100 cached answers take at most, at half that load", micros, latency},
	{"dns-rss", "memory with 50,000 leases, all with host names, and a full cache", mebibytes, fullMemory},
	{"tftp", "TFTP, 64 MiB to curl in blocks of 1468 bytes", seconds, sendFile},
	{"net-start", "net-start", seconds, netStart},
	{"rss", "memory with one network and one guest", mebibytes, func(t lab.TB, b bed) float64 { return rss(t, b, 0) }},
	{"rss-50000", "memory with 50,000 leases", mebibytes, func(t lab.TB, b bed) float64 { return rss(t, b, 50000) }},
}

func measureNames() (names []string) {
	for _, m := range measures {
		names = append(names, m.name)
	}
	return names
}

func seconds(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v < 1:
		return fmt.Sprintf("%.1f ms", v*1000)
	}
	return fmt.Sprintf("%.2f s", v)
}

func perSecond(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf("%.0f/s", v)
}

func micros(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf("%.1f µs", v*1e6)
}

func mebibytes(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf("%.1f MiB", v/(1<<20))
}

// small is a network like libvirt's default; large has room for 64,000.
var (
	small = network{
		bridge: "virbr5", addr: netip.MustParsePrefix("192.168.122.1/24"),
		start: netip.MustParseAddr("192.168.122.2"), end: netip.MustParseAddr("192.168.122.254"),
	}
	large = network{
		bridge: "virbr1", addr: netip.MustParsePrefix("10.99.0.1/16"),
		start: netip.MustParseAddr("10.99.1.0"), end: netip.MustParseAddr("10.99.250.255"),
	}
)

// large6 is large for DHCPv6.
var large6 = network{
	bridge: "virbr1", addr: netip.MustParsePrefix("fd00:99::1/64"),
	start: netip.MustParseAddr("fd00:99::1:0"), end: netip.MustParseAddr("fd00:99::1:fa00"),
}

// clientBase is the number of the first MAC address of simulated clients.
const clientBase = 0x200000

// linkUp is the time from a guest's link coming up until it has an address, of
// a client that asks again every 50 ms: the middle of five guests.
func linkUp(t lab.TB, b bed) float64 {
	b.serve(t, b.Host, small)
	var times []float64
	for i := range 5 {
		g := b.Guest(t, small.bridge, fmt.Sprintf("guest%d", i))
		start := time.Now()
		g.LinkUp(t)
		clients := g.Clients(t, "eth0")
		clients.Retry = 50 * time.Millisecond
		if _, err := clients.Get(limit(t, time.Minute), g.MAC); err != nil {
			t.Fatalf("%v", err)
		}
		times = append(times, time.Since(start).Seconds())
	}
	return median(times)
}

// hundred is the time from when 100 guests begin to switch on until the last
// of them has an address. They ask again after 0.2 seconds, for a port that
// did not forward yet, then less and less often, down to every three seconds.
func hundred(t lab.TB, b bed) float64 {
	const count = 100
	b.serve(t, b.Host, small)
	crowd := b.Crowd(t, small.bridge, count)
	var clients []*lab.Clients
	for i := range count {
		c := crowd.Clients(t, lab.CrowdLink(i))
		c.Retry, c.MaxRetry = 200*time.Millisecond, 3*time.Second
		clients = append(clients, c)
	}
	ctx := limit(t, 3*time.Minute)
	var guests sync.WaitGroup
	var served atomic.Int64
	start := time.Now()
	crowd.LinksUp(t)
	for i := range count {
		guests.Go(func() {
			if _, err := clients[i].Get(ctx, lab.MAC(clientBase+uint32(i))); err == nil {
				served.Add(1)
			}
		})
	}
	guests.Wait()
	if served.Load() != count {
		t.Fatalf("%d of %d guests were served", served.Load(), count)
	}
	return time.Since(start).Seconds()
}

// loader is a guest that simulates many clients, once its port forwards.
func loader(t lab.TB, b bed, n network) (*lab.Guest, *lab.Clients) {
	t.Helper()
	g := b.Guest(t, n.bridge, "loader")
	g.LinkUp(t)
	clients := g.Clients(t, "eth0")
	first := lab.MAC(clientBase - 1)
	reply, err := clients.Get(limit(t, time.Minute), first)
	if err != nil {
		t.Fatalf("%v", err)
	}
	clients.Release(first, reply)
	return g, clients
}

// hold makes the leases that exist beforehand by taking them.
func hold(t lab.TB, h *lab.Host, n network) {
	t.Helper()
	_, clients := loader(t, bed{Host: h}, n)
	clients.Retry = 200 * time.Millisecond
	clients.Named = n.named
	var next atomic.Uint32
	run(64, func() bool {
		i := next.Add(1) - 1
		if i >= uint32(n.held) {
			return false
		}
		if _, err := clients.Get(limit(t, time.Minute), lab.MAC(clientBase+i)); err != nil {
			t.Errorf("%v", err)
		}
		return true
	})
}

// closedLoop is how many handshakes a second 64 clients finish that each begin
// the next when they have finished one: of clients that hold leases, or with
// none held of clients never seen. It runs for three seconds, with at most as
// many clients as vnetmgr lets one bridge port have.
func closedLoop(t lab.TB, b bed, held int) float64 {
	n := large
	n.held = held
	b.serve(t, b.Host, n)
	_, clients := loader(t, b, n)
	var next, done atomic.Uint32
	start := time.Now()
	deadline := start.Add(3 * time.Second)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	run(64, func() bool {
		i := next.Add(1) - 1
		if held > 0 {
			i = i * 7919 % uint32(held)
		}
		if i >= maxClients || time.Now().After(deadline) {
			return false
		}
		if _, err := clients.Get(ctx, lab.MAC(clientBase+i)); err == nil {
			done.Add(1)
		}
		return true
	})
	return float64(done.Load()) / time.Since(start).Seconds()
}

// maxClients is less than half of a large network's addresses.
const maxClients = 30000

// run calls f in n goroutines until it returns false.
func run(n int, f func() bool) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for f() {
			}
		})
	}
	wg.Wait()
}

// number is the number after a label.
func number(t lab.TB, out, label string) float64 {
	t.Helper()
	_, after, _ := strings.Cut(out, label)
	fields := strings.Fields(after)
	if len(fields) == 0 {
		t.Fatalf("no %q in:\n%s", label, out)
	}
	value, err := strconv.ParseFloat(strings.Trim(fields[0], "%,"), 64)
	if err != nil {
		t.Fatalf("%q: %v", label, err)
	}
	return value
}

// netStart is the time of the command that starts a network: the middle of
// ten. Where virsh works, it is virsh's time.
func netStart(t lab.TB, b bed) float64 {
	if b.control == nil {
		return math.NaN()
	}
	b.serve(t, b.Host, small)
	var times []float64
	for range 10 {
		b.Must(t, append(b.control, "net-destroy", "bench")...)
		start := time.Now()
		b.Must(t, append(b.control, "net-start", "bench")...)
		times = append(times, time.Since(start).Seconds())
	}
	return median(times)
}

// rss is the memory of the peer's processes while it serves one guest, and so
// many leases are held.
func rss(t lab.TB, b bed, held int) float64 {
	n := small
	if held > 0 {
		n = large
		n.held = held
	}
	b.serve(t, b.Host, n)
	loader(t, b, n)
	return resident(t, b.Host, b.programs)
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// limit is a context that ends after d, or with the attempt.
func limit(t lab.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
