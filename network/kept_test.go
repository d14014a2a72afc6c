package network

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// flow is a TCP connection of a guest to the outside.
type flow struct {
	net.Conn
	lines *bufio.Reader
}

// ask says something over the connection, and returns from what address the
// outside has it.
func (f flow) ask() (string, error) {
	_ = f.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintln(f, "who am I?"); err != nil {
		return "", err
	}
	line, err := f.lines.ReadString('\n')
	host, _, _ := net.SplitHostPort(strings.TrimSpace(line))
	return host, err
}

// world is a guest on virbr7 and a computer outside, which tells who asks.
type world struct{ guest, outside *kerneltest.NS }

func newWorld(t *testing.T, s *site) world {
	w := world{kerneltest.New(t), kerneltest.New(t)}
	s.ns.Veth(t, "tap0", w.guest, "eth0")
	s.ns.Veth(t, "wan0", w.outside, "eth0")
	s.ns.Run(t, "ip addr add 203.0.113.1/24 dev wan0; ip link set tap0 master virbr7")
	w.guest.Run(t, "ip addr add 192.168.77.50/24 dev eth0; ip route add default via 192.168.77.1")
	w.outside.Run(t, "ip addr add 203.0.113.10/24 dev eth0")
	w.outside.Do(func() {
		l, err := net.Listen("tcp4", "203.0.113.10:7777")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				go func() {
					defer c.Close()
					for in := bufio.NewScanner(c); in.Scan(); {
						fmt.Fprintln(c, c.RemoteAddr())
					}
				}()
			}
		}()
	})
	return w
}

// dial connects the guest to the outside; nil if it cannot.
func (w world) dial(t *testing.T) *flow {
	var c net.Conn
	var err error
	w.guest.Do(func() { c, err = net.DialTimeout("tcp4", "203.0.113.10:7777", 500*time.Millisecond) })
	if err != nil {
		return nil
	}
	t.Cleanup(func() { c.Close() })
	return &flow{c, bufio.NewReader(c)}
}

const quickBridge = "<bridge name='virbr7' stp='off'/><ip address='192.168.77.1' netmask='255.255.255.0'/>"

// A guest's download through NAT goes on whatever becomes of the network, and
// of the daemon. What begins afterwards follows the new rules; and when the
// download has ended, the host is as if the network had been started so.
func TestTranslatedConnectionGoesOnWhenItsNetworkStopsTranslating(t *testing.T) {
	bodies := []string{
		"<forward mode='route'/>" + quickBridge,
		quickBridge,
		"<forward mode='open'/>" + quickBridge,
		"<forward mode='nat' dev='lo'/>" + quickBridge,
	}
	var want []string
	for _, body := range bodies {
		s := newSite(t)
		want = append(want, s.footprint(s.mustStart(liveDoc(body)).UUID))
		s.stop()
	}
	for i, body := range bodies {
		t.Run(strings.SplitN(body, "/>", 2)[0][1:], func(t *testing.T) {
			s := newSite(t)
			ref := s.mustStart(liveDoc("<forward mode='nat'/>" + quickBridge))
			w := newWorld(t, s)
			old := w.dial(t)
			if old == nil {
				t.Fatal("no connection through NAT")
			}
			goesOn := func(when string) {
				t.Helper()
				if from, err := old.ask(); err != nil || from != "203.0.113.1" {
					t.Fatalf("%s: the connection from %q: %v", when, from, err)
				}
			}
			goesOn("at first")
			if _, err := s.DefineLive(t.Context(), []byte(liveDoc(body)), false); err != nil {
				t.Fatal(err)
			}
			goesOn("after the change")
			s.dropEnded(t.Context())
			goesOn("after a look at what has ended")
			s.stop()
			s.start()
			goesOn("after a restart")
			s.dropEnded(t.Context())
			goesOn("after another look")
			if c := w.dial(t); c != nil {
				// Untranslated, the outside does not know the way back.
				t.Error("a new connection is translated, or let out")
			}
			old.Close()
			s.ns.Run(t, "conntrack -F >/dev/null 2>&1")
			s.dropEnded(t.Context())
			s.ns.Run(t, "ip link del tap0; ip link del wan0")
			if diff := cmp.Diff(want[i], s.footprint(ref.UUID)); diff != "" {
				t.Errorf("(-started so +changed):\n%s", diff)
			}
		})
	}
}

// Where nothing is translated at the moment there is nothing to keep, and the
// rules are those of a start at once.
func TestNoConnectionsNoRuleForThem(t *testing.T) {
	s := newSite(t)
	s.mustStart(liveDoc("<forward mode='nat'/>" + quickBridge))
	if _, err := s.DefineLive(t.Context(), []byte(liveDoc("<forward mode='open'/>"+quickBridge)), false); err != nil {
		t.Fatal(err)
	}
	if rules := s.ns.Run(t, "nft list ruleset"); rules != "" {
		t.Errorf("rules of an open network:\n%s", rules)
	}
}
