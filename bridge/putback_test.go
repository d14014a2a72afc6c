package bridge_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/bridge"
)

func (h *host) putBack(t *testing.T, ports ...bridge.Port) {
	t.Helper()
	var err error
	h.Do(func() { err = h.conn.PutBack(context.Background(), "virbr0", ports) })
	if err != nil {
		t.Fatal(err)
	}
}

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
		var all []bridge.Port
		for _, p := range ports {
			all = append(all, bridge.Port{Link: p})
		}
		h.putBack(t, all...)
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

func TestPortsThatArePutBackHaveTheirSettingsAgain(t *testing.T) {
	h := newHost(t)
	want := nat()
	want.VLANFiltering = true
	err := h.try(want)
	filters := !errors.Is(err, bridge.ErrNotInKernel)
	if want.VLANFiltering = filters; !filters {
		err = h.try(want)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.Do(func() { err = h.conn.FollowPorts(t.Context()) })
	if err != nil {
		t.Fatal(err)
	}
	h.port(t, "vnet1")
	h.port(t, "vnet2")
	h.port(t, "vnet3")
	h.Run(t, "bridge link set dev vnet1 isolated on learning off flood off mcast_flood off")
	if filters {
		h.Run(t, "bridge vlan add dev vnet1 vid 20 pvid untagged")
		h.Run(t, "bridge vlan add dev vnet1 vid 30-40")
		h.Run(t, "bridge vlan del dev vnet1 vid 1")
	}
	show := func() string {
		return h.Run(t, "bridge -d link show dev vnet1 | grep -v state | sed 's/[0-9]*://'") + h.Run(t, "bridge vlan show dev vnet1") +
			h.Run(t, "bridge -d link show dev vnet2 | grep -v state") + h.Run(t, "bridge vlan show dev vnet2")
	}
	before := show()
	for _, part := range []string{"isolated on", "learning off", "30-40", "20 PVID"} {
		if !strings.Contains(before, part) && (filters || part[0] > '9') {
			t.Fatalf("the ports lack %s:\n%s", part, before)
		}
	}
	h.Run(t, "ip link delete virbr0")
	h.apply(t, want)
	mac := net.HardwareAddr{0x52, 0x54, 0, 0, 0, 1}
	h.putBack(t, bridge.Port{Link: "vnet1", MAC: mac}, bridge.Port{Link: "vnet2"}, bridge.Port{Link: "vnet3", Isolated: true})
	if diff := cmp.Diff(before, show()); diff != "" {
		t.Errorf("ports (-before +after):\n%s", diff)
	}
	if out := h.Run(t, "bridge -d link show dev vnet3"); !strings.Contains(out, "isolated on") {
		t.Errorf("vnet3: %s", out)
	}
	var fdb []bridge.FDBEntry
	h.Do(func() { fdb, err = h.conn.FDB(context.Background(), "virbr0") })
	if err != nil {
		t.Fatal(err)
	}
	var found []bridge.FDBEntry
	for _, e := range fdb {
		if e.VLAN == 0 || e.VLAN == 20 {
			found = append(found, e)
		}
	}
	if len(found) == 0 || found[0].Port != "vnet1" || !found[0].Static || found[0].MAC.String() != mac.String() {
		t.Errorf("the bridge that does not learn knows %v", fdb)
	}
}

func TestPortOfAnotherBridgeIsNotTakenFromIt(t *testing.T) {
	h := newHost(t)
	h.apply(t, nat())
	h.Run(t, "ip link add br9 type bridge")
	h.Veth(t, "vnet1", h.NS, "vnet1guest")
	h.Run(t, "ip link set vnet1 master br9")
	h.putBack(t, bridge.Port{Link: "vnet1"})
	if out := h.Run(t, "ip link show vnet1"); !strings.Contains(out, "master br9") {
		t.Errorf("port: %s", out)
	}
}

func TestForwardingDatabaseHasWhatWasLearned(t *testing.T) {
	h := newHost(t)
	h.apply(t, nat())
	h.port(t, "vnet1")
	h.Run(t, "bridge fdb add 52:54:00:00:00:07 dev vnet1 master static")
	read := func() (fdb []bridge.FDBEntry, err error) {
		h.Do(func() { fdb, err = h.conn.FDB(context.Background(), "virbr0") })
		return fdb, err
	}
	fdb, err := read()
	want := []bridge.FDBEntry{{MAC: net.HardwareAddr{0x52, 0x54, 0, 0, 0, 7}, Port: "vnet1", Static: true}}
	for i := range fdb {
		fdb[i].Age = 0
	}
	if diff := cmp.Diff(want, fdb); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	h.Run(t, "ip link delete virbr0")
	if _, err := read(); err == nil {
		t.Error("no error without the bridge")
	}
}
