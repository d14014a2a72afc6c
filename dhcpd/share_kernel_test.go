package dhcpd

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// flooder is a guest that asks in ever new names, each with a hardware address
// of its own.
type flooder struct {
	conn   *packet.Conn
	handle func(f *flooder, frame []byte) // what it does with a reply
	next   int
}

func newFlooder(t *testing.T, g *kerneltest.NS, protocol int) *flooder {
	f := &flooder{}
	var err error
	g.Do(func() {
		var ifi *net.Interface
		if ifi, err = net.InterfaceByName("eth0"); err == nil {
			f.conn, err = packet.Listen(ifi, packet.Raw, protocol, nil)
		}
		if err == nil {
			err = f.conn.SetPromiscuous(true)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.conn.Close() })
	return f
}

// send sends a packet from a hardware address.
func (f *flooder) send(t *testing.T, to, from net.HardwareAddr, kind uint16, b []byte) {
	frame := append(append(append([]byte(nil), to...), from...), byte(kind>>8), byte(kind))
	if _, err := f.conn.WriteTo(append(frame, b...), &packet.Addr{HardwareAddr: to}); err != nil {
		t.Fatal(err)
	}
}

// drain reads what comes, until nothing does for a while.
func (f *flooder) drain() {
	b := make([]byte, 2048)
	for {
		f.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		n, _, err := f.conn.ReadFrom(b)
		if err != nil {
			return
		}
		f.handle(f, b[:n])
	}
}

var everybody = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// send4 sends a request as its client.
func (f *flooder) send4(t *testing.T, a ask) {
	b := append(make([]byte, ipUDPHeader), a.encode(t)...)
	sealDatagram4(b, netip.IPv4Unspecified(), limitedBroadcast)
	binary.BigEndian.PutUint16(b[22:], serverPort4)
	f.send(t, everybody, macOf(a.mac), unix.ETH_P_IP, b)
}

// takeOffers4 takes what is offered, and with declined refuses it then.
func takeOffers4(t *testing.T, declined bool) func(*flooder, []byte) {
	return func(f *flooder, frame []byte) {
		p := frame[14:]
		if len(p) < ipUDPHeader+headerSize4+3 || binary.BigEndian.Uint16(p[22:]) != clientPort4 {
			return
		}
		m := p[ipUDPHeader:]
		if m[headerSize4+2] != 2 {
			return
		}
		a := ask{kind: request, mac: int(binary.BigEndian.Uint16(m[chaddrAt+4:])), ip: net.IP(m[16:20]).String(), server: us}
		f.send4(t, a)
		if declined {
			a.kind = decline
			f.send4(t, a)
		}
	}
}

// flood4 asks in new names until enough, some at a time.
func (f *flooder) flood4(t *testing.T, enough func() bool) {
	for f.next < 5000 && !enough() {
		for range 50 {
			f.next++
			f.send4(t, ask{kind: discover, mac: 0x1000 + f.next})
		}
		f.drain()
	}
}

func TestAFloodOfOnePortLeavesAddressesForOthers(t *testing.T) {
	for name, declined := range map[string]bool{"leases": false, "declined": true} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Reservations = nil
			n := newLAN(t, cfg)
			f := newFlooder(t, n.guest(t, 0x666), unix.ETH_P_IP)
			f.handle = takeOffers4(t, declined)
			f.flood4(t, func() bool { return n.server.Stats().Limited > 100 })
			busy, total := n.leases.Use(false)
			if total != 253 || busy < 100 || busy > 130 {
				t.Errorf("%d of %d addresses are busy, want about half", busy, total)
			}
			g := n.guest(t, 1)
			g.Run(t, "udhcpc -i eth0 -n -q -f -t 5 -T 1 -s "+script(t, "ip"))
			if got := address(t, g); got == "" {
				t.Error("the other guest has no address")
			}
			s := n.server.Stats()
			if s.Exhausted != 0 || s.Discovers < 200 || s.Offers == 0 || s.Acks == 0 {
				t.Errorf("stats: %+v", s)
			}
			log := n.log.String()
			if c := strings.Count(log, "a bridge port has its share"); c == 0 || c > warnBurst || !strings.Contains(log, "port=port1") {
				t.Errorf("logged %d times:\n%s", c, log)
			}
		})
	}
}

// A trunk with many guests behind it has a share, not one address, and with
// the limit off all there are.
func TestATrunkHasHalfOrAll(t *testing.T) {
	for _, unshared := range []bool{false, true} {
		t.Run(fmt.Sprint(unshared), func(t *testing.T) {
			cfg := testConfig()
			cfg.Reservations, cfg.Unshared, cfg.NoProbe = nil, unshared, true
			n := newLAN(t, cfg)
			f := newFlooder(t, n.guest(t, 0x666), unix.ETH_P_IP)
			f.handle = takeOffers4(t, false)
			f.flood4(t, func() bool { return n.server.Stats().Limited+n.server.Stats().Exhausted > 50 })
			// Offers that were not taken yet count as leases do.
			got, _ := n.leases.Use(false)
			if !unshared && (got < 100 || got > 127) || unshared && got <= 127 {
				t.Errorf("%d of 253 addresses are busy", got)
			}
		})
	}
}

func TestAFloodOfDHCPv6LeavesAddressesForOthers(t *testing.T) {
	cfg := testConfig6()
	cfg.Reservations, cfg.Ranges = nil, []Range{{Start: addr("fd00::100"), End: addr("fd00::1ff")}}
	n := newLAN6(t, cfg)
	f := newFlooder(t, n.guest(t, 0x666), unix.ETH_P_IPV6)
	f.handle = func(*flooder, []byte) {}
	for i := range 400 {
		b := append(make([]byte, headers6), ask6{kind: solicit6, client: 0x1000 + i, ias: "1=", rapid: true}.encode(t)...)
		sealDatagram6(b, addr("fe80::1"), allServers6, clientPort6, serverPort6)
		f.send(t, net.HardwareAddr{0x33, 0x33, 0, 1, 0, 2}, macOf(0x1000+i), unix.ETH_P_IPV6, b)
		if i%50 == 0 {
			f.drain()
		}
	}
	kerneltest.Wait(t, 10*time.Second, "the flood to be read", func() bool { return n.server.Stats().Solicits >= 300 })
	if busy, total := n.leases.Use(true); total != 256 || busy < 100 || busy > 130 {
		t.Errorf("%d of %d addresses are busy, want about half", busy, total)
	}
	g := n.guest6(t, 1)
	dir := t.TempDir()
	g.Run(t, fmt.Sprintf("dhclient -6 -1 -lf %s/leases -pf %s/pid -sf %s eth0", dir, dir, script6(t)))
	if address6(t, g) == "" {
		t.Error("the other guest has no address")
	}
	if s := n.server.Stats(); s.Limited == 0 || s.Exhausted != 0 || s.Replies < 100 {
		t.Errorf("stats: %+v", s)
	}
}

// Where the bridge does not learn, nobody gets through by that.
func TestGuestsThatTheBridgeHasNotLearnedShare(t *testing.T) {
	cfg := testConfig()
	cfg.Reservations, cfg.NoProbe = nil, true
	n := newLAN(t, cfg)
	g := n.guest(t, 0x666)
	n.host.Run(t, "ip link set port1 type bridge_slave learning off")
	f := newFlooder(t, g, unix.ETH_P_IP)
	f.handle = takeOffers4(t, false)
	f.flood4(t, func() bool { return n.server.Stats().Limited > 50 })
	if got := len(n.leases.Leases()); got > 127 {
		t.Errorf("%d leases of 253", got)
	}
}
