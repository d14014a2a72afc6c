package bridge_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/bridge"
)

func TestClaimedBridgeIsOursWithAllThatIsOnIt(t *testing.T) {
	h := newHost(t)
	want := nat()
	h.Run(t, "ip link add virbr0 type bridge")
	h.Run(t, "ip addr add 192.168.122.1/24 dev virbr0")
	h.Run(t, "ip link set virbr0 up")
	h.Run(t, "ip route add 10.9.0.0/16 via 192.168.122.9 dev virbr0 metric 1")
	h.port(t, "vnet1")
	claim := func(name, owner string) (err error) {
		h.Do(func() { err = h.conn.Claim(context.Background(), name, owner) })
		return err
	}
	for range 2 {
		if err := claim("virbr0", want.Owner); err != nil {
			t.Fatal(err)
		}
	}
	if out := h.Run(t, "ip route show dev virbr0"); strings.Contains(out, "10.9.0.0") {
		t.Errorf("routes:\n%s", out)
	}
	h.apply(t, want)
	if out := h.Run(t, "ip link show vnet1"); !strings.Contains(out, "master virbr0") {
		t.Errorf("port: %s", out)
	}
	if err := claim("virbr0", "another"); !errors.Is(err, bridge.ErrLinkExists) {
		t.Errorf("another's bridge was claimed: %v", err)
	}
	if err := claim("vnet1", "x"); !errors.Is(err, bridge.ErrLinkExists) {
		t.Errorf("a link that is no bridge was claimed: %v", err)
	}
	if err := claim("nothere", "x"); !errors.Is(err, bridge.ErrLinkNotFound) {
		t.Errorf("a missing link: %v", err)
	}
}
