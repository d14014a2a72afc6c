package nat

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// Connections that are translated go on when their network stops translating,
// is cut off, or gets another way out. New ones follow the new rules.
func TestTranslatedConnectionsGoOn(t *testing.T) {
	from := []netip.Prefix{prefix("192.168.122.0/24")}
	for name, to := range map[string]Network{
		"route":       network("a", Route, "br-a", routed("192.168.122.0/24")),
		"isolated":    network("a", Isolated, "br-a", routed("192.168.122.0/24")),
		"open":        network("a", OpenMode, "br-a"),
		"another dev": labNAT.with(func(n *Network) { n.Dev = "eth1" }),
		"no subnet":   network("a", NAT, "br-a", nated("192.168.128.0/24")),
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			apply(t, l.conn, labNAT)
			c, err := l.dial("tcp", "a", "", "203.0.113.10:7777")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			flows, err := l.conn.Translated(t.Context(), from)
			if err != nil || len(flows) != 1 {
				t.Fatalf("translated connections: %v, %v; want one", flows, err)
			}
			apply(t, l.conn, to.with(keeping))
			for range 3 {
				if seen, err := ask(c); err != nil || !strings.HasPrefix(seen, "203.0.113.1:") {
					t.Fatalf("the connection from %q: %v", seen, err)
				}
			}
			if again, err := l.conn.Translated(t.Context(), from); err != nil || fmt.Sprint(again) != fmt.Sprint(flows) {
				t.Errorf("translated connections: %v, %v; want %v", again, err, flows)
			}
			if to.Mode == Isolated {
				if c, err := l.dial("tcp", "a", "", "203.0.113.10:7777"); err == nil {
					c.Close()
					t.Error("an isolated network's guest got a new connection")
				}
			}
		})
	}
}

// Without Keep they end: what keeps them is the rule.
func TestTranslatedConnectionsEndWithTheirRules(t *testing.T) {
	l := newLab(t)
	apply(t, l.conn, labNAT)
	c, err := l.dial("tcp", "a", "", "203.0.113.10:7777")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	apply(t, l.conn, isolatedA)
	if seen, err := ask(c); err == nil {
		t.Errorf("the connection goes on, from %q", seen)
	}
}

func TestOnlyTranslatedConnectionsOfTheSubnetsAreListed(t *testing.T) {
	l := newLab(t)
	apply(t, l.conn, labNAT, labRoute)
	for host, addr := range map[string]string{"a": "203.0.113.10:7777", "b": "203.0.113.10:7777"} {
		c, err := l.dial("tcp", host, "", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	for text, want := range map[string]int{"192.168.122.0/24": 1, "192.168.123.0/24": 0, "192.168.128.0/24": 0, "192.168.0.0/16": 1, "2001:db8:a::/64": 0} {
		if flows, err := l.conn.Translated(t.Context(), []netip.Prefix{prefix(text)}); err != nil || len(flows) != want {
			t.Errorf("%s: %v, %v; want %d", text, flows, err, want)
		}
	}
}

func TestRestartKnowsWhatIsKept(t *testing.T) {
	ns := kerneltest.New(t)
	c := openIn(t, ns)
	apply(t, c, three[0], three[1].with(keeping), network("d", OpenMode, "virbr3").with(keeping))
	c.Close()
	again := openIn(t, ns)
	for id, want := range map[string]bool{"a": false, "b": true, "d": true, "x": false} {
		if got, err := again.Kept(context.Background(), id, "net-"+id); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", id, got, err, want)
		}
	}
}

func FuzzConnections(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x02\x00\x00\x00\x14\x00\x01\x80\x10\x00\x01\x80\x08\x00\x01\x00\xc0\xa8\x7a\x0a\x08\x00\x03\x00\x00\x00\x01\x9e"))
	from := []netip.Prefix{prefix("192.168.122.0/24")}
	f.Fuzz(func(t *testing.T, msg []byte) { translatedFrom(msg, from) })
}
