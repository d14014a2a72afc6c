package e2e

import (
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// pinger sends 20 echo requests a second until it is told to stop.
type pinger struct{ *lab.Process }

func startPing(t *testing.T, g *lab.Guest, to string) pinger {
	t.Helper()
	if !g.Ping(t, to) {
		t.Fatalf("%s can't ping %s", g.Name, to)
	}
	return pinger{g.Start(t, "ping", "-q", "-i", "0.05", "-W", "2", to)}
}

var pingSummary = regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`)

// lost ends the pinging and returns how many requests were sent and not
// answered. The one that was under way at the end does not count.
func (p pinger) lost(t *testing.T) (sent, lost int) {
	t.Helper()
	p.Signal(syscall.SIGINT)
	p.Wait(t)
	m := pingSummary.FindStringSubmatch(p.Log())
	if m == nil {
		t.Fatalf("ping wrote:\n%s", p.Log())
	}
	sent, _ = strconv.Atoi(m[1])
	received, _ := strconv.Atoi(m[2])
	return sent, max(0, sent-received-1)
}

// A daemon that ends, however, takes nothing from the guests; the next one
// adopts what it finds.
func TestRestartedDaemonAdoptsWhatRuns(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) { restart(t, sig) })
	}
}

func restart(t *testing.T, sig syscall.Signal) {
	s := newSite(t)
	daemon := s.Daemon(t)
	s.ctl(t, "net-start", "default")
	one, two := s.Guest(t, "virbr0", "one"), s.Guest(t, "virbr0", "two")
	for _, g := range []*lab.Guest{one, two} {
		if _, ok := g.Udhcpc(t); !ok {
			t.Fatalf("%s has no lease", g.Name)
		}
	}
	uuid, leases, rules := s.ctl(t, "net-uuid", "default"), s.ctl(t, "net-dhcp-leases", "default"), s.Rules(t)
	between := startPing(t, one, two.Addr(t).String())
	beyond := startPing(t, two, lab.WWWAddr)

	for range 8 {
		daemon.Signal(sig)
		daemon.Wait(t)
		pause(t.Context(), 100*time.Millisecond) // some pings without a daemon
		if got := s.Rules(t); got != rules {
			t.Errorf("rules without a daemon (-before +now):\n%s", cmp.Diff(rules, got))
		}
		daemon = s.Daemon(t)
	}

	if out := s.ctl(t, "net-info", "default"); !regexp.MustCompile(`Active: +yes`).MatchString(out) {
		t.Errorf("net-info after the restart:\n%s", out)
	}
	if got := s.ctl(t, "net-uuid", "default"); got != uuid {
		t.Errorf("uuid %s, was %s", got, uuid)
	}
	if got := s.ctl(t, "net-dhcp-leases", "default"); got != leases {
		t.Errorf("leases after the restart:\n%s\nbefore:\n%s", got, leases)
	}
	if got := s.Rules(t); got != rules {
		t.Errorf("rules after the restart (-before +now):\n%s", cmp.Diff(rules, got))
	}
	if got, ok := one.Resolve(t, "two"); !ok || got != two.Addr(t) {
		t.Errorf("two resolves to %v", got)
	}
	three := s.Guest(t, "virbr0", "three")
	if _, ok := three.Udhcpc(t); !ok {
		t.Error("a new guest gets no lease from the restarted daemon")
	}
	for name, p := range map[string]pinger{"between guests": between, "through NAT": beyond} {
		sent, lost := p.lost(t)
		if lost > 0 || sent < 20 {
			t.Errorf("pings %s: %d of %d lost", name, lost, sent)
		}
	}
	s.ctl(t, "net-destroy", "default")
	if s.HasLink("virbr0") {
		t.Error("virbr0 is there after net-destroy")
	}
}

func TestAutostartedNetworkStartsWithTheDaemon(t *testing.T) {
	s := newSite(t)
	daemon := s.Daemon(t)
	s.ctl(t, "net-autostart", "default")
	s.ctl(t, "net-start", "default")
	s.ctl(t, "net-destroy", "default")
	daemon.Signal(syscall.SIGTERM)
	daemon.Wait(t)
	// As after a reboot: nothing that lives in /run is there any more.
	s.Script(t, "rm -rf /run/vnetmgr")
	s.Daemon(t)
	lab.Eventually(t, 10*time.Second, "virbr0 is there", func() bool { return s.HasLink("virbr0") })
}
