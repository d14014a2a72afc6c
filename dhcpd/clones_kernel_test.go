package dhcpd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// asClone has a guest's udhcpc ask by the identifier that all clones have.
func asClone(t *testing.T, g *kerneltest.NS) string {
	t.Helper()
	g.Run(t, "udhcpc -i eth0 -n -q -f -t 5 -T 2 -C -x 0x3d:ff00112233445566 -s "+script(t, "ip"))
	return address(t, g)
}

// Two guests of one image that are up together: each has an address of its
// own, keeps it when it asks again, and after a restart of the server.
func TestClonesKeepAddressesOfTheirOwn(t *testing.T) {
	n := newLAN(t, testConfig())
	one, two := n.guest(t, 1), n.guest(t, 2)
	first, second := asClone(t, one), asClone(t, two)
	if first == "" || second == "" || first == second {
		t.Fatalf("the clones have %q and %q", first, second)
	}
	if log := n.log.String(); !strings.Contains(log, "mac=52:54:00:00:00:02 other=52:54:00:00:00:01") || n.server.Stats().Clones != 1 {
		t.Errorf("stats %+v, log:\n%s", n.server.Stats(), log)
	}
	check := func(when string) {
		t.Helper()
		if a, b := asClone(t, two), asClone(t, one); a != second || b != first || len(n.leases.Leases()) != 2 {
			t.Errorf("%s they have %q and %q, leases %v", when, b, a, n.leases.Leases())
		}
	}
	check("asking again")
	n.stop()
	n.serve(t, testConfig())
	check("after a restart")
	// The first has nothing to do with the other's end.
	two.Run(t, "ip addr flush dev eth0")
	if got := asClone(t, one); got != first {
		t.Errorf("the first has %q now", got)
	}
}

// A guest with a new MAC and the identifier that it had is that guest, if
// nobody answers at its address; a clone that starts long after is none.
func TestWhoIsNotThereAnyMoreIsNotAClone(t *testing.T) {
	for name, there := range map[string]bool{"gone": false, "there": true} {
		t.Run(name, func(t *testing.T) {
			n := newLAN(t, testConfig())
			one := n.guest(t, 1)
			first := asClone(t, one)
			n.stop()
			n.serve(t, testConfig()) // it knows nobody as heard
			if !there {
				one.Run(t, "ip link set eth0 down")
			}
			got := asClone(t, n.guest(t, 2))
			if got == "" || (got == first) == there {
				t.Errorf("the other MAC has %q, the first had %q", got, first)
			}
			if s := n.server.Stats(); (s.Clones > 0) != there || s.Probes == 0 {
				t.Errorf("stats: %+v", s)
			}
		})
	}
}

func TestClonesAreOneClientWhereTheNetworkSaysSo(t *testing.T) {
	cfg := testConfig()
	cfg.OneClient = true
	n := newLAN(t, cfg)
	if a, b := asClone(t, n.guest(t, 1)), asClone(t, n.guest(t, 2)); a == "" || a != b {
		t.Errorf("they have %q and %q", a, b)
	}
}

// A cloned disk has the other's lease in its file: dhclient asks for that
// address first, and is told to ask for another.
func TestACloneThatRemembersTheOthersAddressGetsItsOwn(t *testing.T) {
	n := newLAN(t, testConfig())
	one, two := n.guest(t, 1), n.guest(t, 2)
	dir := t.TempDir()
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, []byte("send dhcp-client-identifier ff:00:01;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	get := func(g *kerneltest.NS, file string) string {
		g.Run(t, fmt.Sprintf("dhclient -4 -1 -lf %s/%s -pf %s/pid%s -cf %s -sf %s eth0", dir, file, dir, file, conf, script(t, "new_ip_address")))
		killByFile(t, g, dir+"/pid"+file)
		return address(t, g)
	}
	first := get(one, "one")
	leases, err := os.ReadFile(filepath.Join(dir, "one"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "two"), leases, 0o644); err != nil {
		t.Fatal(err)
	}
	second := get(two, "two")
	if first == "" || second == "" || first == second {
		t.Errorf("they have %q and %q", first, second)
	}
	if s := n.server.Stats(); s.Naks == 0 {
		t.Errorf("the second did not ask for the first's address: %+v", s)
	}
}

