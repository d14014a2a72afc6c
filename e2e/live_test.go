package e2e

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// liveEdits is how many changes the network goes through under traffic.
const liveEdits = 100

// liveNetwork is a network of which everything but its first subnet, its
// bridge and that it translates can be changed without a guest noticing.
type liveNetwork struct {
	random           *rand.Rand
	dev, nat         string
	stp, mtu, domain string
	mac              string
	dns, dhcp, more  string
	hosts            int
}

func newLiveNetwork() *liveNetwork {
	return &liveNetwork{random: rand.New(rand.NewPCG(7, 7)), stp: "stp='off'", mac: "52:54:00:77:77:77"}
}

// String is the network's XML.
func (n *liveNetwork) String() string {
	return `<network>
  <name>live</name>
  <uuid>a1b2c3d4-0000-4000-8000-000000000001</uuid>
  <forward mode='nat'` + n.dev + `>` + n.nat + `</forward>
  <bridge name='virbr7' ` + n.stp + `/>
  ` + n.mtu + `
  <mac address='` + n.mac + `'/>
  ` + n.domain + n.dns + `
  <ip address='192.168.77.1' netmask='255.255.255.0'>
    <dhcp>
      <range start='192.168.77.2' end='192.168.77.99'/>` + n.dhcp + `
    </dhcp>
  </ip>
  ` + n.more + `
</network>
`
}

// pick returns one of them.
func (n *liveNetwork) pick(of ...string) string { return of[n.random.IntN(len(of))] }

// edit makes one change: by net-update, else by defining the network anew.
func (n *liveNetwork) edit() []string {
	n.hosts++
	i := n.hosts
	switch n.random.IntN(13) {
	case 0:
		return []string{"add", "ip-dhcp-host", fmt.Sprintf("<host mac='52:54:00:99:00:%02x' name='h%d' ip='192.168.77.%d'/>", i, i, 100+i)}
	case 1:
		return []string{"add-first", "ip-dhcp-range", fmt.Sprintf("<range start='192.168.77.%d' end='192.168.77.%d'/>", 110+i, 111+i)}
	case 2, 3:
		if strings.Contains(n.dns, "enable='no'") {
			n.dns = ""
			return nil
		}
		if i%2 == 0 {
			return []string{"add", "dns-txt", fmt.Sprintf("<txt name='t%d' value='x'/>", i)}
		}
		return []string{"add", "dns-host", fmt.Sprintf("<host ip='192.0.2.%d'><hostname>d%d</hostname></host>", i, i)}
	case 4:
		n.dev = n.pick("", " dev='"+lab.UplinkName+"'")
	case 5:
		n.nat = n.pick("", "<nat><port start='2000' end='3000'/></nat>", "<nat><address start='"+lab.HostAddr+"' end='"+lab.HostAddr+"'/></nat>")
	case 6:
		n.stp = n.pick("stp='off'", "stp='on' delay='0'", "stp='on' delay='4'")
	case 7:
		n.mtu = n.pick("", "<mtu size='1500'/>", "<mtu size='2000'/>")
	case 8:
		n.domain = n.pick("", "<domain name='a.test'/>", "<domain name='b.test' localOnly='yes'/>")
	case 9:
		n.dns = n.pick("", "<dns enable='no'/>", "<dns><txt name='a' value='b'/></dns>")
	case 10:
		n.dhcp = n.pick("", "<host mac='52:54:00:99:99:99' ip='192.168.77.250'/>", "<bootp file='x'/>")
	case 11:
		n.mac = n.pick("52:54:00:77:77:77", "52:54:00:77:77:88")
	default:
		n.more = n.pick("", "<ip address='10.77.0.1' prefix='16'/>", "<ip address='10.77.0.1' prefix='16'/><ip address='10.78.0.1' prefix='24'/>",
			"<route address='10.99.0.0' prefix='16' gateway='192.168.77.2'/>")
	}
	return nil
}

func TestNothingIsLostDuringAHundredLiveEdits(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	n := newLiveNetwork()
	s.define(t, n.String())
	s.ctl(t, "net-start", "live")
	one, two := s.Guest(t, "virbr7", "one"), s.Guest(t, "virbr7", "two")
	for _, g := range []*lab.Guest{one, two} {
		if _, ok := g.Udhcpc(t); !ok {
			t.Fatalf("%s has no address", g.Name)
		}
	}
	between := pingFast(t, one, two.Addr(t).String())
	out := pingFast(t, two, lab.WWWAddr)
	stream := s.startStream(t, one)
	renewals := startRenewals(t, two)

	port := s.Must(t, "bridge", "link", "show", "dev", one.Port)
	updates, began := 0, time.Now()
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for i := range liveEdits {
		<-pace.C
		if args := n.edit(); args != nil {
			updates++
			s.ctl(t, append([]string{"net-update", "live", "--live", "--config"}, args...)...)
			continue
		}
		s.WriteFile(t, "/run/live.xml", n.String(), 0o644)
		if r := s.try(t, "net-define", "/run/live.xml", "--live"); r.Code != 0 {
			t.Fatalf("edit %d: %v\n%s", i, r, n)
		}
	}
	took := time.Since(began)

	for what, p := range map[string]pinger{"between the guests": between, "out through NAT": out} {
		sent, lost := p.lost(t)
		t.Logf("%d pings %s", sent, what)
		if lost > 0 {
			t.Errorf("lost %d of %d pings %s", lost, sent, what)
		}
	}
	t.Logf("%d edits in %v, %d of them by net-update; %s; %s", liveEdits, took, updates, stream.end(t), renewals.end(t))
	if now := s.Must(t, "bridge", "link", "show", "dev", one.Port); now != port {
		t.Errorf("the guest's bridge port was %s and is %s", port, now)
	}
}

