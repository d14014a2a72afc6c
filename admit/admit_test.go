package admit

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

// open opens a connection in a namespace of the test's own.
func open(t *testing.T, ns *kerneltest.NS) *Conn {
	t.Helper()
	var c *Conn
	var err error
	lock := filepath.Join(t.TempDir(), "ufw.lock")
	ns.Do(func() { c, err = Open(lock) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// apply applies networks and returns what it answered.
func apply(t *testing.T, c *Conn, networks ...Network) string {
	t.Helper()
	answered, err := c.Apply(t.Context(), networks)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(answered, ", ")
}

// shown is a chain as iptables shows it.
func shown(t *testing.T, ns *kerneltest.NS, iptables, chain string) []string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(ns.Run(t, iptables+" -S "+chain)), "\n")
	return lines[1:] // the chain itself
}

const docker = `iptables-nft -P FORWARD DROP; iptables-nft -N DOCKER-USER; iptables-nft -I FORWARD -j DOCKER-USER; iptables-nft -A DOCKER-USER -j RETURN`

func TestDockerLetsGuestsThroughItsUserChain(t *testing.T) {
	ns := kerneltest.New(t)
	ns.Run(t, docker+`; iptables-nft -I DOCKER-USER -i virbr0 -d 192.0.2.1/32 -j DROP`)
	c := open(t, ns)
	nat, lan, alone := Network{Bridge: "virbr0", Forwards: true}, Network{Bridge: "br-lan", Forwards: true}, Network{Bridge: "virbr9"}
	drop, end := `-A DOCKER-USER -d 192.0.2.1/32 -i virbr0 -j DROP`, `-A DOCKER-USER -j RETURN`
	for range 2 {
		if got := apply(t, c, nat, alone, lan); got != "ip filter FORWARD" {
			t.Errorf("answered %s", got)
		}
		want := []string{
			drop,
			`-A DOCKER-USER -o br-lan -m comment --comment "vnetmgr: to br-lan" -j ACCEPT`,
			`-A DOCKER-USER -o virbr0 -m comment --comment "vnetmgr: to virbr0" -j ACCEPT`,
			`-A DOCKER-USER -o docker+ -m comment --comment "vnetmgr: to docker+ as it comes" -j RETURN`,
			`-A DOCKER-USER -o br-+ -m comment --comment "vnetmgr: to br-+ as it comes" -j RETURN`,
			`-A DOCKER-USER -i br-lan -m comment --comment "vnetmgr: from br-lan" -j ACCEPT`,
			`-A DOCKER-USER -i virbr0 -m comment --comment "vnetmgr: from virbr0" -j ACCEPT`,
			end,
		}
		if diff := cmp.Diff(want, shown(t, ns, "iptables-nft", "DOCKER-USER")); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		// Saved and restored, the rules are known again.
		ns.Run(t, "iptables-nft-save | iptables-nft-restore")
	}
	// What others put behind ours stays, and ours is before the return again.
	ns.Run(t, "iptables-nft -I DOCKER-USER 8 -i eth7 -j ACCEPT")
	apply(t, c, lan)
	want := []string{
		drop,
		`-A DOCKER-USER -i eth7 -j ACCEPT`,
		`-A DOCKER-USER -o br-lan -m comment --comment "vnetmgr: to br-lan" -j ACCEPT`,
		`-A DOCKER-USER -o docker+ -m comment --comment "vnetmgr: to docker+ as it comes" -j RETURN`,
		`-A DOCKER-USER -o br-+ -m comment --comment "vnetmgr: to br-+ as it comes" -j RETURN`,
		`-A DOCKER-USER -i br-lan -m comment --comment "vnetmgr: from br-lan" -j ACCEPT`,
		end,
	}
	if diff := cmp.Diff(want, shown(t, ns, "iptables-nft", "DOCKER-USER")); diff != "" {
		t.Errorf("after a change (-want +got)\n%s", diff)
	}
	ns.Run(t, "iptables-nft -P FORWARD ACCEPT")
	if got := apply(t, c, nat); got != "" {
		t.Errorf("nothing drops, and is answered: %s", got)
	}
	want = []string{drop, `-A DOCKER-USER -i eth7 -j ACCEPT`, end}
	if diff := cmp.Diff(want, shown(t, ns, "iptables-nft", "DOCKER-USER")); diff != "" {
		t.Errorf("nothing drops (-want +got)\n%s", diff)
	}
}

func TestUFWAcceptsWhatGuestsAskOfTheHost(t *testing.T) {
	ns := kerneltest.New(t)
	ns.Run(t, `for f in iptables-nft:ufw ip6tables-nft:ufw6; do
		t=${f%:*}; u=${f#*:}
		$t -P INPUT DROP; $t -P FORWARD DROP; $t -N $u-user-input; $t -N $u-user-forward
		$t -A INPUT -j $u-user-input; $t -A FORWARD -j $u-user-forward; $t -A $u-user-input -p tcp --dport 22 -j ACCEPT
	done`)
	c := open(t, ns)
	n := Network{Bridge: "virbr0", Services: []Service{
		{Proto: "udp", Port: 53}, {Proto: "tcp", Port: 53}, {Proto: "udp", Port: 67, IPv4: true}, {Proto: "udp", Port: 547, IPv6: true},
	}}
	if got := apply(t, c, n); got != "ip filter FORWARD, ip filter INPUT, ip6 filter FORWARD, ip6 filter INPUT" {
		t.Errorf("answered %s", got)
	}
	ssh := "-user-input -p tcp -m tcp --dport 22 -j ACCEPT"
	want := []string{
		"-A ufw" + ssh,
		`-A ufw-user-input -i virbr0 -p udp -m udp --dport 53 -m comment --comment "vnetmgr: from virbr0 udp 53" -j ACCEPT`,
		`-A ufw-user-input -i virbr0 -p tcp -m tcp --dport 53 -m comment --comment "vnetmgr: from virbr0 tcp 53" -j ACCEPT`,
		`-A ufw-user-input -i virbr0 -p udp -m udp --dport 67 -m comment --comment "vnetmgr: from virbr0 udp 67" -j ACCEPT`,
	}
	if diff := cmp.Diff(want, shown(t, ns, "iptables-nft", "ufw-user-input")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	want = []string{
		"-A ufw6" + ssh,
		`-A ufw6-user-input -i virbr0 -p udp -m udp --dport 53 -m comment --comment "vnetmgr: from virbr0 udp 53" -j ACCEPT`,
		`-A ufw6-user-input -i virbr0 -p tcp -m tcp --dport 53 -m comment --comment "vnetmgr: from virbr0 tcp 53" -j ACCEPT`,
		`-A ufw6-user-input -i virbr0 -p udp -m udp --dport 547 -m comment --comment "vnetmgr: from virbr0 udp 547" -j ACCEPT`,
	}
	if diff := cmp.Diff(want, shown(t, ns, "ip6tables-nft", "ufw6-user-input")); diff != "" {
		t.Errorf("IPv6 (-want +got)\n%s", diff)
	}
	if got := ns.Run(t, "iptables-nft -S ufw-user-forward"); strings.Contains(got, "virbr0") {
		t.Errorf("an isolated network is let through:\n%s", got)
	}
	apply(t, c)
	if got := ns.Run(t, "iptables-nft-save; ip6tables-nft-save"); strings.Contains(got, "vnetmgr") {
		t.Errorf("left behind:\n%s", got)
	}
}

func TestRulesOfUFWAreNotChangedWhileItIsAtWork(t *testing.T) {
	ns := kerneltest.New(t)
	ns.Run(t, docker+`; iptables-nft -N ufw-user-forward`)
	c := open(t, ns)
	// As ufw does, in a process of its own.
	held := exec.Command("python3", "-c", "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()", c.ufwLock)
	in, err := held.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := held.StdoutPipe()
	if err == nil {
		err = held.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	n := Network{Bridge: "virbr0", Forwards: true}
	if _, err := c.Apply(t.Context(), []Network{n}); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	if got := ns.Run(t, "iptables-nft -S ufw-user-forward"); strings.Contains(got, "virbr0") {
		t.Errorf("changed:\n%s", got)
	}
	if got := ns.Run(t, "iptables-nft -S DOCKER-USER"); !strings.Contains(got, "virbr0") {
		t.Errorf("Docker's rules have to wait for ufw:\n%s", got)
	}
	in.Close()
	if err := held.Wait(); err != nil {
		t.Fatal(err)
	}
	apply(t, c, n)
	if got := ns.Run(t, "iptables-nft -S ufw-user-forward"); !strings.Contains(got, "virbr0") {
		t.Errorf("not changed:\n%s", got)
	}
	if info, err := os.Stat(c.ufwLock); err != nil || info.Size() != 0 {
		t.Errorf("the lock file: %v, %v", info, err)
	}
}

func TestHostWithoutThemIsLeftAlone(t *testing.T) {
	ns := kerneltest.New(t)
	c := open(t, ns)
	if got := apply(t, c, Network{Bridge: "virbr0", Forwards: true}); got != "" {
		t.Errorf("answered %s", got)
	}
	if got := ns.Run(t, "nft list ruleset"); got != "" {
		t.Errorf("made:\n%s", got)
	}
	ns.Run(t, "iptables-nft -P FORWARD DROP")
	before := ns.Run(t, "nft list ruleset")
	if got := apply(t, c, Network{Bridge: "virbr0", Forwards: true}); got != "" {
		t.Errorf("a chain of the administrator's is answered: %s", got)
	}
	if diff := cmp.Diff(before, ns.Run(t, "nft list ruleset")); diff != "" {
		t.Errorf("changed (-before +after)\n%s", diff)
	}
}

func TestChangesOfFilterChainsAreSignalled(t *testing.T) {
	ns := kerneltest.New(t)
	ns.Run(t, docker)
	c := open(t, ns)
	var changed <-chan struct{}
	var err error
	ns.Do(func() { changed, err = c.Monitor(t.Context()) })
	if err != nil {
		t.Fatal(err)
	}
	ns.Run(t, "nft add table inet other; nft 'add chain inet other x'; iptables-nft -t nat -N X")
	select {
	case <-changed:
		t.Error("other tables' changes are signalled")
	default:
	}
	ns.Run(t, "iptables-nft -F DOCKER-USER")
	<-changed
}
