package main

import (
	"fmt"
	"strings"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// dropFree is the highest rate, in handshakes a second, at which perfdhcp sees
// no drop in two seconds: doubled until two rates in a row had drops, then
// narrowed to 5 %. The clients are those that hold leases.
func dropFree(t lab.TB, b bed, held int) float64 {
	n := large
	n.held = held
	b.serve(t, b.Host, n)
	g, _ := loader(t, b, n)
	g.Must(t, "ip", "addr", "add", nth(n.addr.Addr(), 1).String()+"/16", "dev", "eth0")
	var macs strings.Builder
	for i := range held {
		fmt.Fprintln(&macs, lab.MAC(clientBase+uint32(i)))
	}
	g.WriteFile(t, "/run/macs", macs.String(), 0o644)

	low, high := 0, 100
	for rate := 100; rate <= 51200 && rate <= 4*max(low, 100); rate *= 2 {
		if sustains(t, g, n, rate) {
			low, high = rate, 2*rate
		}
	}
	for high-low > max(1, high/20) {
		if middle := (low + high) / 2; sustains(t, g, n, middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return float64(low)
}

// sustains tells whether one of two tries at a rate is lossless: one alone
// would measure what else the computer does just then.
func sustains(t lab.TB, g *lab.Guest, n network, rate int) bool {
	t.Helper()
	for range 2 {
		if lossless(t, g, n, rate) {
			return true
		}
	}
	return false
}

// lossless tells whether perfdhcp loses nothing at a rate and reaches it.
func lossless(t lab.TB, g *lab.Guest, n network, rate int) bool {
	t.Helper()
	const seconds = 2
	r := g.Run(t, "perfdhcp", "-4", "-l", "eth0", "-M", "/run/macs", "-r", fmt.Sprint(rate), "-p", fmt.Sprint(seconds), "-W", "500000", n.addr.Addr().String())
	if !strings.Contains(r.Stdout, "drops: ") {
		t.Fatalf("perfdhcp: %s", r.Stderr)
	}
	drops := strings.Count(r.Stdout, "drops: ") - strings.Count(r.Stdout, "drops: 0\n")
	_, acks, _ := strings.Cut(r.Stdout, "REQUEST-ACK")
	return drops == 0 && number(t, acks, "received packets:") > 0.9*seconds*float64(rate)
}
