package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

const attachDoc = `<network><name>n</name><forward mode='nat'/><bridge name='virbr7' stp='off'/><mtu size='1400'/><domain name='lan'/>
<ip address='192.168.77.1' netmask='255.255.255.0'><dhcp><range start='192.168.77.2' end='192.168.77.4'/>
<host mac='52:54:00:00:00:99' ip='192.168.77.99'/></dhcp></ip></network>`

func (s *site) mustAttach(id xmlnet.UUID, req AttachRequest) AttachedLink {
	s.t.Helper()
	a, err := s.Attach(context.Background(), id, req)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// leased lists a network's leases as "ADDR MAC NAME" without ends.
func (s *site) leased(id xmlnet.UUID) (all []string) {
	s.t.Helper()
	leases, err := s.Leases(id, "")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, l := range leases {
		line := strings.TrimSpace(l.Addr.String() + " " + l.MAC.String() + " " + l.Hostname)
		if !l.Expiry.IsZero() {
			line += " ends"
		}
		all = append(all, line)
	}
	slices.Sort(all)
	return all
}

func mustMAC(text string) net.HardwareAddr {
	mac, err := net.ParseMAC(text)
	if err != nil {
		panic(err)
	}
	return mac
}

// wait waits for what happens by itself.
func (s *site) wait(what string, done func() bool) {
	s.t.Helper()
	kerneltest.Wait(s.t, 20*time.Second, what, done)
}

func TestAttachedTapIsAPortWithAnAddress(t *testing.T) {
	s := newSite(t)
	id := s.mustStart(attachDoc).UUID
	req := AttachRequest{Caller: 7, Link: "fc0", MAC: mustMAC("52:54:00:00:00:01"), Name: "web", MACRule: true, Isolated: true}
	a := s.mustAttach(id, req)
	want := AttachedLink{
		Attachment: a.Attachment, On: Ref{Name: "n", UUID: id}, Bridge: "virbr7", MTU: 1400, Domain: "lan",
		Addrs:    []netip.Prefix{netip.PrefixFrom(a.Addr, 24)},
		Gateways: []netip.Addr{netip.MustParseAddr("192.168.77.1")}, Resolvers: []netip.Addr{netip.MustParseAddr("192.168.77.1")},
	}
	same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	samePrefix := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if diff := cmp.Diff(want, a, same, samePrefix); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !netip.MustParsePrefix("192.168.77.0/29").Contains(a.Addr) || *a.Tap.User != 7 {
		t.Errorf("address %s of user %d", a.Addr, *a.Tap.User)
	}
	if got := s.connections(id); got != 1 {
		t.Errorf("%d connections", got)
	}
	if diff := cmp.Diff([]string{a.Addr.String() + " 52:54:00:00:00:01 web"}, s.leased(id)); diff != "" {
		t.Errorf("leases (-want +got):\n%s", diff)
	}
	if got := s.ask("web.lan."); got != a.Addr.String() {
		t.Errorf("web.lan is %s", got)
	}
	p, err := s.Port(id, a.UUID)
	if err != nil || p.Owner != "web" || p.Isolated != xmlnet.Yes {
		t.Errorf("port %+v %v", p, err)
	}
	links := s.ns.Run(t, "ip -o -d link show dev fc0; nft list table bridge vnetmgr")
	for _, want := range []string{"master virbr7", "mtu 1400", "isolated on", "ether saddr != 52:54:00:00:00:01", "ip saddr " + a.Addr.String()} {
		if !strings.Contains(links, want) {
			t.Errorf("no %q in:\n%s", want, links)
		}
	}
	again := s.mustAttach(id, req)
	if !again.Known || again.UUID != a.UUID {
		t.Errorf("attached again: %+v", again)
	}
	req.MAC = mustMAC("52:54:00:00:00:02")
	if _, err := s.Attach(context.Background(), id, req); !errors.Is(err, ErrOperationInvalid) || !strings.Contains(err.Error(), "another MAC address") {
		t.Errorf("attached otherwise: %v", err)
	}
}

func TestDetachLeavesNothing(t *testing.T) {
	s := newSite(t)
	id := s.mustStart(attachDoc).UUID
	ns := kerneltest.New(t)
	s.ns.Run(t, "ip tuntap add theirs mode tap user 7")
	before := s.kernelState()
	for _, req := range []AttachRequest{
		{Link: "fc0", MACRule: true, Name: "a"},
		{Caller: 7, Link: "theirs", Existing: true, Name: "b"},
		{Netns: ns.Path(), Name: "c"},
	} {
		a := s.mustAttach(id, req)
		if err := s.Detach(context.Background(), id, a.UUID); err != nil {
			t.Fatal(err)
		}
		if err := s.Detach(context.Background(), id, a.UUID); !errors.Is(err, ErrNoPort) {
			t.Errorf("detached again: %v", err)
		}
	}
	after := strings.ReplaceAll(s.kernelState(), "NO-CARRIER,BROADCAST,MULTICAST,UP", "BROADCAST,MULTICAST")
	if !strings.Contains(after, "theirs") || strings.Contains(after, "master virbr7") || strings.Contains(after, "table bridge") || strings.Contains(after, "fc0") {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if got := s.leased(id); len(got) != 0 || s.connections(id) != 0 {
		t.Errorf("leases %q, %d connections", got, s.connections(id))
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "attached", "*")); len(left) != 0 {
		t.Errorf("records %q", left)
	}
	for _, name := range []string{"a", "b", "c"} {
		if got := s.ask(name + ".lan."); got != "" {
			t.Errorf("%s is %s", name, got)
		}
	}
}

func TestAttachedNamespaceIsConfigured(t *testing.T) {
	s := newSite(t)
	id := s.mustStart(attachDoc).UUID
	ns := kerneltest.New(t)
	req := AttachRequest{Netns: ns.Path(), GuestLink: "net0", Addr: netip.MustParseAddr("192.168.77.50"), Name: "box", MACRule: true}
	a := s.mustAttach(id, req)
	ns.Run(t, "ping -c 1 -W 5 192.168.77.1; ip route get 8.8.8.8 | grep -q 'via 192.168.77.1'; ip link show net0 | grep -q 'mtu 1400'")
	if diff := cmp.Diff([]string{"192.168.77.50 " + a.MAC.String() + " box"}, s.leased(id)); diff != "" {
		t.Errorf("leases (-want +got):\n%s", diff)
	}
	if again := s.mustAttach(id, req); !again.Known {
		t.Error("the same namespace was attached twice")
	}
	req.Netns = s.ns.Path() // another one
	if _, err := s.Attach(context.Background(), id, req); err == nil {
		t.Error("two have one address")
	}
}

func TestRefusedAttachmentsLeaveNothing(t *testing.T) {
	s := newSite(t)
	id := s.mustStart(attachDoc).UUID
	s.mustAttach(id, AttachRequest{Link: "fc0", MAC: mustMAC("52:54:00:00:00:01"), Addr: netip.MustParseAddr("192.168.77.50"), Name: "web"})
	s.ns.Run(t, "ip link add eth7 type veth peer name eth8; ip tuntap add theirs mode tap user 8; ip tuntap add tun7 mode tun")
	before := s.kernelState() + s.ns.Run(t, "nft list tables")
	addr := netip.MustParseAddr
	tests := []struct {
		name string
		req  AttachRequest
		want string
	}{
		{"a MAC address that is taken", AttachRequest{MAC: mustMAC("52:54:00:00:00:01")}, "has the MAC address 52:54:00:00:00:01 already"},
		{"a group's MAC address", AttachRequest{MAC: mustMAC("01:00:5e:00:00:01")}, "01:00:5e:00:00:01"},
		{"a MAC address that is none", AttachRequest{MAC: mustMAC("00:00:00:00:00:00")}, "00:00:00:00:00:00"},
		{"an address that is taken", AttachRequest{Addr: addr("192.168.77.50")}, "192.168.77.50 is of the link 'fc0'"},
		{"a reserved address", AttachRequest{Addr: addr("192.168.77.99")}, "192.168.77.99 is reserved for 52:54:00:00:00:99"},
		{"an address of elsewhere", AttachRequest{Addr: addr("10.0.0.1")}, "10.0.0.1 is in no subnet"},
		{"the host's address", AttachRequest{Addr: addr("192.168.77.1")}, "is the host's"},
		{"the subnet's address", AttachRequest{Addr: addr("192.168.77.255")}, "is that of the whole subnet"},
		{"a name that is taken", AttachRequest{Name: "WEB"}, "the name 'WEB' is another's"},
		{"a name that is none", AttachRequest{Name: "a.b"}, "'a.b' is not a host name"},
		{"a link that is there", AttachRequest{Link: "eth7"}, "there is a link 'eth7' already"},
		{"a link's name that is none", AttachRequest{Link: "a/b"}, "cannot be a link's name"},
		{"a link's name that no rules can have", AttachRequest{Link: "a@b", MACRule: true}, "cannot name a chain"},
		{"a portgroup that is not there", AttachRequest{PortGroup: "fast"}, "network 'n' has no portgroup 'fast'"},
		{"a link that is no tap", AttachRequest{Link: "eth7", Existing: true}, "'eth7' is not a tap"},
		{"a tun", AttachRequest{Link: "tun7", Existing: true}, "'tun7' is not a tap"},
		{"a tap that is not there", AttachRequest{Link: "tap9", Existing: true}, "there is no tap 'tap9'"},
		{"another user's tap", AttachRequest{Caller: 7, Link: "theirs", Existing: true}, "is not of user 7"},
		{"a namespace that is not there", AttachRequest{Netns: "nowhere"}, "there is no network namespace '/run/netns/nowhere'"},
		{"a file", AttachRequest{Netns: "/etc/passwd"}, "is not a network namespace"},
		{"a file in a file", AttachRequest{Netns: "/etc/passwd/ns"}, "there is no network namespace"},
		{"a path that is too long", AttachRequest{Netns: "/" + strings.Repeat("x", 300)}, "there is no network namespace"},
		{"a process that is not there", AttachRequest{Netns: "99999999"}, "there is no process 99999999"},
		{"a portgroup's promise that cannot be kept", AttachRequest{Bandwidth: &xmlnet.Bandwidth{Inbound: &xmlnet.Rate{Average: 1, Floor: 1}}}, "network 'n' has no inbound QoS set"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.Attach(context.Background(), id, tt.req)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	if diff := cmp.Diff(before, s.kernelState()+s.ns.Run(t, "nft list tables")); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	if got := s.connections(id); got != 1 {
		t.Errorf("%d connections", got)
	}
}

func TestAttachFailingHalfwayIsTakenBack(t *testing.T) {
	s := newSite(t)
	id := s.mustStart(attachDoc).UUID
	before := s.kernelState()
	s.stop()
	s.calling = func(method string) {
		if method == "MakePort" {
			s.ns.Run(t, "ip link del virbr7")
		}
	}
	s.start()
	_, err := s.Attach(context.Background(), id, AttachRequest{Link: "fc0", MACRule: true, Name: "web"})
	if err == nil {
		t.Fatal("attached to a bridge that is not there")
	}
	s.wait("the bridge is back", func() bool {
		return s.ns.Command("ip", "addr", "show", "dev", "virbr7").Run() == nil && strings.Contains(s.kernelState(), "192.168.77.1/24")
	})
	if after := s.kernelState(); strings.Contains(after, "fc0") || strings.Contains(after, "table bridge") {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if got := s.leased(id); len(got) != 0 || s.connections(id) != 0 {
		t.Errorf("leases %q, %d connections", got, s.connections(id))
	}
}

func TestOnlyNetworksWithABridgeTakeLinks(t *testing.T) {
	s := newSite(t)
	s.ns.Run(t, "ip link add up0 type veth peer name up1")
	macvtap := s.mustStart(`<network><name>m</name><forward mode='passthrough'><interface dev='up0'/></forward></network>`).UUID
	if _, err := s.Attach(context.Background(), macvtap, AttachRequest{}); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "passthrough") {
		t.Errorf("mode passthrough: %v", err)
	}
	inactive := s.mustDefine(attachDoc).UUID
	if _, err := s.Attach(context.Background(), inactive, AttachRequest{}); !errors.Is(err, ErrOperationInvalid) {
		t.Errorf("inactive: %v", err)
	}
	if _, err := s.Attach(context.Background(), xmlnet.UUID{}, AttachRequest{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	s.ns.Run(t, "ip link add br9 type bridge; ip link set br9 up mtu 1300")
	host := s.mustStart(`<network><name>h</name><forward mode='bridge'/><bridge name='br9'/></network>`).UUID
	a := s.mustAttach(host, AttachRequest{Link: "fc0", Isolated: true})
	if a.Addr.IsValid() || a.MTU != 1300 {
		t.Errorf("on the host's bridge: %+v", a)
	}
	s.ns.Run(t, "ip -d link show dev fc0 | grep -q 'isolated on'; ip link show dev fc0 | grep -q 'mtu 1300.*master br9'")
}

func TestAttachmentsOutliveDaemonNetworkAndBoot(t *testing.T) {
	s := newSite(t)
	id := s.mustStart(attachDoc).UUID
	box := kerneltest.New(t)
	tap := s.mustAttach(id, AttachRequest{Caller: 7, Link: "fc0", Name: "web", MACRule: true, Isolated: true})
	inside := s.mustAttach(id, AttachRequest{Netns: box.Path(), Name: "box"})
	check := func(when string, connections int) {
		t.Helper()
		if out := s.ns.Run(t, "ip -d -o link show dev fc0; nft list table bridge vnetmgr"); !strings.Contains(out, "isolated on") || !strings.Contains(out, "ip saddr "+tap.Addr.String()) {
			t.Errorf("%s:\n%s", when, out)
		}
		if got := s.connections(id); got != connections {
			t.Errorf("%s: %d connections", when, got)
		}
		if got := s.leased(id); len(got) != connections {
			t.Errorf("%s: leases %q", when, got)
		}
	}
	ping := func(when string) {
		t.Helper()
		if out, err := box.Command("ping", "-c", "1", "-W", "5", "192.168.77.1").CombinedOutput(); err != nil {
			t.Errorf("%s: %s", when, out)
		}
	}
	s.stop()
	s.ns.Run(t, "ip link set fc0 nomaster; nft delete table bridge vnetmgr")
	s.start()
	check("after a restart", 2)
	ping("after a restart")

	if err := s.Destroy(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	check("after destroy and start", 2)
	ping("after destroy and start")

	s.ns.Run(t, "ip link del virbr7")
	s.wait("ports are back after the bridge was deleted", func() bool {
		return strings.Count(s.ns.Run(t, "ip -o link show master virbr7 2>/dev/null || true"), "\n") == 2
	})
	check("after the bridge was deleted", 2)
	ping("after the bridge was deleted")

	s.ns.Run(t, "ip link del fc0")
	s.wait("the tap is back", func() bool {
		return strings.Contains(s.ns.Run(t, "ip -o -d link show dev fc0 2>/dev/null || true"), "isolated on")
	})
	check("after the tap was deleted", 2)

	s.stop() // and boot: nothing is left of run directory and links
	if err := os.RemoveAll(filepath.Join(s.dir, "run")); err != nil {
		t.Fatal(err)
	}
	s.ns.Run(t, "ip link del virbr7; ip link del fc0; ip link del "+inside.Link+"; nft flush ruleset")
	s.start()
	if err := s.Start(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	check("after a boot, without the namespace", 1)
}

func TestDeletedNamespaceIsForgotten(t *testing.T) {
	s := newSite(t)
	id := s.mustStart(attachDoc).UUID
	box := exec.Command("unshare", "-n", "sleep", "600")
	if err := box.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		box.Process.Kill()
		box.Wait()
	})
	defer end()
	own, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	s.wait("the process has a namespace of its own", func() bool {
		its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", box.Process.Pid))
		return err == nil && its != own
	})
	a := s.mustAttach(id, AttachRequest{Netns: fmt.Sprint(box.Process.Pid), Name: "box"})
	if got := s.connections(id); got != 1 {
		t.Errorf("%d connections", got)
	}
	end()
	s.wait("the port is gone", func() bool { return s.connections(id) == 0 })
	s.wait("the lease is gone", func() bool { return len(s.leased(id)) == 0 })
	if err := s.Detach(context.Background(), id, a.UUID); !errors.Is(err, ErrNoPort) {
		t.Error(err)
	}
}

func TestAttachmentsOfAForgottenNetworkGo(t *testing.T) {
	s := newSite(t)
	id := s.mustStart(attachDoc).UUID
	s.mustAttach(id, AttachRequest{Link: "fc0", MACRule: true})
	if err := s.Undefine(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	if left := s.kernelState(); strings.Contains(left, "fc0") || strings.Contains(left, "table bridge") {
		t.Errorf("left:\n%s", left)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "attached", "*")); len(left) != 0 {
		t.Errorf("records %q", left)
	}
}

func TestAnotherProgramsTapIsAttachedWhenItIsThereAgain(t *testing.T) {
	s := newSite(t)
	id := s.mustStart(attachDoc).UUID
	s.ns.Run(t, "ip tuntap add theirs mode tap user 7")
	a := s.mustAttach(id, AttachRequest{Caller: 7, Link: "theirs", Existing: true})
	if err := s.Destroy(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	other := s.mustStart(strings.NewReplacer("192.168.77.", "192.168.78.", "<name>n<", "<name>m<", "virbr7", "virbr8").Replace(attachDoc)).UUID
	s.ns.Run(t, "ip link set theirs nomaster")
	_, err := s.Attach(t.Context(), other, AttachRequest{Caller: 7, Link: "theirs", Existing: true, Key: "k"})
	if err == nil || !strings.Contains(err.Error(), "'theirs' is attached already") {
		t.Errorf("a tap of one network is taken for another by another key: %v", err)
	}
	if err := s.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	s.ns.Run(t, "ip link del theirs")
	_, err = s.Attach(t.Context(), id, AttachRequest{Netns: kerneltest.New(t).Path(), Link: "theirs"})
	if err == nil || !strings.Contains(err.Error(), "'theirs' attached already") {
		t.Errorf("another link takes the name of one that is away: %v", err)
	}
	s.ns.Run(t, "ip tuntap add theirs mode tap user 7")
	s.wait("it is a port again", func() bool {
		return strings.Contains(s.ns.Run(t, "ip -o link show dev theirs"), "master virbr7")
	})
	if err := s.DeletePort(id, a.UUID); err != nil { // as net-port-delete does
		t.Fatal(err)
	}
	if out := s.ns.Run(t, "ip -o link show dev theirs"); strings.Contains(out, "master") {
		t.Error(out)
	}
}

func TestReleasedAddressStaysTheLinks(t *testing.T) {
	s := newSite(t)
	id := s.mustStart(attachDoc).UUID
	a := s.mustAttach(id, AttachRequest{Link: "fc0", Name: "web"})
	e := s.byID[id]
	e.leases.Release(a.Addr, nil) // as a guest can by DHCP
	s.wait("the lease is back", func() bool {
		return cmp.Equal([]string{a.Addr.String() + " " + a.MAC.String() + " web"}, s.leased(id))
	})
}

func TestAddressOfASubnetThatIsNoMoreIsNotKept(t *testing.T) {
	s := newSite(t)
	id := s.mustStart(attachDoc).UUID
	a := s.mustAttach(id, AttachRequest{Link: "fc0", Name: "web", MACRule: true})
	s.mustDefine(strings.Replace(strings.ReplaceAll(attachDoc, "192.168.77.", "192.168.78."), "<name>n</name>", "<name>n</name><uuid>"+id.String()+"</uuid>", 1))
	for _, change := range []func(context.Context, xmlnet.UUID) error{s.Destroy, s.Start} {
		if err := change(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.leased(id); len(got) != 0 {
		t.Errorf("leases %q", got)
	}
	var answer string
	s.wait("an answer", func() bool {
		answer = s.ns.Run(t, "dig +tries=1 +time=2 @192.168.78.1 web.lan || true")
		return strings.Contains(answer, "status: ")
	})
	if got := s.ns.Run(t, "nft list table bridge vnetmgr") + answer; strings.Contains(got, a.Addr.String()) {
		t.Errorf("%s is known still:\n%s", a.Addr, got)
	}
}