// pingFast sends 100 echo requests a second.
func pingFast(t *testing.T, from *lab.Guest, to string) pinger {
	t.Helper()
	if !from.Ping(t, to) {
		t.Fatalf("%s does not reach %s", from.Name, to)
	}
	return pinger{from.Start(t, "ping", "-n", "-q", "-i", "0.01", to)}
}

// streaming is a download of numbers in order.
type streaming struct {
	conn  net.Conn
	bytes atomic.Int64
	gap   time.Duration // the longest between two reads
	done  chan error
}

// startStream begins a download from the internet of 800 KB/s.
func (s *site) startStream(t *testing.T, g *lab.Guest) *streaming {
	t.Helper()
	var listener net.Listener
	err := s.internet.Net(func() (err error) {
		listener, err = net.Listen("tcp4", lab.WWWAddr+":9000")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var sending sync.WaitGroup
	t.Cleanup(func() { listener.Close(); sending.Wait() })
	sending.Go(func() {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		block := make([]byte, 4096)
		for next := uint32(0); ; <-tick.C {
			for i := 0; i < len(block); i += 4 {
				binary.BigEndian.PutUint32(block[i:], next)
				next++
			}
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	})
	d := &streaming{done: make(chan error, 1)}
	err = g.Net(func() (err error) {
		d.conn, err = net.DialTimeout("tcp4", lab.WWWAddr+":9000", 5*time.Second)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { d.done <- d.read() }()
	return d
}

func (d *streaming) read() error {
	number := make([]byte, 4)
	last := time.Now()
	for next := uint32(0); ; next++ {
		if _, err := io.ReadFull(d.conn, number); err != nil {
			return err
		}
		d.gap = max(d.gap, time.Since(last))
		last = time.Now()
		if got := binary.BigEndian.Uint32(number); got != next {
			return fmt.Errorf("got %d, want %d", got, next)
		}
		d.bytes.Add(4)
	}
}

// end stops the download, which must have gone on until now.
func (d *streaming) end(t *testing.T) string {
	t.Helper()
	had := d.bytes.Load()
	lab.Eventually(t, 5*time.Second, "the download to go on", func() bool { return d.bytes.Load() > had })
	d.conn.Close()
	if err := <-d.done; !strings.Contains(err.Error(), "closed") {
		t.Errorf("the download ended: %v", err)
	}
	if d.gap > time.Second {
		t.Errorf("nothing came for %v", d.gap)
	}
	return fmt.Sprintf("downloaded %d KB, the longest gap %v", d.bytes.Load()/1024, d.gap)
}

// renewing asks for the same lease again and again.
type renewing struct {
	cancel  context.CancelFunc
	done    chan error
	count   int
	slowest time.Duration
}

func startRenewals(t *testing.T, g *lab.Guest) *renewing {
	t.Helper()
	clients, addr := g.Clients(t, "eth0"), g.Addr(t)
	// A reply that does not come is not asked for again in time.
	clients.Retry = time.Minute
	ctx, cancel := context.WithCancel(context.Background())
	r := &renewing{cancel: cancel, done: make(chan error, 1)}
	go func() {
		for ctx.Err() == nil {
			began := time.Now()
			each, stop := context.WithTimeout(ctx, 2*time.Second)
			reply, err := clients.Reboot(each, g.MAC, addr)
			stop()
			switch {
			case ctx.Err() != nil:
			case err != nil:
				r.done <- fmt.Errorf("renewal %d: %w", r.count, err)
				return
			case reply.Kind != lab.Ack || reply.Addr != addr:
				r.done <- fmt.Errorf("renewal %d: %+v", r.count, reply)
				return
			default:
				r.count++
				r.slowest = max(r.slowest, time.Since(began))
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
		r.done <- nil
	}()
	return r
}

// end stops it; all must have been acknowledged.
func (r *renewing) end(t *testing.T) string {
	t.Helper()
	r.cancel()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	return fmt.Sprintf("%d renewals, the slowest in %v", r.count, r.slowest)
}
