package e2e

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

var defaultPrefix = netip.MustParsePrefix("192.168.122.0/24")

// This is what a new user does: one command on a host that has never seen
// vnetmgr.
func TestNetStartDefaultOnAFreshHostStartsTheDaemon(t *testing.T) {
	s := newSite(t)
	if got, want := s.ctl(t, "net-start", "default"), "Network default started\n\n"; got != want {
		t.Errorf("net-start printed %q, want %q", got, want)
	}
	if pids := s.Pids(t, "vnetmgr"); len(pids) != 1 {
		t.Errorf("processes of vnetmgr after net-start: %v, want one", pids)
	}
	if out := s.Must(t, "ip", "-4", "-o", "addr", "show", "dev", "virbr0"); !strings.Contains(out, "192.168.122.1/24") {
		t.Errorf("address of virbr0: %s", out)
	}
	list := regexp.MustCompile(`(?m)^ default +active +(yes|no) +yes$`)
	if out := s.ctl(t, "net-list"); !list.MatchString(out) {
		t.Errorf("net-list printed:\n%s", out)
	}
	info := regexp.MustCompile(`^Name: +default\nUUID: +[0-9a-f-]{36}\nActive: +yes\nPersistent: +yes\nAutostart: +(yes|no)\nBridge: +virbr0\n`)
	if out := s.ctl(t, "net-info", "default"); !info.MatchString(out) {
		t.Errorf("net-info printed:\n%s", out)
	}
	again := s.try(t, "net-start", "default")
	if again.Code != 1 || !strings.Contains(again.Stderr, "network is already active") {
		t.Errorf("a second net-start: %v", again)
	}
}

func TestGuestsGetAnAddressNamesAndTheInternet(t *testing.T) {
	s := newServiceSite(t)
	s.ctl(t, "net-start", "default")
	one, two := s.Guest(t, "virbr0", "one"), s.Guest(t, "virbr0", "two")
	for _, g := range []*lab.Guest{one, two} {
		addr, ok := g.Udhcpc(t)
		if !ok || !defaultPrefix.Contains(addr) {
			t.Fatalf("%s has %v", g.Name, addr)
		}
	}
	if !one.Ping(t, "192.168.122.1") || !one.Ping(t, two.Addr(t).String()) {
		t.Error("no answer from the host or the other guest")
	}
	for name, want := range map[string]string{
		"two": two.Addr(t).String(), "one": one.Addr(t).String(), "www.example.net": lab.WWWAddr,
	} {
		if got, ok := one.Resolve(t, name); !ok || got.String() != want {
			t.Errorf("one resolves %s to %v, want %s", name, got, want)
		}
	}
	if got := strings.TrimSpace(one.Must(t, "dig", "+short", "-x", two.Addr(t).String())); got != "two." {
		t.Errorf("the reverse name of two is %q", got)
	}
	if n := s.internet.Asked("two"); n != 0 {
		t.Errorf("a guest's name was forwarded %d times", n)
	}
	if got, want := two.Fetch(t, "www.example.net"), lab.Page(lab.HostAddr); got != want {
		t.Errorf("page %q, want %q", got, want)
	}
	row := s.row(t, "default", one)
	if len(row) < 6 || row[3] != "ipv4" || row[4] != one.Addr(t).String()+"/24" || row[5] != "one" {
		t.Errorf("net-dhcp-leases row of one: %q", row)
	}
}

func TestGuestHasAnAddressWithinASecondOfItsLinkComingUp(t *testing.T) {
	s := newServiceSite(t)
	s.ctl(t, "net-start", "default")
	g := s.Guest(t, "virbr0", "quick")
	start := time.Now()
	addr, ok := g.Udhcpc(t)
	if took := time.Since(start); !ok || took > time.Second {
		t.Errorf("lease of %v after %v", addr, took)
	}
}

func TestClientsOfTheDistribution(t *testing.T) {
	s := newServiceSite(t)
	s.ctl(t, "net-start", "default")
	for name, client := range map[string]func(*lab.Guest, lab.TB) (netip.Addr, bool){
		"udhcpc":   (*lab.Guest).Udhcpc,
		"dhclient": (*lab.Guest).Dhclient,
		"dhcpcd":   (*lab.Guest).Dhcpcd,
	} {
		t.Run(name, func(t *testing.T) {
			g := s.Guest(t, "virbr0", "with-"+name)
			addr, ok := client(g, t)
			if !ok || !defaultPrefix.Contains(addr) {
				t.Fatalf("no lease: %v", addr)
			}
			if got, want := g.Fetch(t, "www.example.net"), lab.Page(lab.HostAddr); got != want {
				t.Errorf("page %q, want %q", got, want)
			}
			if row := s.row(t, "default", g); len(row) < 6 || row[5] != g.Name {
				t.Errorf("row of net-dhcp-leases: %q", row)
			}
		})
	}
}

func TestEmulatedGuestPasses(t *testing.T) {
	s := newServiceSite(t)
	s.ctl(t, "net-start", "default")
	vm := s.VM(t, "virbr0", "vm1", []string{"www.example.net", "vm1"}, "www.example.net")
	said := vm.Said(t)
	passed := false
	for _, line := range said {
		passed = passed || line == "PASS"
	}
	if !passed {
		t.Errorf("the guest's console:\n%s", strings.Join(said, "\n"))
	}
	if out := s.ctl(t, "net-dhcp-leases", "default"); !strings.Contains(out, "vm1") {
		t.Errorf("net-dhcp-leases:\n%s", out)
	}
	t.Log(strings.Join(said, "\n"))
}

func TestDNSForwardsWhatFitsAndWhatDoesNot(t *testing.T) {
	s := newServiceSite(t)
	s.ctl(t, "net-start", "default")
	g := s.Guest(t, "virbr0", "asker")
	if _, ok := g.Udhcpc(t); !ok {
		t.Fatal("no lease")
	}
	short := g.Must(t, "dig", "+noedns", "+ignore", "big.example.net", "TXT")
	if !strings.Contains(short, "flags: qr tc") {
		t.Errorf("an answer that does not fit has no TC flag:\n%s", short)
	}
	whole := g.Must(t, "dig", "+tcp", "+short", "big.example.net", "TXT")
	if n := strings.Count(whole, "\n"); n != 8 {
		t.Errorf("%d records over TCP, want 8:\n%s", n, whole)
	}
	if out := g.Must(t, "dig", "absent.example.net"); !strings.Contains(out, "NXDOMAIN") {
		t.Errorf("absent name:\n%s", out)
	}
	before := s.internet.Asked("www.example.net")
	for range 5 {
		g.Must(t, "dig", "+short", "www.example.net")
	}
	if asked := s.internet.Asked("www.example.net") - before; asked > 1 {
		t.Errorf("the same name was forwarded %d times", asked)
	}
}
