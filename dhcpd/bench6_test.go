package dhcpd

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/lease"
)

func benchConfig6() Config6 {
	cfg := testConfig6()
	cfg.Reservations = nil
	cfg.Ranges = []Range{{Start: addr("fd00::1:0"), End: addr("fd00::1:ffff")}}
	return cfg
}

// BenchmarkHandshakes6 is Solicit, Advertise, Request and Reply over a bridge,
// with leases synced to disk.
func BenchmarkHandshakes6(b *testing.B) {
	for _, held := range []int{10, 10000} {
		b.Run(fmt.Sprintf("held=%d", held), func(b *testing.B) {
			n := newLAN6(b, benchConfig6())
			for i := range held {
				l := lease.Lease{Addr: hostAddr6(0xffff - i), ClientID: append([]byte("held"), byte(i>>8), byte(i))}
				if err := n.leases.Bind(l, nil); err != nil {
					b.Fatal(err)
				}
			}
			load := newLoad6(b, n)
			b.ResetTimer()
			before := cpuTime(b)
			load.run(b, b.N, 200)
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s")
			b.Logf("%+v", n.server.Stats())
		})
	}
}

// BenchmarkHandle6 is the protocol alone.
func BenchmarkHandle6(b *testing.B) {
	s, leases := newService6(benchConfig6()), lease.NewTable()
	leases.SetPool6(s.pool())
	d := ask6{kind: solicit6, client: 1, ias: "1=", asked: []dhcpv6.OptionCode{23, 24}}.encode(b)
	b.ReportAllocs()
	for b.Loop() {
		r, err := parseRequest6(d)
		if err != nil {
			b.Fatal(err)
		}
		answer := s.handle6(time.Now(), leases, &r, false)
		framePool.Put(newFrame6(answer.reply, s.addr, s.addr, macOf(1), 1500))
	}
}

// load6 is many clients on one link.
type load6 struct {
	wire
}

func newLoad6(b *testing.B, n *lan6) *load6 {
	guest := kerneltest.New(b)
	n.host.Veth(b, "port", guest, "eth0")
	n.host.Run(b, "ip link set port master virbr0")
	l := &load6{}
	var err error
	guest.Do(func() {
		var ifi *net.Interface
		if ifi, err = net.InterfaceByName("eth0"); err == nil {
			l.link, l.index, l.protocol, l.batch = ifi.Name, ifi.Index, unix.ETH_P_IPV6, newSendBatch()
			l.packets, err = listenPackets(ifi, unix.ETH_P_IPV6, 8<<20, replyFilter6)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.packets.Close() })
	return l
}

// frame is a Solicit of client i or, with an address, its Request.
func (l *load6) frame(i int, a netip.Addr) *frame {
	o := make(options6, headers6, 256)
	o = append(o, byte(solicit6), byte(i>>16), byte(i>>8), byte(i))
	if a.IsValid() {
		o[headers6] = byte(request6k)
		o.put(dhcpv6.OptionServerID, []byte(us6)...)
	}
	o.put(dhcpv6.OptionClientID, append([]byte{0, 3, 0, 1}, macOf6(i)...)...)
	at := o.openIA(&ia6{kind: dhcpv6.OptionIANA, id: 1}, times6{})
	if a.IsValid() {
		o.putAddr(a, times6{})
	}
	o.close(at)
	o.put(dhcpv6.OptionORO, 0, 23, 0, 24)
	sealDatagram6(o, addr("fe80::1"), allServers6, clientPort6, serverPort6)
	return &frame{mac: net.HardwareAddr{0x33, 0x33, 0, 1, 0, 2}, b: o}
}

// run has total clients get a lease, so many at a time. One that hears nothing
// for a while is replaced.
func (l *load6) run(b *testing.B, total, atOnce int) {
	const clients = 30000
	var out []*frame
	started, done, stalls := 0, 0, 0
	start := func() {
		out = append(out, l.frame(started%clients, netip.Addr{}))
		started++
	}
	for range min(total, atOnce) {
		start()
	}
	for done < total {
		if err := l.send(out, nil); err != nil {
			b.Fatal(err)
		}
		out = out[:0]
		l.packets.SetReadDeadline(time.Now().Add(time.Second))
		err := l.receive(func(p []byte, _ net.HardwareAddr) {
			m := p[headers6:]
			if m[0] == byte(dhcpv6.MessageTypeAdvertise) {
				out = append(out, l.frame(int(binary.BigEndian.Uint32(m)&0xffffff), offered6(m)))
				return
			}
			done++
			if started < total {
				start()
			}
		})
		if err != nil {
			stalls++
			for range min(atOnce, total-done) {
				start()
			}
		}
	}
	b.ReportMetric(float64(stalls), "stalls")
}

// offered6 is the address in an Advertise.
func offered6(m []byte) (a netip.Addr) {
	options6(m[4:]).each(func(code dhcpv6.OptionCode, v []byte) {
		if code == dhcpv6.OptionIANA {
			options6(v[12:]).each(func(code dhcpv6.OptionCode, v []byte) {
				if code == dhcpv6.OptionIAAddr {
					a = netip.AddrFrom16([16]byte(v))
				}
			})
		}
	})
	return a
}

// replyFilter6 lets through what goes to the DHCPv6 client port, whoever it is
// for.
var replyFilter6 = []bpf.Instruction{
	bpf.LoadExtension{Num: bpf.ExtType},
	bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: otherHost, SkipTrue: 3},
	bpf.LoadAbsolute{Off: 42, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: clientPort6, SkipTrue: 1},
	bpf.RetConstant{Val: snapLen},
	bpf.RetConstant{Val: 0},
}

// hostAddr6 is fd00::1:0 + n.
func hostAddr6(n int) netip.Addr {
	b := addr("fd00::1:0").As16()
	binary.BigEndian.PutUint16(b[14:], uint16(n))
	return netip.AddrFrom16(b)
}
