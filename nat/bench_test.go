package nat

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"

	udp4 "golang.org/x/net/ipv4"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// many is n networks besides the lab's, NAT of both families.
func many(n int) []Network {
	out := make([]Network, n)
	for i := range out {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i / 256), byte(i), 0}), 24)
		p6 := netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 1, byte(i / 256), byte(i)}), 64)
		id := fmt.Sprintf("%08x-0000-4000-8000-000000000000", i)
		out[i] = network(id, NAT, fmt.Sprintf("virbr%d", i), Subnet{p, true}, Subnet{p6, true})
	}
	return out
}

// BenchmarkAddNetwork adds one network to others that are active, and takes
// it away again: two changes an operation.
func BenchmarkAddNetwork(b *testing.B) {
	for _, others := range []int{0, 100, 500} {
		b.Run(fmt.Sprintf("to-%d", others), func(b *testing.B) {
			c := openIn(b, kerneltest.New(b))
			with := append(many(others), network("new", NAT, "new", nated("192.168.1.0/24")))
			apply(b, c, with[:others]...)
			for b.Loop() {
				apply(b, c, with...)
				apply(b, c, with[:others]...)
			}
		})
	}
}

// BenchmarkRestart reads the table of 500 networks and finds it as it should
// be, as after a restart or a change by somebody else.
func BenchmarkRestart(b *testing.B) {
	c := openIn(b, kerneltest.New(b))
	networks := many(500)
	apply(b, c, networks...)
	for b.Loop() {
		c.known = nil
		apply(b, c, networks...)
	}
}

// BenchmarkDrifted is the check when nobody has changed anything.
func BenchmarkDrifted(b *testing.B) {
	c := openIn(b, kerneltest.New(b))
	apply(b, c, many(500)...)
	for b.Loop() {
		if drifted, err := c.Drifted(context.Background()); err != nil || drifted {
			b.Fatal(drifted, err)
		}
	}
}

// BenchmarkForward is the time that one UDP packet takes from a guest through
// the router to the outside host, in the sender's context.
func BenchmarkForward(b *testing.B) {
	l := newLab(b)
	for _, c := range []struct {
		name     string
		networks []Network
	}{
		{"no rules", nil},
		{"1 network", []Network{labNAT}},
		{"500 networks", append(many(499), labNAT)},
		{"500 networks, none of ours", append(many(499), labIsolated)},
	} {
		b.Run(c.name, func(b *testing.B) {
			apply(b, l.conn, c.networks...)
			l.flood(b)
		})
	}
}

// flood sends b.N packets of one flow, 64 at a time, to a socket that nobody
// reads.
func (l *lab) flood(b *testing.B) {
	var in *net.UDPConn
	var out net.Conn
	var err error
	l.hosts["outside"].Do(func() { in, err = net.ListenUDP("udp4", &net.UDPAddr{Port: 9}) })
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	l.hosts["a"].Do(func() { out, err = net.Dial("udp4", "203.0.113.10:9") })
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	msgs := make([]udp4.Message, 64)
	for i := range msgs {
		msgs[i].Buffers = [][]byte{make([]byte, 64)}
	}
	conn := udp4.NewPacketConn(out.(*net.UDPConn))
	b.ResetTimer()
	for n := 0; n < b.N; {
		sent, err := conn.WriteBatch(msgs[:min(len(msgs), b.N-n)], 0)
		if err != nil {
			b.Fatal(err)
		}
		n += sent
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
}
