package nat

import (
	"context"
	"errors"
	"golang.org/x/sys/unix"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// openIn opens a connection in ns, closed with the test.
func openIn(t testing.TB, ns *kerneltest.NS) *Conn {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Fatal(err)
	}
	var c *Conn
	var err error
	ns.Do(func() { c, err = Open() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func apply(t testing.TB, c *Conn, networks ...Network) {
	t.Helper()
	if err := c.Apply(context.Background(), Ruleset{networks}); err != nil {
		t.Fatal(err)
	}
}

// listed is what nft lists of our table, without counters' values.
func listed(t testing.TB, ns *kerneltest.NS) string {
	t.Helper()
	return ns.Run(t, "nft -s list table inet vnetmgr 2>/dev/null || true")
}

// normal is a listing without what we leave open: the table's flags and
// owner, the order of maps, chains and elements, line breaks between elements,
// and the words newer nft releases use for the plain reject.
func normal(listing string) string {
	listing = regexp.MustCompile(`(?m)^\tflags .*\n|[ \t]*# progname.*`).ReplaceAllString(listing, "")
	listing = strings.ReplaceAll(listing, "reject with icmpx port-unreachable", "reject")
	elements := regexp.MustCompile(`(?s)elements = \{(.*?)\}`)
	listing = elements.ReplaceAllStringFunc(listing, func(s string) string {
		parts := strings.Split(elements.FindStringSubmatch(s)[1], ",")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		slices.Sort(parts)
		return "elements = { " + strings.Join(parts, ", ") + " }"
	})
	blocks := strings.Split(strings.TrimSuffix(listing, "}\n"), "\n\t}\n")
	for i, b := range blocks {
		blocks[i] = strings.TrimPrefix(strings.TrimPrefix(b, "table inet vnetmgr {\n"), "\n")
	}
	slices.Sort(blocks)
	return strings.Join(blocks, "\n")
}

func wantListed(t testing.TB, ns *kerneltest.NS, networks ...Network) {
	t.Helper()
	if diff := cmp.Diff(normal(Ruleset{networks}.String()), normal(listed(t, ns))); diff != "" {
		t.Errorf("table in the kernel (-want +got):\n%s", diff)
	}
}

func TestKernelListsWhatIsPrinted(t *testing.T) {
	for name, rs := range goldenCases {
		if name == "refused-networks" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			ns := kerneltest.New(t)
			c := openIn(t, ns)
			apply(t, c, rs.Networks...)
			wantListed(t, ns, rs.Networks...)
			before := ns.Run(t, "nft -a list ruleset")
			gen := generation(t, c)
			apply(t, c, rs.Networks...)
			if diff := cmp.Diff(before, ns.Run(t, "nft -a list ruleset")); diff != "" || generation(t, c) != gen {
				t.Errorf("applying again changed the kernel (-before +after):\n%s", diff)
			}
			again := openIn(t, ns) // reads the kernel, as after a restart
			have, err := again.current()
			if err != nil {
				t.Fatal(err)
			}
			if len(rs.Networks) == 0 {
				return
			}
			want, _ := compile(rs, nil)
			next := c.stateOf(want)
			if diff := cmp.Diff(next, have, cmp.AllowUnexported(state{}, mapState{}, chainState{}, element{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("state read (-want +got):\n%s", diff)
			}
		})
	}
}

func generation(t testing.TB, c *Conn) uint32 {
	t.Helper()
	g, err := c.generation()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// randomSet is some of the networks that may be active together, some of them
// changed, in random order.
func randomSet(r *rand.Rand) []Network {
	var out []Network
	for i := range 6 {
		n := network(string(rune('a'+i)), Mode(r.IntN(3)), "br-"+string(rune('a'+i)))
		for s := range r.IntN(3) {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), byte(s * 16), 0}), 20+r.IntN(5))
			n.Subnets = append(n.Subnets, Subnet{Prefix: p.Masked(), NAT: n.Mode == NAT})
		}
		if r.IntN(4) == 0 { // what the collision check refuses
			n.Subnets = append(n.Subnets, Subnet{Prefix: prefix("10.0.0.0/14"), NAT: n.Mode == NAT})
		}
		if r.IntN(2) == 0 {
			p := netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 0, 15: 0}), 48+16*r.IntN(2))
			n.Subnets = append(n.Subnets, Subnet{Prefix: p, NAT: n.Mode == NAT && r.IntN(2) == 0})
		}
		if r.IntN(3) == 0 {
			n.Dev, n.IPv6 = "eth0", true
		}
		if r.IntN(4) > 0 {
			out = append(out, n)
		}
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// TestAnyOrderConverges walks through random sets; the kernel must hold just
// the last one, whether or not the connection remembers the one before.
func TestAnyOrderConverges(t *testing.T) {
	ns := kerneltest.New(t)
	c := openIn(t, ns)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for step := range 60 {
		networks := randomSet(r)
		if r.IntN(3) == 0 {
			c.known = nil
		}
		apply(t, c, networks...)
		wantListed(t, ns, networks...)
		if t.Failed() {
			t.Fatalf("at step %d", step)
		}
	}
}

