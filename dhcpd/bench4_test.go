package dhcpd

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/lease"
)

// BenchmarkHandshakes is DISCOVER to ACK through a bridge, every lease synced,
// with 200 clients at any time and so many leases held. The load generator is
// in the same process.
func BenchmarkHandshakes(b *testing.B) {
	for _, held := range []int{100, 20000} {
		b.Run(fmt.Sprintf("held=%d", held), func(b *testing.B) {
			n := benchLAN(b)
			until := time.Now().Add(time.Hour)
			for i := range held {
				l := lease.Lease{Addr: hostAddr(i), MAC: macOf6(1<<20 + i), Expiry: until}
				if err := n.leases.Bind(l, nil); err != nil {
					b.Fatal(err)
				}
			}
			load := newLoad(b, n)
			b.ResetTimer()
			before := cpuTime(b)
			load.run(b, b.N, 200)
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
			b.Logf("%+v", n.server.Stats())
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s")
		})
	}
}

// BenchmarkHandle4 is the protocol alone.
func BenchmarkHandle4(b *testing.B) {
	s, leases := newService4(testConfig()), lease.NewTable()
	leases.SetPool(s.pool())
	d := append(ask{kind: discover, mac: 1, prl: everything, name: "guest"}.encode(b), 0)
	b.ReportAllocs()
	for b.Loop() {
		r, err := parseRequest4(d[:len(d)-1])
		if err != nil {
			b.Fatal(err)
		}
		answer := s.handle4(time.Now(), leases, &r, false)
		framePool.Put(newFrame4(answer.reply, s.addr))
	}
}

// cpuTime is what the process has used so far. On a busy machine it says more
// than the clock.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchLAN(b *testing.B) *lan {
	host := kerneltest.New(b)
	host.Run(b, "ip link add virbr0 address 52:54:00:aa:bb:cc type bridge && ip addr add 10.0.0.1/8 dev virbr0 && ip link set virbr0 up")
	store, err := lease.OpenStore(filepath.Join(b.TempDir(), "leases.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	var c *Conn4
	host.Do(func() { c, err = Listen4("virbr0", addr("10.0.0.1")) })
	if err != nil {
		b.Fatal(err)
	}
	cfg := testConfig()
	cfg.Reservations = nil
	cfg.Server, cfg.Ranges = netip.MustParsePrefix("10.0.0.1/8"), []Range{{Start: addr("10.1.0.0"), End: addr("10.1.255.255")}}
	n := &lan{host: host, leases: store.Table("network")}
	n.server = NewServer4(slog.New(slog.DiscardHandler), cfg, n.leases)
	served := make(chan error, 1)
	go func() { served <- n.server.Serve(b.Context(), c) }()
	b.Cleanup(func() {
		if err := <-served; err != nil {
			b.Error(err)
		}
		c.Close()
		store.Close()
	})
	return n
}

// load is many clients on one link.
type load struct {
	conn *Conn4
	ask  map[bool][]byte // DISCOVER and, for true, REQUEST
}

func newLoad(b *testing.B, n *lan) *load {
	guest := kerneltest.New(b)
	n.host.Veth(b, "port", guest, "eth0")
	n.host.Run(b, "ip link set port master virbr0")
	l := &load{conn: &Conn4{}, ask: map[bool][]byte{}}
	var ifi *net.Interface
	var err error
	guest.Do(func() {
		if ifi, err = net.InterfaceByName("eth0"); err == nil {
			l.conn.packets, err = listenPackets(ifi, unix.ETH_P_IP, 8<<20, replyFilter)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.conn.packets.Close() })
	l.conn.wire.link, l.conn.index, l.conn.protocol, l.conn.batch = ifi.Name, ifi.Index, unix.ETH_P_IP, newSendBatch()
	for _, kind := range []bool{false, true} {
		a := ask{kind: discover, prl: "\x01\x03\x06\x0f"}
		if kind {
			a.kind, a.ip, a.server = request, "10.1.0.0", "10.0.0.1"
		}
		f := append(make([]byte, ipUDPHeader), a.encode(b)...)
		sealDatagram4(f, addr("0.0.0.0"), limitedBroadcast)
		binary.BigEndian.PutUint16(f[22:], serverPort4)
		l.ask[kind] = f
	}
	return l
}

// frame is a request of client i.
func (l *load) frame(i int, requested []byte) *frame {
	b := append([]byte(nil), l.ask[requested != nil]...)
	binary.BigEndian.PutUint32(b[ipUDPHeader+4:], uint32(i))
	copy(b[ipUDPHeader+chaddrAt:], macOf6(i))
	if requested != nil {
		at := indexOption(b, 50)
		copy(b[at+2:], requested)
	}
	return &frame{b: b}
}

// run has total clients get a lease, so many at a time. One that hears nothing
// for a while is replaced.
func (l *load) run(b *testing.B, total, atOnce int) {
	const clients = 30000
	var out []*frame
	started, done := 0, 0
	start := func() {
		out = append(out, l.frame(started%clients, nil))
		started++
	}
	for range min(total, atOnce) {
		start()
	}
	lost := 0
	for done < total {
		if err := l.conn.send(out); err != nil {
			b.Fatal(err)
		}
		out = out[:0]
		l.conn.packets.SetReadDeadline(time.Now().Add(time.Second))
		err := l.conn.receive(func(p []byte, _ net.HardwareAddr) {
			m := p[ipUDPHeader:]
			xid := int(binary.BigEndian.Uint32(m[4:]))
			switch m[headerSize4+2] {
			case byte(request - 1):
				out = append(out, l.frame(xid, m[16:20]))
			default:
				done++
				if started < total {
					start()
				}
			}
		})
		if err != nil {
			lost++
			for range min(atOnce, total-done) {
				start()
			}
		}
	}
	b.ReportMetric(float64(lost), "stalls")
}

// replyFilter lets through what goes to the DHCP client port, whoever it is
// for.
var replyFilter = []bpf.Instruction{
	bpf.LoadExtension{Num: bpf.ExtType},
	bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: otherHost, SkipTrue: 3},
	bpf.LoadAbsolute{Off: 22, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: clientPort4, SkipTrue: 1},
	bpf.RetConstant{Val: snapLen},
	bpf.RetConstant{Val: 0},
}

// macOf6 is the hardware address 52:54:00 with n in its lower half.
func macOf6(n int) net.HardwareAddr {
	return net.HardwareAddr{0x52, 0x54, 0, byte(n >> 16), byte(n >> 8), byte(n)}
}

// hostAddr is 10.1.0.0 + n from the end.
func hostAddr(n int) netip.Addr {
	n = 0xffff - n
	return netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)})
}

// indexOption finds an option in a frame.
func indexOption(b []byte, code byte) int {
	i := ipUDPHeader + headerSize4
	for b[i] != code {
		i += 2 + int(b[i+1])
	}
	return i
}
