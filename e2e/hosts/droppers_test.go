package hosts

import (
	"strings"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// reaches tells whether a guest gets a page from the internet. (ufw lets pings
// through whatever it drops.)
func (s *site) reaches(t *testing.T, g *lab.Guest) bool {
	t.Helper()
	return g.Run(t, "curl", "-s", "-m", "2", "http://"+lab.WWWAddr+"/").Code == 0
}

// eventually waits until a guest works, which is let through by rules that
// were made anew.
func (s *site) eventually(t *testing.T, g *lab.Guest, when string) {
	t.Helper()
	lab.Eventually(t, 20*time.Second, when+": the guest is let through", func() bool {
		_, ok := g.Resolve(t, "www.example.net")
		return ok && s.reaches(t, g)
	})
	s.works(t, g, when)
}

// left are the lines of ours in iptables' rules.
func (s *site) left(t *testing.T) string {
	t.Helper()
	return s.Run(t, "sh", "-c", "{ iptables-save; ip6tables-save; } | grep vnetmgr").Stdout
}

func TestGuestsAreLetThroughDocker(t *testing.T) {
	s := newSite(t)
	s.systemctl(t, "start", "vnetmgr")
	s.Must(t, "vnetmgr", "net-start", "default")
	g := s.Guest(t, "virbr0", "web")
	s.works(t, g, "before Docker")
	// Docker drops what it does not know if it is the one to turn forwarding on.
	s.systemctl(t, "start", "docker")
	s.Script(t, "iptables -P FORWARD DROP")
	s.eventually(t, g, "beside Docker")
	if out := s.Must(t, "iptables", "-S", "DOCKER-USER"); !strings.Contains(out, `-A DOCKER-USER -i virbr0 -m comment --comment "vnetmgr: from virbr0" -j ACCEPT`) {
		t.Errorf("DOCKER-USER:\n%s", out)
	}
	s.systemctl(t, "restart", "docker")
	s.eventually(t, g, "after a restart of Docker")
	s.systemctl(t, "restart", "vnetmgr")
	s.eventually(t, g, "after a restart of ours")

	// A container's port that is not published stays so.
	s.Script(t, `docker network create --subnet 172.30.0.0/24 lab >/dev/null
		ip netns add box; ip link add box0 type veth peer name eth0 netns box
		ip link set box0 master $(ip -o link show type bridge | sed -n 's/^[0-9]*: \(br-[0-9a-f]*\):.*/\1/p') up
		ip -n box addr add 172.30.0.9/24 dev eth0; ip -n box link set eth0 up; ip -n box route add default via 172.30.0.1`)
	s.Must(t, "ping", "-c", "1", "-W", "5", "172.30.0.9")
	if g.Ping(t, "172.30.0.9") {
		t.Error("a guest reaches what is behind Docker")
	}
	s.Must(t, "vnetmgr", "net-destroy", "default")
	if left := s.left(t); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}

func TestGuestsAreLetThroughUFW(t *testing.T) {
	s := newSite(t)
	s.Script(t, "ufw --force enable; ufw default deny routed")
	s.systemctl(t, "start", "vnetmgr")
	s.Must(t, "vnetmgr", "net-start", "default")
	g := s.Guest(t, "virbr0", "web")
	s.works(t, g, "beside ufw")
	if log := s.journal(t, "vnetmgr"); strings.Contains(log, "another program's rules drop") {
		t.Errorf("guests work, and the log says\n%s", log)
	}
	s.Must(t, "ufw", "reload")
	s.eventually(t, g, "after ufw reload")
	s.Must(t, "ufw", "allow", "22/tcp")
	s.eventually(t, g, "after ufw allow")
	if r := s.Run(t, "ufw", "status"); r.Code != 0 || !strings.Contains(r.Stdout, "22/tcp") || strings.Contains(r.Stdout+r.Stderr, "vnetmgr") {
		t.Errorf("ufw status: %s", r)
	}
	s.Script(t, "ufw --force disable; ufw --force enable")
	s.eventually(t, g, "after ufw was off and on")

	// What the administrator says goes before.
	s.Must(t, "ufw", "route", "deny", "in", "on", "virbr0", "to", lab.WWWAddr)
	lab.Eventually(t, 20*time.Second, "the administrator's rule to count", func() bool { return !s.reaches(t, g) })
	s.Must(t, "ufw", "route", "delete", "deny", "in", "on", "virbr0", "to", lab.WWWAddr)
	s.eventually(t, g, "without that rule")

	// The host's own ports stay closed to guests, but for what is theirs.
	s.Start(t, "busybox", "nc", "-lk", "-p", "8080", "-e", "cat")
	if r := g.Run(t, "timeout", "3", "busybox", "nc", "192.168.122.1", "8080"); r.Code == 0 {
		t.Errorf("a guest reaches port 8080 of the host: %s", r)
	}
	s.Must(t, "vnetmgr", "net-destroy", "default")
	if left := s.left(t); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}

func TestSettingLeavesOthersRulesAlone(t *testing.T) {
	s := newSite(t)
	s.Script(t, "ufw --force enable; mkdir -p /etc/vnetmgr; echo 'admit_guests = false' >/etc/vnetmgr/vnetmgr.conf")
	s.systemctl(t, "start", "vnetmgr")
	s.Must(t, "vnetmgr", "net-start", "default")
	if left := s.left(t); left != "" {
		t.Errorf("made:\n%s", left)
	}
	log := s.journal(t, "vnetmgr")
	for _, want := range []string{`not reach the outside" network=default chain="ip filter FORWARD"`, `not reach the host's DNS" network=default chain="ip filter INPUT"`} {
		if !strings.Contains(log, want) {
			t.Errorf("want %s in\n%s", want, log)
		}
	}
}
