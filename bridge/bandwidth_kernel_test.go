package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

const mb = 1000 * 1000

// shaped is a network that limits what goes to its guests.
func shaped(average, peak uint64) bridge.Config {
	c := nat()
	c.Bandwidth = &bridge.Bandwidth{Inbound: &bridge.Rate{Average: average, Peak: peak, Burst: 64 << 10}}
	return c
}

// tc shows all traffic control of a link, without counters.
func (h host) tc(t testing.TB, link string) string {
	t.Helper()
	return h.Run(t, "tc qdisc show dev "+link+"; tc class show dev "+link+"; tc filter show dev "+link+"; tc filter show dev "+link+" ingress")
}

func (h host) tune(t testing.TB, want bridge.Tuning) error {
	t.Helper()
	var err error
	h.Do(func() { err = h.conn.Tune(context.Background(), want) })
	return err
}

func wantLines(t *testing.T, have string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(have, line) {
			t.Errorf("%q is not in\n%s", line, have)
		}
	}
}

func TestInboundLimitMakesClasses(t *testing.T) {
	h := newHost(t)
	h.apply(t, shaped(mb, 2*mb))
	have := h.tc(t, nat().Name)
	wantLines(t, have,
		"qdisc htb 1: root refcnt 2 r2q 10 default 0x2",
		"class htb 1:1 root rate 8Mbit ceil 16Mbit",
		"class htb 1:2 parent 1:1 ",
		"rate 8Mbit ceil 16Mbit burst 64Kb cburst 2000b")
	events := h.events(t)
	h.apply(t, shaped(mb, 2*mb))
	if diff := gocmp.Diff(have, h.tc(t, nat().Name)); diff != "" {
		t.Errorf("applied twice (-once +twice):\n%s", diff)
	}
	h.Run(t, "ip link add sentinel type bridge")
	if e := <-events; e.Link != "sentinel" {
		t.Errorf("applying again changed %v", e)
	}
}

