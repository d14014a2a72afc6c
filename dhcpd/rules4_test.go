package dhcpd

import (
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/vnetmgr/vnetmgr/lease"
)

func TestWhoHasANameKeepsIt(t *testing.T) {
	s, leases := newService4(testConfig()), lease.NewTable()
	take := func(a ask) {
		t.Helper()
		a.kind, a.server = request, us
		converse(t, s, leases, a)
	}
	holder := func(name string) string {
		l, _ := leases.LookupName(name)
		return l.Addr.String()
	}
	take(ask{mac: 1, ip: "192.168.122.101", name: "web"})
	take(ask{mac: 2, ip: "192.168.122.102", name: "Web"})
	if got := holder("web"); got != "192.168.122.101" {
		t.Errorf("web is %s after another guest claimed it", got)
	}
	// The same machine may move, and a reservation is the administrator's word.
	take(ask{mac: 1, id: "\x01new", ip: "192.168.122.103", name: "web"})
	if got := holder("web"); got != "192.168.122.103" {
		t.Errorf("web is %s after its guest took another address", got)
	}
	take(ask{mac: 3, ip: "192.168.122.104", name: "fixed"})
	take(ask{mac: 0x10, ip: "192.168.122.10"})
	if got := holder("fixed"); got != "192.168.122.10" {
		t.Errorf("fixed is %s, its reservation is another", got)
	}
	converse(t, s, leases, ask{kind: release, mac: 1, id: "\x01new", ci: "192.168.122.103"})
	take(ask{mac: 2, ip: "192.168.122.102", name: "Web"})
	if got := holder("web"); got != "192.168.122.102" {
		t.Errorf("web is %s after its holder left", got)
	}
}

func TestMatchesLookAtOptionValues(t *testing.T) {
	for _, c := range []struct {
		m    Match
		sent string
		want bool
	}{
		{Match{}, "", true},
		{Match{Value: []byte{7}}, "\x00\x07", true},
		{Match{Value: []byte{0, 7}}, "\x00\x00\x00\x07", true},
		{Match{Value: []byte{0, 7}}, "\x01\x00\x07", false},
		{Match{Value: []byte("PXE"), Text: true}, "xPXEx", true},
		{Match{Value: []byte("PXE"), Exact: true}, "xPXE", false},
		{Match{Value: []byte{1, 0, 3}, Mask: []byte{255, 0, 255}, Exact: true}, "\x01\x09\x03\x04", true},
		{Match{Value: []byte{1, 2}}, "\x01", false},
	} {
		if got := c.m.matchesValue([]byte(c.sent)); got != c.want {
			t.Errorf("%+v in %q: %v", c.m, c.sent, got)
		}
	}
}

func TestConditionsWithoutTagsAreTheLastResort(t *testing.T) {
	r := Rules{
		Options: []OptionRule{{Code: 1, Value: []byte("a")}, {Code: 1, Value: []byte("b"), If: Condition{"x"}}, {Code: 1, Value: []byte("c")}},
		TagIfs:  []TagIf{{If: Condition{"y", "!z"}, Tags: []string{"x"}}},
	}
	for _, c := range []struct {
		tags []string
		want string
	}{{nil, "c"}, {[]string{"x"}, "b"}, {[]string{"y"}, "b"}, {[]string{"y", "z"}, "c"}} {
		if got := string(r.choose(r.derive(c.tags)).of(1).Value); got != c.want {
			t.Errorf("%v: %s, want %s", c.tags, got, c.want)
		}
	}
}

// A reservation without an address says nothing of the address.
func TestReservationsMayDoWithoutAddress(t *testing.T) {
	cfg := testConfig()
	cfg.Reservations = []Reservation{{MAC: macOf(7), Name: "seven", Tags: []string{"seven"}}, {MAC: macOf(8), Ignore: true}}
	cfg.Rules.Options = []OptionRule{{Code: 42, Value: []byte{1, 2, 3, 4}, If: Condition{"seven", "known"}, Force: true}}
	s, leases := newService4(cfg), lease.NewTable()
	got := converse(t, s, leases, ask{kind: discover, mac: 7, ip: "192.168.122.77", prl: "\x0c"})
	if want := "OFFER 192.168.122.77 to mac 7" + basics + " 12=seven 42=\"\\x01\\x02\\x03\\x04\""; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := converse(t, s, leases, ask{kind: discover, mac: 8}); got != "" && got != "silence" {
		t.Errorf("an ignored client got %s", got)
	}
	if got := converse(t, s, leases, ask{kind: dhcpv4.MessageTypeNone, mac: 7}); got != "" && got != "silence" {
		t.Errorf("BOOTP got %s", got)
	}
}