func TestNoNetworksLeaveNothing(t *testing.T) {
	ns := kerneltest.New(t)
	c := openIn(t, ns)
	apply(t, c) // nothing to remove
	apply(t, c, three...)
	apply(t, c)
	if got := ns.Run(t, "nft list ruleset"); got != "" {
		t.Errorf("left:\n%s", got)
	}
}

func TestForeignTablesAreLeftAlone(t *testing.T) {
	ns := kerneltest.New(t)
	ns.Run(t, `nft -f - <<'E'
		table inet other { chain forward { type filter hook forward priority 0; policy drop; counter; }; set s { type ipv4_addr; elements = { 1.2.3.4 }; }; }
		table ip vnetmgr { chain c { accept; }; }
		table ip libvirt_network { chain guest_cross { accept; }; }
E`)
	before := ns.Run(t, "nft -a list ruleset")
	c := openIn(t, ns)
	apply(t, c, three...)
	apply(t, c, three[0])
	apply(t, c)
	if diff := cmp.Diff(before, ns.Run(t, "nft -a list ruleset")); diff != "" {
		t.Errorf("foreign tables (-before +after):\n%s", diff)
	}
}

// TestOpenConnectionGuardsTheTable: needs table owners (6.9), as the kernels
// that we test on have them.
func TestOpenConnectionGuardsTheTable(t *testing.T) {
	ns := kerneltest.New(t)
	c := openIn(t, ns)
	apply(t, c, three...)
	ns.Run(t, "nft flush ruleset; nft flush chain inet vnetmgr forward 2>/dev/null; nft delete table inet vnetmgr 2>/dev/null; true")
	wantListed(t, ns, three...)
	second := openIn(t, ns)
	err := second.Apply(context.Background(), Ruleset{three[:1]})
	if err == nil || !strings.Contains(err.Error(), "belongs to another process") {
		t.Errorf("a second owner got %v", err)
	}
	wantListed(t, ns, three...)
}

// TestRestartAdoptsTheTable: nothing is rewritten, counters go on.
func TestRestartAdoptsTheTable(t *testing.T) {
	ns := kerneltest.New(t)
	first := openIn(t, ns)
	apply(t, first, three...)
	before := ns.Run(t, "nft -a list ruleset")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	wantListed(t, ns, three...) // while nobody owns it, and for the kernel anyone may change it
	c := openIn(t, ns)
	apply(t, c, three...)
	without := func(s string) string {
		return regexp.MustCompile(`(?m)^\tflags.*\n| # progname.*`).ReplaceAllString(s, "")
	}
	if diff := cmp.Diff(without(before), without(ns.Run(t, "nft -a list ruleset"))); diff != "" {
		t.Errorf("adopted table (-before +after):\n%s", diff)
	}
	ns.Run(t, "! nft delete table inet vnetmgr 2>/dev/null")
	apply(t, c, three[1])
	wantListed(t, ns, three[1])
}

// TestForeignChangesAreHealed makes changes while no connection guards the
// table, as on kernels that have no owners.
func TestForeignChangesAreHealed(t *testing.T) {
	for name, line := range map[string]string{
		"flush ruleset":    "nft flush ruleset",
		"table gone":       "nft delete table inet vnetmgr",
		"rule gone":        "nft flush chain inet vnetmgr output-a",
		"rule added":       "nft insert rule inet vnetmgr input-a accept",
		"rule in the base": "nft insert rule inet vnetmgr forward accept",
		"rule replaced":    "h=$(nft -a list chain inet vnetmgr input-c | sed -n 's/.*counter.*handle //p'); nft replace rule inet vnetmgr input-c handle $h accept",
		"element gone":     `nft delete element inet vnetmgr guest_output '{ "virbr2" }'`,
		"element added":    `nft add element inet vnetmgr guest_output '{ "eth0" : accept }'`,
		"element changed":  `nft 'delete element inet vnetmgr guest_output { "virbr2" }; add element inet vnetmgr guest_output { "virbr2" : accept }'`,
		"interval gone":    "nft delete element inet vnetmgr guest_nat '{ 192.168.122.0/24 }'",
		"interval added":   "nft add element inet vnetmgr guest_nat '{ 1.0.0.0-1.0.0.7 : jump nat-a, 255.0.0.0/8 : accept }'",
		"chain added":      "nft 'add chain inet vnetmgr x; add rule inet vnetmgr x accept; insert rule inet vnetmgr forward jump x'",
		"base chain added": "nft 'add chain inet vnetmgr x { type filter hook input priority 0; policy drop; }'",
		"policy changed":   "nft 'add chain inet vnetmgr forward { policy drop; }'",
		"set added":        "nft 'add set inet vnetmgr x { type ipv4_addr; }'",
		"dormant":          "nft 'add table inet vnetmgr { flags dormant; }'",
		"another table":    "nft 'delete table inet vnetmgr; add table inet vnetmgr; add map inet vnetmgr guest_nat { type ifname : verdict; }'",
		"emptied":          "nft flush table inet vnetmgr",
	} {
		t.Run(name, func(t *testing.T) {
			ns := kerneltest.New(t)
			c := openIn(t, ns)
			c.flags = 0
			apply(t, c, three...)
			ns.Run(t, "nft add table ip other")
			wantDrift(t, c, false)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var changed <-chan struct{}
			var err error
			ns.Do(func() { changed, err = c.Monitor(ctx) })
			if err != nil {
				t.Fatal(err)
			}
			apply(t, c, three[:2]...) // ours: no signal
			apply(t, c, three...)
			ns.Run(t, "nft delete table ip other")
			ns.Run(t, line)
			select {
			case <-changed:
			case <-time.After(5 * time.Second):
				t.Error("no signal")
			}
			wantDrift(t, c, true)
			apply(t, c, three...)
			wantListed(t, ns, three...)
			wantDrift(t, c, false)
		})
	}
}