func TestLimitChangesLiveAndGoes(t *testing.T) {
	h := newHost(t)
	fresh := h.tcAfter(t, nat())
	h.apply(t, shaped(5*mb, 0))
	want := h.tc(t, nat().Name)
	h.apply(t, shaped(mb, 2*mb))
	h.apply(t, shaped(5*mb, 0))
	if diff := gocmp.Diff(want, h.tc(t, nat().Name)); diff != "" {
		t.Errorf("changed and back (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(fresh, h.tcAfter(t, nat())); diff != "" {
		t.Errorf("left behind (-want +got):\n%s", diff)
	}
}

func (h host) tcAfter(t testing.TB, want bridge.Config) string {
	t.Helper()
	h.apply(t, want)
	return h.tc(t, want.Name)
}

func TestRatesBeyond32BitsAreKept(t *testing.T) {
	h := newHost(t)
	h.apply(t, shaped(6000*mb, 0))
	have := h.tc(t, nat().Name)
	wantLines(t, have, "rate 48Gbit ceil 48Gbit")
	h.apply(t, shaped(6000*mb, 0))
	if diff := gocmp.Diff(have, h.tc(t, nat().Name)); diff != "" {
		t.Errorf("applied twice:\n%s", diff)
	}
}

func TestFloorIsTakenOffTheRest(t *testing.T) {
	h := newHost(t)
	want := shaped(10*mb, 20*mb)
	limit := *want.Bandwidth.Inbound
	h.apply(t, want)
	plain := h.tc(t, want.Name)
	floors := func(list ...bridge.Floor) {
		t.Helper()
		h.Do(func() {
			if err := h.conn.SetFloors(context.Background(), want.Name, limit, list); err != nil {
				t.Error(err)
			}
		})
	}
	first := bridge.Floor{Class: 3, MAC: mac("52:54:00:11:22:33"), Rate: 4 * mb, Weight: mb}
	second := bridge.Floor{Class: 4, MAC: mac("52:54:00:11:22:44"), Rate: mb}
	floors(first)
	floors(first, second)
	have := h.tc(t, want.Name)
	wantLines(t, have,
		"class htb 1:3 parent 1:1", "rate 32Mbit ceil 160Mbit",
		"class htb 1:4 parent 1:1", "rate 8Mbit ceil 160Mbit",
		"rate 40Mbit ceil 160Mbit", // 1:2
		"flowid 1:3", "match 00112233/ffffffff at -12", "match 00005254/0000ffff at -16")
	floors(first, second)
	h.apply(t, want)
	if diff := gocmp.Diff(have, h.tc(t, want.Name)); diff != "" {
		t.Errorf("a floor set twice, and a bridge applied with floors (-want +got):\n%s", diff)
	}
	// A guest's MAC address changes; a slower network is slower for floors too.
	first.MAC = mac("52:54:00:99:99:99")
	floors(first, second)
	limit.Peak = 15 * mb
	h.apply(t, shaped(10*mb, 15*mb))
	have = h.tc(t, want.Name)
	wantLines(t, have, "match 00999999/ffffffff at -12", "rate 32Mbit ceil 120Mbit")
	if strings.Contains(have, "112233") {
		t.Errorf("the old address still has the class:\n%s", have)
	}
	h.apply(t, want)
	limit.Peak = 20 * mb
	floors(second)
	floors()
	floors()
	have = strings.ReplaceAll(h.tc(t, want.Name), "filter parent 1: protocol all pref 2 u32 chain 0 \nfilter parent 1: protocol all pref 2 u32 chain 0 fh 800: ht divisor 1 \n", "")
	if diff := gocmp.Diff(plain, have); diff != "" {
		t.Errorf("after both are gone (-want +got):\n%s", diff)
	}
}

func TestFloorNeedsALimit(t *testing.T) {
	h := newHost(t)
	h.apply(t, nat())
	h.Do(func() {
		set := func(floors ...bridge.Floor) error {
			return h.conn.SetFloors(context.Background(), nat().Name, bridge.Rate{Average: mb}, floors)
		}
		good := bridge.Floor{Class: 3, MAC: mac("52:54:00:11:22:33"), Rate: 1}
		if err := set(good); !errors.Is(err, bridge.ErrNoBandwidth) {
			t.Errorf("got %v", err)
		}
		good.Class = 2
		if err := set(good); err == nil || errors.Is(err, bridge.ErrNoBandwidth) {
			t.Errorf("the class of the rest as a floor: %v", err)
		}
		if err := set(); err != nil {
			t.Error(err)
		}
	})
}

// TestOutboundLimit holds on every kernel: with a policer it is there, without
// one the error says so and nothing stays behind.
func TestOutboundLimit(t *testing.T) {
	h := newHost(t)
	h.Run(t, "ip link add br0 type bridge")
	before := h.tc(t, "br0")
	limit := bridge.Tuning{Name: "br0", Bandwidth: &bridge.Bandwidth{Outbound: &bridge.Rate{Average: mb}}}
	err := h.tune(t, limit)
	if errors.Is(err, bridge.ErrNotInKernel) {
		wantLines(t, err.Error(), "limit outbound traffic: this kernel lacks the policing action of traffic control (module act_police)")
		t.Log("the kernel lacks a policer")
	} else if err != nil {
		t.Fatal(err)
	} else {
		have := h.tc(t, "br0")
		wantLines(t, have, "qdisc ingress ffff:", "rate 8Mbit burst 1", "action drop")
		if err := h.tune(t, limit); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(have, h.tc(t, "br0")); diff != "" {
			t.Errorf("applied twice:\n%s", diff)
		}
		if err := h.tune(t, bridge.Tuning{Name: "br0"}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := gocmp.Diff(before, h.tc(t, "br0")); diff != "" {
		t.Errorf("left behind:\n%s", diff)
	}
}

func TestSomebodyElsesTrafficControlIsLeftAlone(t *testing.T) {
	h := newHost(t)
	h.Run(t, "ip link add br0 type bridge; tc qdisc add dev br0 root handle 7: tbf rate 1mbit burst 10kb latency 1s; tc qdisc add dev br0 clsact")
	before := h.tc(t, "br0")
	err := h.tune(t, bridge.Tuning{Name: "br0", Bandwidth: &bridge.Bandwidth{Inbound: &bridge.Rate{Average: mb}}})
	if !errors.Is(err, bridge.ErrQdiscExists) {
		t.Errorf("got %v", err)
	}
	if err := h.tune(t, bridge.Tuning{Name: "br0"}); err != nil {
		t.Error(err)
	}
	if diff := gocmp.Diff(before, h.tc(t, "br0")); diff != "" {
		t.Errorf("changed (-before +after):\n%s", diff)
	}
}

func TestTuneOfABridgeThatIsNotThere(t *testing.T) {
	h := newHost(t)
	if err := h.tune(t, bridge.Tuning{Name: "br0"}); err != nil {
		t.Errorf("nothing is to be set: %v", err)
	}
	if err := h.tune(t, bridge.Tuning{Name: "br0", VLANFiltering: true}); !errors.Is(err, bridge.ErrLinkNotFound) {
		t.Errorf("got %v", err)
	}
}

// TestVLANFiltering holds on every kernel, as TestOutboundLimit does.
func TestVLANFiltering(t *testing.T) {
	h := newHost(t)
	own := nat()
	own.VLANFiltering = true
	err := h.try(own)
	shown := ""
	if err == nil {
		shown = h.Run(t, "ip -d link show "+own.Name)
	}
	switch {
	case errors.Is(err, bridge.ErrNotInKernel):
		t.Log("the kernel lacks VLAN filtering")
		wantLines(t, err.Error(), "this kernel lacks bridge VLAN filtering (CONFIG_BRIDGE_VLAN_FILTERING)")
		if seen := h.observe(t); len(seen.Links) > 1 {
			t.Errorf("left behind: %+v", seen.Links)
		}
	case err != nil:
		t.Fatal(err)
	default:
		wantLines(t, shown, "vlan_filtering 1")
	}
	h.Run(t, "ip link add eth9 type veth peer name x")
	if err := h.tune(t, bridge.Tuning{Name: "eth9", VLANFiltering: true}); err == nil || !strings.Contains(err.Error(), "eth9 is not a Linux bridge") {
		t.Errorf("got %v", err)
	}
}

// TestFairQueueWhereTheKernelHasOne holds on every kernel.
func TestFairQueueWhereTheKernelHasOne(t *testing.T) {
	h := newHost(t)
	h.Run(t, "ip link add probe type bridge")
	hasSFQ := strings.Contains(h.Run(t, "tc qdisc add dev probe root sfq 2>&1 || true; tc qdisc show dev probe"), "qdisc sfq")
	h.apply(t, shaped(mb, 0))
	h.apply(t, shaped(mb, 0))
	t.Logf("the kernel has SFQ: %v", hasSFQ)
	have := h.tc(t, nat().Name)
	if got := strings.Contains(have, "qdisc sfq 2: parent 1:2"); got != hasSFQ {
		t.Errorf("SFQ below 1:2: %v, the kernel has it: %v\n%s", got, hasSFQ, have)
	}
}

func TestTrafficIsLimitedAndFloorsAreFound(t *testing.T) {
	h, guest := newHost(t), kerneltest.New(t)
	want := shaped(5*mb, 0)
	want.STP = false
	h.apply(t, want)
	h.Veth(t, "v0", guest, "eth0")
	h.Run(t, "ip link set v0 master "+want.Name)
	guest.Run(t, "ip link set eth0 address 52:54:00:11:22:33; ip addr add 192.168.122.2/24 dev eth0")
	h.Run(t, "ping -c1 -W5 192.168.122.2")
	if sent := h.sent(t, want.Name, "1:2"); sent == 0 {
		t.Error("a packet to a guest is in no class")
	}

	// 1.5 MB at 5 MB/s, of which 64 KiB go at once.
	var listener net.Listener
	var err error
	guest.Do(func() { listener, err = net.Listen("tcp", "192.168.122.2:9999") })
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	received := make(chan int64, 1)
	go func() {
		c, err := listener.Accept()
		if err != nil {
			received <- -1
			return
		}
		defer c.Close()
		n, _ := io.Copy(io.Discard, c)
		received <- n
	}()
	var out net.Conn
	h.Do(func() { out, err = net.Dial("tcp", "192.168.122.2:9999") })
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := out.Write(make([]byte, 1500*1000)); err != nil {
		t.Fatal(err)
	}
	out.Close()
	if n := <-received; n != 1500*1000 {
		t.Fatalf("the guest got %d bytes", n)
	}
	if took := time.Since(began); took < 250*time.Millisecond {
		t.Errorf("1.5 MB took %v, at 5 MB/s", took)
	}

	h.Do(func() {
		err = h.conn.SetFloors(context.Background(), want.Name, *want.Bandwidth.Inbound,
			[]bridge.Floor{{Class: 3, MAC: mac("52:54:00:11:22:33"), Rate: mb}})
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Run(t, "ping -c1 -W5 192.168.122.2")
	if sent := h.sent(t, want.Name, "1:3"); sent == 0 {
		t.Error("what goes to the guest is not in its class")
	}
}

// sent is how many bytes a class has sent.
func (h host) sent(t *testing.T, link, class string) (bytes int) {
	t.Helper()
	_, of, found := strings.Cut(h.Run(t, "tc -s class show dev "+link), "class htb "+class+" ")
	if !found {
		t.Fatalf("no class %s", class)
	}
	_, of, _ = strings.Cut(of, "Sent ")
	if _, err := fmt.Sscan(of, &bytes); err != nil {
		t.Fatal(err)
	}
	return bytes
}
