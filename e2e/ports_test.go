package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// attached is what port-attach --json prints.
type attached struct {
	Port, Link, MAC, Name string
	Addresses             []struct {
		Address, Netmask, Gateway string
		Prefix                    int
	}
	BootArg     string `json:"kernel_ip"`
	User        *int
	Firecracker struct {
		Host string `json:"host_dev_name"`
		MAC  string `json:"guest_mac"`
	}
}

func (s *site) attach(t *testing.T, args ...string) attached {
	t.Helper()
	return parseAttached(t, s.ctl(t, append([]string{"-q", "port-attach", "default", "--json"}, args...)...))
}

func parseAttached(t *testing.T, text string) (a attached) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &a); err != nil || len(a.Addresses) == 0 {
		t.Fatalf("port-attach printed: %v\n%s", err, text)
	}
	return a
}

// Firecracker cannot be had where these tests run; QEMU opens the taps as it
// does, as another user and without capabilities (see also
// bridge.TestTapIsForItsUserOnly).
func TestMicroVMsWithoutLibvirt(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	s.ctl(t, "net-start", "default")
	fixed := s.attach(t, "--tap", "fc0", "--user", "65534", "--name", "fixed", "--mac-rule", "--vnet-hdr")
	asking := s.attach(t, "--tap", "fc1", "--user", "65534", "--name", "asking", "--mac-rule")
	if ok, _ := regexp.MatchString(`^ip=192\.168\.122\.\d+::192\.168\.122\.1:255\.255\.255\.0:fixed:eth0:off:192\.168\.122\.1$`, fixed.BootArg); !ok {
		t.Errorf("boot argument %q", fixed.BootArg)
	}
	lookups := []string{"www.example.net", "fixed", "asking"}
	guests := []*lab.VM{
		s.TapVM(t, fixed.Firecracker.Host, fixed.Firecracker.MAC, "nameless", fixed.BootArg, lookups, "www.example.net"),
		s.TapVM(t, asking.Link, asking.MAC, "asking", "", lookups, "www.example.net"),
	}
	for i, want := range []attached{fixed, asking} {
		said := guests[i].Said(t)
		addr := fmt.Sprintf("ADDR %s/%d", want.Addresses[0].Address, want.Addresses[0].Prefix)
		for _, line := range []string{"PASS", addr} {
			if !slices.Contains(said, line) {
				t.Errorf("%s did not say %q:\n%s", want.Name, line, strings.Join(said, "\n"))
			}
		}
		if i == 0 && !slices.Contains(said, "HOSTNAME fixed") {
			t.Errorf("%s does not know its name:\n%s", want.Name, strings.Join(said, "\n"))
		}
	}
	leases := s.ctl(t, "net-dhcp-leases", "default")
	for _, a := range []attached{fixed, asking} {
		if !regexp.MustCompile(a.MAC + ` +ipv4 +` + a.Addresses[0].Address + `/24 +` + a.Name).MatchString(leases) {
			t.Errorf("%s has no lease:\n%s", a.Name, leases)
		}
		if out := s.ctl(t, "net-port-dumpxml", "default", a.Port); !strings.Contains(out, "<name>"+a.Name+"</name>") || !strings.Contains(out, a.MAC) {
			t.Errorf("net-port-dumpxml:\n%s", out)
		}
	}
	if out := s.ctl(t, "net-dumpxml", "default"); !strings.Contains(out, "connections='2'") {
		t.Errorf("net-dumpxml:\n%s", out)
	}
}

func TestNamespaceJoinsANetwork(t *testing.T) {
	s := newSite(t)
	daemon := s.Daemon(t)
	s.ctl(t, "net-start", "default")
	s.Script(t, "ip netns add box; ip netns add other")
	box := s.attach(t, "--netns", "box", "--name", "box", "--mac-rule")
	inside := func(what string) {
		t.Helper()
		// By the resolver that /etc/netns/box names.
		if out := s.Run(t, "ip", "netns", "exec", "box", "curl", "-sf", "--max-time", "20", "http://www.example.net/"); out.Stdout != lab.Page(lab.HostAddr) {
			t.Errorf("%s: %v", what, out)
		}
		g := s.Run(t, "dig", "+short", "@192.168.122.1", "box")
		if strings.TrimSpace(g.Stdout) != box.Addresses[0].Address {
			t.Errorf("%s: box is %q", what, g.Stdout)
		}
	}
	inside("attached")
	if again := s.ctl(t, "port-attach", "default", "--netns", "/run/netns/box"); !strings.Contains(again, "is attached already") {
		t.Errorf("attached again:\n%s", again)
	}

	if err := daemon.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	daemon.Wait(t)
	inside2 := s.Run(t, "ip", "netns", "exec", "box", "ping", "-c", "1", "-W", "5", "192.168.122.1")
	if inside2.Code != 0 {
		t.Errorf("without a daemon: %v", inside2)
	}
	s.Daemon(t)
	inside("after SIGKILL")
	s.ctl(t, "net-destroy", "default")
	s.ctl(t, "net-start", "default")
	inside("after net-destroy and net-start")
	s.Script(t, "ip link del virbr0")
	lab.Eventually(t, 20*time.Second, "the namespace is back on the bridge", func() bool {
		return s.Run(t, "ip", "netns", "exec", "box", "ping", "-c", "1", "-W", "1", "192.168.122.1").Code == 0
	})
	inside("after the bridge was deleted")

	// What a namespace has nobody else gets: the network is full then.
	s.refused(t, []string{"is of the link", box.Link}, "port-attach", "default", "--ip", box.Addresses[0].Address)
	s.ctl(t, "port-detach", "default", "box")
	if left := s.Script(t, "ip -n box -o link; ls /etc/netns 2>/dev/null || true; ip -o link"); strings.Contains(left, box.Link) || strings.Contains(left, "eth0@") || strings.Contains(left, "box") {
		t.Errorf("left:\n%s", left)
	}
	second := s.attach(t, "--netns", "other", "--ifname", "net7")
	s.Script(t, "ip netns exec other ping -c 1 -W 5 192.168.122.1; ip -n other link show net7; ip netns del other")
	lab.Eventually(t, 20*time.Second, "the deleted namespace is forgotten", func() bool {
		return !strings.Contains(s.ctl(t, "port-list", "default")+s.ctl(t, "net-dhcp-leases", "default"), second.MAC)
	})
}

