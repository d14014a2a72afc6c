package bridge_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/bridge"
)

func (h host) events(t testing.TB) <-chan bridge.Event {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var events <-chan bridge.Event
	var err error
	h.Do(func() { events, err = h.conn.Events(ctx) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		for range events {
		}
	})
	return events
}

// expect reads events until the wanted one.
func expect(t *testing.T, events <-chan bridge.Event, want bridge.Event) {
	t.Helper()
	timeout := time.After(5 * time.Second)
	var seen []bridge.Event
	for {
		select {
		case e := <-events:
			if e == want {
				return
			}
			seen = append(seen, e)
		case <-timeout:
			t.Fatalf("no event %v among %v", want, seen)
		}
	}
}

func drain(events <-chan bridge.Event) (n int) {
	for {
		select {
		case <-events:
			n++
		case <-time.After(50 * time.Millisecond):
			return n
		}
	}
}

func TestEventsTellOfChanges(t *testing.T) {
	h := newHost(t)
	h.apply(t, nat())
	h.Veth(t, "p0", h.NS, "p1")
	events := h.events(t)
	changed, gone := bridge.LinkChanged, bridge.LinkGone
	for _, step := range []struct {
		command string
		want    bridge.Event
	}{
		{"ip addr del 192.168.122.1/24 dev virbr0", bridge.Event{Kind: changed, Link: "virbr0"}},
		{"ip -6 addr add fd00::1/64 dev p0 nodad", bridge.Event{Kind: changed, Link: "p0"}},
		{"ip link set virbr0 down", bridge.Event{Kind: changed, Link: "virbr0"}},
		{"ip link set virbr0 up", bridge.Event{Kind: changed, Link: "virbr0"}},
		{"ip link set p0 master virbr0", bridge.Event{Kind: changed, Link: "virbr0"}},
		{"ip link set p0 nomaster", bridge.Event{Kind: changed, Link: "p0"}},
		{"ip link set p0 down; ip link set p0 name q0", bridge.Event{Kind: gone, Link: "p0"}},
		{"ip link set q0 up", bridge.Event{Kind: changed, Link: "q0"}},
		{"ip link del virbr0", bridge.Event{Kind: gone, Link: "virbr0"}},
		{"ip link add virbr0 type bridge", bridge.Event{Kind: changed, Link: "virbr0"}},
	} {
		drain(events)
		h.Run(t, step.command)
		t.Log(step.command)
		expect(t, events, step.want)
	}
}

// TestPortThatLeavesIsNotGone is about the kernel's way of saying so.
func TestPortThatLeavesIsNotGone(t *testing.T) {
	h := newHost(t)
	h.apply(t, nat())
	h.port(t, "p0")
	events := h.events(t)
	h.Run(t, "ip link set p0 nomaster; ip link add sentinel type bridge")
	for e := range events {
		if e.Kind == bridge.LinkGone {
			t.Errorf("got %v", e)
		}
		if e.Link == "sentinel" {
			return
		}
	}
}

func TestSlowReaderIsToldOfTheLossAndGoesOn(t *testing.T) {
	h := newHost(t)
	events := h.events(t)
	// Nobody reads while far more happens than the buffer holds.
	h.Run(t, "ip link add br0 up type bridge")
	h.churn(t, 12000)
	expect(t, events, bridge.Event{Kind: bridge.EventsLost})
	drain(events)
	h.Run(t, "ip link add after type bridge")
	expect(t, events, bridge.Event{Kind: bridge.LinkChanged, Link: "after"})
}

// churn makes n changes of a link.
func (h host) churn(t testing.TB, n int) {
	t.Helper()
	h.Run(t, fmt.Sprintf("i=0; while [ $i -lt %d ]; do echo link set br0 alias $i; i=$((i+1)); done | ip -batch -", n))
}