func cloneConfig6() Config6 {
	cfg := testConfig6()
	cfg.Reservations, cfg.Ranges = nil, []Range{{Start: addr("fd00::100"), End: addr("fd00::1ff")}}
	return cfg
}

// rapid6 has a guest ask for an address, and have it at once, with the DUID and
// IAID that all clones have. (Clients make the IAID of the MAC, mostly, or of
// the link's name; it is the latter that clones have in common.)
func rapid6(t *testing.T, g *kerneltest.NS) string {
	t.Helper()
	var c *net.UDPConn
	var err error
	g.Do(func() { c, err = net.ListenUDP("udp6", &net.UDPAddr{Port: clientPort6}) })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	message := ask6{kind: solicit6, client: 0x55, ias: "1=", rapid: true}.encode(t)
	if _, err := c.WriteTo(message, &net.UDPAddr{IP: allServers6.AsSlice(), Port: serverPort6, Zone: "2"}); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, 1500)
	size, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	m, err := dhcpv6.MessageFromBytes(b[:size])
	if err != nil {
		t.Fatal(err)
	}
	if a := m.Options.OneIANA().Options.OneAddress(); a != nil && m.MessageType == dhcpv6.MessageTypeReply {
		return a.IPv6Addr.String()
	}
	return ""
}

func TestClonesKeepIPv6AddressesOfTheirOwn(t *testing.T) {
	n := newLAN6(t, cloneConfig6())
	one, two := n.guest6(t, 1), n.guest6(t, 2)
	first, second := rapid6(t, one), rapid6(t, two)
	if first == "" || second == "" || first == second {
		t.Fatalf("the clones have %q and %q", first, second)
	}
	if log := n.log.String(); !strings.Contains(log, "mac=52:54:00:00:00:02 other=52:54:00:00:00:01") {
		t.Errorf("log:\n%s", log)
	}
	n.stop()
	n.serve(t, cloneConfig6())
	if a, b := rapid6(t, two), rapid6(t, one); a != second || b != first {
		t.Errorf("after a restart they have %q and %q", b, a)
	}
}

func TestAnIPv6GuestWithANewMACKeepsItsAddress(t *testing.T) {
	for name, there := range map[string]bool{"gone": false, "there": true} {
		t.Run(name, func(t *testing.T) {
			n := newLAN6(t, cloneConfig6())
			one := n.guest6(t, 1)
			first := rapid6(t, one)
			one.Run(t, "ip addr add "+first+"/64 dev eth0 nodad")
			n.stop()
			n.serve(t, cloneConfig6())
			if !there {
				one.Run(t, "ip link set eth0 down")
			}
			if got := rapid6(t, n.guest6(t, 2)); got == "" || (got == first) == there {
				t.Errorf("the other MAC has %q, the first had %q", got, first)
			}
		})
	}
}

func TestAnIPv6AddressOfASilentGuestIsNotGiven(t *testing.T) {
	n := newLAN6(t, cloneConfig6())
	static := n.guest6(t, 0x77)
	g := n.guest6(t, 1)
	want := rapid6(t, g)
	n.leases.Release(addr(want), nil)
	static.Run(t, "ip addr add "+want+"/64 dev eth0 nodad")
	n.stop()
	if err := os.Remove(n.file); err != nil {
		t.Fatal(err)
	}
	n.serve(t, cloneConfig6())
	if got := rapid6(t, g); got == "" || got == want {
		t.Errorf("the client has %q, which another uses", got)
	}
	kerneltest.Wait(t, 5*time.Second, "the conflict to count", func() bool { return n.server.Stats().Conflicts > 0 })
}
