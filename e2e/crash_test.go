package e2e

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// promises are the addresses that a server acknowledged, with whom to.
type promises struct {
	mu     sync.Mutex // guards what follows
	byAddr map[netip.Addr]string
	addrs  map[uint32]netip.Addr
	twice  []string
}

// note takes down an acknowledgement to the n-th client.
func (p *promises) note(n uint32, addr netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	mac := lab.MAC(n).String()
	if owner, taken := p.byAddr[addr]; taken && owner != mac {
		p.twice = append(p.twice, addr.String()+" to "+owner+" and to "+mac)
	}
	if was, had := p.addrs[n]; had && was != addr {
		p.twice = append(p.twice, mac+" had "+was.String()+" and got "+addr.String())
	}
	p.byAddr[addr], p.addrs[n] = mac, addr
}

// some picks a client that has an address.
func (p *promises) some() (uint32, netip.Addr, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, addr := range p.addrs {
		return n, addr, true
	}
	return 0, netip.Addr{}, false
}

const crashes = 20

// Clients take leases without pause while the daemon is killed at random
// moments: what it acknowledged, it knows ever after.
func TestNoAcknowledgedLeaseIsLostWhenTheDaemonIsKilled(t *testing.T) {
	s := newSite(t)
	daemon := s.Daemon(t)
	s.define(t, `<network><name>big</name><bridge name='virbr7'/>
		<ip address='10.99.0.1' prefix='16'><dhcp><range start='10.99.1.0' end='10.99.250.255'/></dhcp></ip></network>`)
	s.ctl(t, "net-start", "big")
	g := s.Guest(t, "virbr7", "crowd")
	g.LinkUp(t)
	clients := g.Clients(t, "eth0")
	clients.Retry = 100 * time.Millisecond
	p := &promises{byAddr: make(map[netip.Addr]string), addrs: make(map[uint32]netip.Addr)}

	ctx, stop := context.WithCancel(t.Context())
	var crowd sync.WaitGroup
	for worker := range uint32(16) {
		crowd.Go(func() { takeLeases(ctx, t, clients, p, worker) })
	}
	for range crashes {
		pause(ctx, 50*time.Millisecond+rand.N(350*time.Millisecond))
		daemon.Signal(syscall.SIGKILL)
		daemon.Wait(t)
		daemon = s.Daemon(t)
	}
	stop()
	crowd.Wait()

	listed := rows(s.ctl(t, "net-dhcp-leases", "big"))
	lost := 0
	for n, addr := range p.addrs {
		if listed[lab.MAC(n).String()] != addr.String()+"/16" {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged leases are not listed", lost, len(p.addrs))
	}
	if len(p.twice) > 0 {
		t.Errorf("addresses given twice:\n%s", strings.Join(p.twice, "\n"))
	}
	if len(p.addrs) < 100 {
		t.Errorf("only %d clients were served: too few to prove anything", len(p.addrs))
	}
	t.Logf("%d leases through %d crashes", len(p.addrs), crashes)
}

// takeLeases is every 16th client, one after the other; now and then one that
// has an address asks for it again, as after a reboot.
func takeLeases(ctx context.Context, t *testing.T, clients *lab.Clients, p *promises, worker uint32) {
	for n := 0x100000 + worker; ctx.Err() == nil; n += 16 {
		reply, err := clients.Get(ctx, lab.MAC(n))
		if err == nil {
			p.note(n, reply.Addr)
		}
		old, addr, ok := p.some()
		if n%5 != 0 || !ok || old%16 != worker {
			continue
		}
		reply, err = clients.Reboot(ctx, lab.MAC(old), addr)
		if err != nil {
			continue
		}
		if reply.Kind != lab.Ack {
			t.Errorf("%s is refused its %s", lab.MAC(old), addr)
			continue
		}
		p.note(old, reply.Addr)
	}
}

// pause waits; random moments are the point of this test.
func pause(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}

// rows are the addresses in the output of net-dhcp-leases, by MAC.
func rows(table string) map[string]string {
	addrs := make(map[string]string)
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); len(fields) > 5 {
			addrs[fields[2]] = fields[4]
		}
	}
	return addrs
}