func wantDrift(t *testing.T, c *Conn, want bool) {
	t.Helper()
	if got, err := c.Drifted(context.Background()); err != nil || got != want {
		t.Errorf("drifted: %v, %v; want %v", got, err, want)
	}
}

func TestMonitorSignalsNeitherOursNorOtherTables(t *testing.T) {
	ns := kerneltest.New(t)
	c := openIn(t, ns)
	ctx, cancel := context.WithCancel(context.Background())
	var changed <-chan struct{}
	var err error
	ns.Do(func() { changed, err = c.Monitor(ctx) })
	if err != nil {
		t.Fatal(err)
	}
	apply(t, c, three...)
	ns.Run(t, "nft add table inet other; nft add chain inet other x; nft add table ip vnetmgr")
	apply(t, c, three[0])
	cancel()
	if _, open := <-changed; open {
		t.Error("signalled")
	}
}

// TestTableOfAReleaseWithoutOwnersIsTakenOver: flags are set when a table is
// made, so it is made anew.
func TestTableOfAReleaseWithoutOwnersIsTakenOver(t *testing.T) {
	ns := kerneltest.New(t)
	ns.Run(t, "nft -f - <<'E'\n"+Ruleset{three}.String()+"E")
	c := openIn(t, ns)
	apply(t, c, three...)
	wantListed(t, ns, three...)
	ns.Run(t, "! nft delete table inet vnetmgr 2>/dev/null")
}

func TestRefusedBatchChangesNothingAndNamesTheNetwork(t *testing.T) {
	ns := kerneltest.New(t)
	c := openIn(t, ns)
	apply(t, c, three[0])
	before := ns.Run(t, "nft -a list ruleset")
	bad, err := compile(Ruleset{three}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range bad.chains {
		if bad.chains[i].name == "input-b" {
			bad.chains[i] = three[1].named("input-b", []rule{line(dispatch{source, "no-such-map"})})
		}
	}
	err = c.apply(bad)
	if err == nil || !strings.Contains(err.Error(), "rules of network net-b: ") {
		t.Errorf("got %v, want an error that names net-b", err)
	}
	if diff := cmp.Diff(before, ns.Run(t, "nft -a list ruleset")); diff != "" {
		t.Errorf("refused, and changed (-before +after):\n%s", diff)
	}
	apply(t, c, three...) // the connection is still good
	wantListed(t, ns, three...)
}

// TestInvalidNetworksChangeNothing: the others stay as they are.
func TestInvalidNetworksChangeNothing(t *testing.T) {
	ns := kerneltest.New(t)
	c := openIn(t, ns)
	apply(t, c, three[0])
	gen := generation(t, c)
	if err := c.Apply(context.Background(), Ruleset{[]Network{three[1].with(func(n *Network) { n.Bridge = "a b" })}}); err == nil {
		t.Error("applied a bridge with a space in its name")
	}
	if generation(t, c) != gen {
		t.Error("the kernel's ruleset changed")
	}
}

// TestConcurrentChangesAreNotLost applies while another program changes its
// own table, and flushes ours, as fast as it can.
func TestConcurrentChangesAreNotLost(t *testing.T) {
	ns := kerneltest.New(t)
	c := openIn(t, ns)
	c.flags = 0
	other := ns.Start(t, "sh", "-c", "while :; do nft add table ip x; nft flush ruleset; done")
	for i := range 40 {
		apply(t, c, three[:1+i%3]...)
	}
	other.Stop()
	apply(t, c, three[:1]...)
	wantListed(t, ns, three[:1]...)
}

func TestCancelledApplyChangesNothing(t *testing.T) {
	ns := kerneltest.New(t)
	c := openIn(t, ns)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.Apply(ctx, Ruleset{three}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if got := listed(t, ns); got != "" {
		t.Errorf("applied all the same:\n%s", got)
	}
}

// TestOpenWithoutPermissionSaysSo drops the capability on a thread that dies.
func TestOpenWithoutPermissionSaysSo(t *testing.T) {
	ns := kerneltest.New(t)
	ns.Do(func() {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			t.Fatal(err)
		}
		_, err := Open()
		if err == nil || !strings.Contains(err.Error(), "CAP_NET_ADMIN") || !errors.Is(err, unix.EPERM) {
			t.Errorf("got %v, want an error that names CAP_NET_ADMIN", err)
		}
	})
}