const fewAddresses = `<network><name>default</name><bridge name='virbr0' stp='off'/><forward mode='nat'/>
<ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.3'/></dhcp></ip></network>`

func TestAddressOfANamespaceIsNotGivenByDHCP(t *testing.T) {
	s := newSite(t)
	s.ctl(t, "net-undefine", "default")
	s.define(t, fewAddresses)
	s.ctl(t, "net-start", "default")
	s.Script(t, "ip netns add box")
	box := s.attach(t, "--netns", "box")
	first, late := s.Guest(t, "virbr0", "first"), s.Guest(t, "virbr0", "late")
	addr, ok := first.Udhcpc(t)
	if !ok || addr == netip.MustParseAddr(box.Addresses[0].Address) {
		t.Errorf("first has %v, %v; the namespace %s", addr, ok, box.Addresses[0].Address)
	}
	late.LinkUp(t)
	if r := late.Run(t, "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "3", "-T", "1", "-s", "/bin/true"); r.Code == 0 {
		t.Errorf("a third guest has one of two addresses: %v", r)
	}
}

func TestUserOfTheGroupAttachesWhatIsTheirs(t *testing.T) {
	s := newSite(t)
	s.Daemon(t)
	s.ctl(t, "net-start", "default")
	as := func(group string, args ...string) lab.Result {
		t.Helper()
		return s.Run(t, append([]string{"setpriv", "--reuid=4321", "--regid=4321", "--groups=" + group, "--inh-caps=-all", "--bounding-set=-all", "vnetmgr"}, args...)...)
	}
	group := strings.Split(strings.TrimSpace(s.Must(t, "getent", "group", "libvirt")), ":")[2]
	r := as(group, "-q", "port-attach", "default", "--tap", "mine", "--json")
	if r.Code != 0 {
		t.Fatalf("%v", r)
	}
	if a := parseAttached(t, r.Stdout); a.User == nil || *a.User != 4321 {
		t.Errorf("the tap's user: %s", r.Stdout)
	}
	s.Script(t, "ip netns add roots; ip tuntap add roots mode tap")
	s.Start(t, "unshare", "-n", "sleep", "600")
	sleeper := s.sleeper(t, "0")
	for want, args := range map[string][]string{
		"network namespace '/run/netns/roots' is not of user 4321": {"--netns", "roots"},
		"is not of user 4321": {"--netns", sleeper},
		"'/proc/1/ns/net' is the host's own network namespace":          {"--netns", "1"},
		"tap 'roots' is not of user 4321":                               {"--tap", "roots", "--existing"},
		"there is no network namespace '/root/there-is-no-such-file-x'": {"--netns", "/root/there-is-no-such-file-x"},
	} {
		if r := as(group, append([]string{"port-attach", "default"}, args...)...); r.Code != 1 || !strings.Contains(r.Stderr, want) {
			t.Errorf("%v: %v, want %q", args, r, want)
		}
	}
	if r := as("4321", "port-attach", "default", "--tap", "theirs"); r.Code != 1 || !strings.Contains(r.Stderr, "read only access prevents") {
		t.Errorf("a user outside of the group: %v", r)
	}
	// A namespace of a user namespace of theirs.
	own := s.Start(t, "setpriv", "--reuid=4321", "--regid=4321", "--clear-groups", "unshare", "-r", "-n", "sleep", "600")
	pid := s.sleeper(t, "4321")
	if r := as(group, "port-attach", "default", "--netns", pid); r.Code != 0 {
		t.Errorf("the user's own namespace: %v", r)
	}
	s.Script(t, "nsenter -t "+pid+" -n ping -c 1 -W 5 192.168.122.1")
	own.Signal(syscall.SIGKILL)
}

// sleeper waits for a user's process that sleeps in a network namespace of its
// own, and returns its number on the host.
func (s *site) sleeper(t *testing.T, user string) (pid string) {
	t.Helper()
	lab.Eventually(t, 20*time.Second, "a namespace of user "+user, func() bool {
		pid = strings.TrimSpace(s.Run(t, "pgrep", "-u", user, "-x", "sleep").Stdout)
		return pid != "" && s.Run(t, "sh", "-c", fmt.Sprintf("[ $(readlink /proc/%s/ns/net) != $(readlink /proc/1/ns/net) ]", pid)).Code == 0
	})
	return pid
}
