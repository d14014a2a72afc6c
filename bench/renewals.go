package main

import (
	"context"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// atOnce is how many clients ask at a time.
const atOnce = 64

// client is the MAC address of a simulated client.
func client(i int) net.HardwareAddr { return lab.MAC(clientBase + uint32(i)) }

// inTurn calls f for each of so many clients, atOnce at a time and each always
// from the same goroutine, again and again for three seconds or, with once, one
// time. It returns how many calls a second succeeded.
func inTurn(clients int, once bool, f func(ctx context.Context, i int) error) float64 {
	patience := 3 * time.Second
	if once {
		patience = 2 * time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var done atomic.Int64
	start := time.Now()
	var wg sync.WaitGroup
	for g := range atOnce {
		wg.Go(func() {
			for i := g; ctx.Err() == nil && clients > g; i += atOnce {
				if i >= clients && once {
					return
				}
				if f(ctx, i%clients) == nil {
					done.Add(1)
				}
				if i+atOnce >= clients && !once {
					i = g - atOnce
				}
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(start).Seconds()
}

// renewals is how many leases a second are renewed, of so many that are held
// and one for each client that asks at a time.
func renewals(t lab.TB, b bed, held int) float64 {
	n := large
	n.held = held
	b.serve(t, b.Host, n)
	_, clients := loader(t, b, n)
	total := held + atOnce
	leases := make([]lab.Reply, total)
	inTurn(total, true, func(ctx context.Context, i int) (err error) {
		// Leases from a file have the addresses in order.
		leases[i], err = lab.Reply{Addr: nth(n.start, i)}, nil
		if i >= held || b.name == "vnetmgr" {
			leases[i], err = clients.Get(ctx, client(i))
		}
		if err != nil {
			t.Errorf("%v", err)
		}
		return err
	})
	return inTurn(total, false, func(ctx context.Context, i int) error {
		_, err := clients.Renew(ctx, client(i), leases[i])
		return err
	})
}

// loader6 is a guest that simulates many DHCPv6 clients, with so many leases.
func loader6(t lab.TB, b bed, held int) (*lab.Clients6, []lab.Reply6) {
	t.Helper()
	b.serve6(t, b.Host, large6)
	g := b.Guest(t, large6.bridge, "loader")
	g.LinkUp(t)
	clients := g.Clients6(t, "eth0")
	leases := make([]lab.Reply6, held)
	inTurn(held, true, func(ctx context.Context, i int) (err error) {
		if leases[i], err = clients.Get(ctx, client(i)); err != nil {
			t.Errorf("%v", err)
		}
		return err
	})
	clients.Retry = 200 * time.Millisecond
	return clients, leases
}

// renewals6 is renewals for DHCPv6.
func renewals6(t lab.TB, b bed, held int) float64 {
	if b.serve6 == nil {
		return math.NaN()
	}
	total := held + atOnce
	clients, leases := loader6(t, b, total)
	return inTurn(total, false, func(ctx context.Context, i int) error {
		_, err := clients.Renew(ctx, client(i), leases[i])
		return err
	})
}

// handshakes6 is closedLoop for DHCPv6: of clients that hold leases, or with
// none held of clients never seen.
func handshakes6(t lab.TB, b bed, held int) float64 {
	if b.serve6 == nil {
		return math.NaN()
	}
	if held > 0 {
		held += atOnce
	}
	clients, _ := loader6(t, b, held)
	if held > 0 {
		return inTurn(held, false, func(ctx context.Context, i int) error {
			_, err := clients.Get(ctx, client(i))
			return err
		})
	}
	return fresh6(clients)
}

// fresh6 has new clients ask for three seconds, at most as many as in
// closedLoop.
func fresh6(clients *lab.Clients6) float64 {
	start := time.Now()
	ctx, cancel := context.WithDeadline(context.Background(), start.Add(3*time.Second))
	defer cancel()
	var next, done atomic.Int64
	run(atOnce, func() bool {
		i := next.Add(1) - 1
		if i >= maxClients || ctx.Err() != nil {
			return false
		}
		if _, err := clients.Get(ctx, client(int(i))); err == nil {
			done.Add(1)
		}
		return true
	})
	return float64(done.Load()) / time.Since(start).Seconds()
}
