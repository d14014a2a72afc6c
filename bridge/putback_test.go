package bridge_test

import (
	"context"
	"strings"
	"testing"
	"time"
)

// Spanning tree would keep the ports listening for seconds.
func TestPortsThatArePutBackForwardAtOnceAndSpanningTreeStaysOn(t *testing.T) {
	h := newHost(t)
	want := nat()
	want.STP, want.ForwardDelay = true, 2*time.Second
	h.apply(t, want)
	h.port(t, "vnet1")
	h.Veth(t, "vnet2", h.NS, "vnet2guest")
	h.Veth(t, "vnet3", h.NS, "vnet3guest")
	h.Run(t, "ip link set vnet2 up")
	h.Run(t, "ip link set vnet2guest up")
	put := func(ports ...string) {
		t.Helper()
		var err error
		h.Do(func() { err = h.conn.PutBack(context.Background(), "virbr0", ports) })
		if err != nil {
			t.Fatal(err)
		}
	}
	put("vnet2", "gone", "vnet3")
	put("vnet2", "vnet3")
	put("gone")
	if out := h.Run(t, "ip -d link show virbr0"); !strings.Contains(out, "stp_state 1 ") {
		t.Errorf("bridge: %s", out)
	}
	if out := h.Run(t, "ip -d link show vnet2"); !strings.Contains(out, "master virbr0") || !strings.Contains(out, "state forwarding") {
		t.Errorf("port: %s", out)
	}
	if out := h.Run(t, "ip link show vnet3"); !strings.Contains(out, "master virbr0") {
		t.Errorf("port: %s", out)
	}
}
