package main

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// load is what dnsperf asks, and of which network.
type load struct {
	network
	// warm asks once for each name before anything is measured.
	warm bool
	// name is the n-th name asked for, of so many.
	name  func(n int) string
	names int
}

// localNames, cachedNames and missedNames are what a guest may ask for: names
// of the network, names that were asked for before, and names that were not.
func localNames() load {
	n := large
	n.names = 1000
	return load{network: n, name: func(i int) string { return fmt.Sprintf("h%d", i) }, names: n.names}
}

func cachedNames() load {
	n := large
	n.upstream, n.cache = true, 10000
	return load{network: n, warm: true, name: func(i int) string { return fmt.Sprintf("www.n%d.example", i) }, names: 1000}
}

func missedNames() load {
	n := large
	n.upstream = true
	return load{network: n, name: func(i int) string { return fmt.Sprintf("www.m%d.example", i) }, names: 500_000}
}

// loaderAddr is the address of the guest that asks, where it also answers what
// the peer does not know.
func (n network) loaderAddr() netip.Addr { return nth(n.addr.Addr(), 1) }

// asker is a guest that asks, in seconds at a time.
type asker struct {
	*lab.Guest
	load
}

// newAsker serves the load's network and makes the guest.
func newAsker(t lab.TB, b bed, l load) asker {
	t.Helper()
	b.serve(t, b.Host, l.network)
	g := b.Guest(t, l.bridge, "asker")
	g.LinkUp(t)
	g.Must(t, "ip", "addr", "add", l.loaderAddr().String()+"/16", "dev", "eth0")
	lab.Eventually(t, time.Minute, "the guest reaches the host", func() bool { return g.Ping(t, l.addr.Addr().String()) })
	if l.upstream {
		serveUpstream(t, g, l.loaderAddr())
	}
	lab.Eventually(t, 2*time.Minute, "the resolver answers", func() bool {
		return strings.Contains(g.Run(t, "dig", "+tries=1", "+time=1", "@"+l.addr.Addr().String(), l.name(0)).Stdout, "NOERROR")
	})
	a := asker{g, l}
	var queries strings.Builder
	for i := range l.names {
		fmt.Fprintf(&queries, "%s A\n", l.name(i))
	}
	g.WriteFile(t, "/run/queries", queries.String(), 0o644)
	if l.warm {
		a.dnsperf(t, "-n", "1")
	}
	return a
}

func (a asker) dnsperf(t lab.TB, args ...string) string {
	t.Helper()
	out := a.Must(t, append([]string{"dnsperf", "-s", a.addr.Addr().String(), "-d", "/run/queries", "-c", "8"}, args...)...)
	if !strings.Contains(out, "NOERROR") {
		t.Fatalf("dnsperf:\n%s", out)
	}
	return out
}

// rateOf is how many queries a second dnsperf has answered.
func rateOf(l func() load) func(lab.TB, bed) float64 {
	return func(t lab.TB, b bed) float64 {
		if b.noDNS {
			return math.NaN()
		}
		return number(t, newAsker(t, b, l()).dnsperf(t, "-l", "5"), "Queries per second:")
	}
}

// cpuOf is the CPU time that the peer takes for each of these queries, in
// seconds. It says more than the rate where other work is done beside.
func cpuOf(l func() load) func(lab.TB, bed) float64 {
	return func(t lab.TB, b bed) float64 {
		if b.noDNS {
			return math.NaN()
		}
		a := newAsker(t, b, l())
		before := cpuTime(t, b)
		out := a.dnsperf(t, "-l", "5")
		return (cpuTime(t, b) - before) / number(t, out, "Queries completed:")
	}
}

// latency is the time within which 99 of 100 queries for cached names are
// answered, in seconds, at half of the rate that the peer reaches.
func latency(t lab.TB, b bed) float64 {
	if b.noDNS {
		return math.NaN()
	}
	a := newAsker(t, b, cachedNames())
	rate := number(t, a.dnsperf(t, "-l", "2"), "Queries per second:")
	out := a.dnsperf(t, "-l", "5", "-v", "-Q", fmt.Sprint(int(rate/2)))
	var times []float64
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 5 && f[0] == ">" {
			if v, err := strconv.ParseFloat(f[4], 64); err == nil {
				times = append(times, v)
			}
		}
	}
	if len(times) == 0 {
		t.Fatalf("no times in what dnsperf prints:\n%.2000s", out)
	}
	slices.Sort(times)
	return times[len(times)*99/100]
}

// fullMemory is the memory of the peer's processes when many guests have
// leases and the cache is full.
func fullMemory(t lab.TB, b bed) float64 {
	if b.noDNS {
		return math.NaN()
	}
	l := missedNames()
	l.held, l.named, l.names = 50_000, true, 40_000
	a := newAsker(t, b, l)
	a.dnsperf(t, "-n", "1")
	return resident(t, b.Host, b.programs)
}

// serveUpstream answers every query with one address, at little cost.
func serveUpstream(t lab.TB, g *lab.Guest, addr netip.Addr) {
	t.Helper()
	var conn net.PacketConn
	if err := g.Net(func() (err error) {
		conn, err = net.ListenPacket("udp4", netip.AddrPortFrom(addr, 53).String())
		return err
	}); err != nil {
		t.Fatalf("%v", err)
	}
	udp := conn.(*net.UDPConn)
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			n, from, err := udp.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if answer := answerAll(buf[:n]); answer != nil {
				udp.WriteToUDPAddrPort(answer, from)
			}
		}
	}()
}

// answerAll makes a query its own answer: an address for an hour.
func answerAll(b []byte) []byte {
	off := 12
	for off < len(b) && b[off] != 0 {
		off += 1 + int(b[off])
	}
	if off += 5; off > len(b) {
		return nil
	}
	b[2], b[3] = 0x81, 0x80
	copy(b[6:12], []byte{0, 1, 0, 0, 0, 0})
	const hour = time.Hour / time.Second
	return append(b[:off], 0xc0, 12, 0, 1, 0, 1, 0, 0, byte(hour>>8), byte(hour&0xff), 0, 4, 198, 18, 0, 1)
}
