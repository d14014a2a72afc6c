package hosts

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// newPolkitSite is a host with a user of no group (alice), one of libvirt's
// (bob) and one who is an administrator with a password (carol).
func newPolkitSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.Script(t, `useradd -m alice; useradd -G libvirt bob; useradd -G sudo carol; echo carol:opensesame | chpasswd`)
	s.systemctl(t, "start", "vnetmgr")
	return s
}

// as runs a command as a user.
func (s *site) as(t *testing.T, user string, args ...string) lab.Result {
	t.Helper()
	return s.Run(t, append([]string{"setsid", "-w", "runuser", "-u", user, "--"}, args...)...)
}

func TestPolkitDecidesWhoMayWrite(t *testing.T) {
	s := newPolkitSite(t)
	list := []string{"virsh", "-q", "-c", "network:///system", "net-list", "--all", "--name"}
	readOnly := append([]string{"virsh", "-r"}, list[1:]...)
	check := func(user string, args []string, want lab.Result) {
		t.Helper()
		if diff := cmp.Diff(want, s.as(t, user, args...)); diff != "" {
			t.Errorf("%s: %s (-want +got)\n%s", user, strings.Join(args, " "), diff)
		}
	}
	yes := lab.Result{Stdout: "default\n"}
	check("alice", readOnly, yes)
	check("bob", list, yes)
	check("root", list, yes)
	check("alice", list, lab.Result{Code: 1, Stderr: "error: failed to connect to the hypervisor\n" +
		"error: authentication unavailable: no polkit agent available to authenticate action 'org.libvirt.unix.manage'\n"})

	// The administrator's own rules count, in both of polkit's languages.
	s.WriteFile(t, "/etc/polkit-1/rules.d/10-local.rules", `polkit.addRule(function(action, subject) {
	if (action.id == "org.libvirt.unix.manage" && subject.user == "alice") return polkit.Result.YES;
	if (action.id == "org.libvirt.unix.monitor" && subject.user == "bob") return polkit.Result.NO;
});`, 0o644)
	s.systemctl(t, "restart", "polkit")
	check("alice", list, yes)
	denied := lab.Result{Code: 1, Stderr: "error: failed to connect to the hypervisor\nerror: authentication failed: access denied by policy\n"}
	check("bob", readOnly, denied)
	s.Script(t, `rm /etc/polkit-1/rules.d/10-local.rules
		mkdir -p /etc/polkit-1/localauthority/50-local.d
		printf '[x]\nIdentity=unix-user:alice\nAction=org.libvirt.unix.manage\nResultAny=yes\n' >/etc/polkit-1/localauthority/50-local.d/x.pkla
		systemctl restart polkit`)
	check("alice", list, yes)

	// polkit is started by the bus; one that can't be lets nobody in but root.
	s.systemctl(t, "stop", "polkit")
	check("alice", list, yes)
	s.Script(t, "systemctl mask --runtime polkit; systemctl stop polkit")
	if r := s.as(t, "bob", list...); r.Code != 1 || !strings.Contains(r.Stderr, "error: authentication failed: ask polkit: ") {
		t.Errorf("bob, without polkit: %s", r)
	}
	check("root", list, yes)
}

func TestPolkitAsksForAnAdministratorsPassword(t *testing.T) {
	s := newPolkitSite(t)
	// With an agent of virsh's own, for which polkit wants a session.
	out := s.Script(t, `touch /run/tty
		{ until grep -q Password: /run/tty; do sleep 0.1; done; sleep 0.3; echo opensesame; until grep -q 'Script done' /run/tty; do sleep 0.1; done; } |
		timeout 30 script -qfc "su -l alice --session-command 'virsh -q -c network:///system net-list --all --name'" /run/tty >/dev/null || :
		cat /run/tty`)
	for _, want := range []string{"System policy prevents management of local virtualized systems", "AUTHENTICATION COMPLETE", "default\r\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
}

// TestRefusalsAreAsLibvirtdWordsThem asks libvirtd the same.
func TestRefusalsAreAsLibvirtdWordsThem(t *testing.T) {
	s := newPolkitSite(t)
	s.Script(t, "systemctl unmask libvirtd.service virtlogd.socket virtlockd.socket; systemctl start libvirtd")
	ours := s.as(t, "alice", "virsh", "-c", "network:///system", "net-list")
	theirs := s.as(t, "alice", "virsh", "-c", "qemu:///system", "net-list")
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("(-libvirtd +vnetmgr)\n%s", diff)
	}
	s.WriteFile(t, "/run/auth.py", authScript, 0o644)
	ours = s.as(t, "alice", "python3", "/run/auth.py", "/run/vnetmgr/vnetmgr-sock")
	theirs = s.as(t, "alice", "python3", "/run/auth.py", "/run/libvirt/libvirt-sock")
	if diff := cmp.Diff(theirs, ours); diff != "" || theirs.Code != 0 {
		t.Errorf("on the wire (-libvirtd +vnetmgr)\n%s\n%s", diff, theirs)
	}
}

// authScript prints the replies to AUTH_LIST and AUTH_POLKIT, as far as code,
// domain and message go: what follows has another form since libvirt 9.
const authScript = `import socket, struct, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
for serial, proc in enumerate((66, 70)):
    s.sendall(struct.pack(">7I", 28, 0x20008086, 1, proc, 0, serial, 0))
    size, = struct.unpack(">I", s.recv(4, socket.MSG_WAITALL))
    print(s.recv(size - 4, socket.MSG_WAITALL)[:140])
`

func TestSettingTurnsPolkitOff(t *testing.T) {
	s := newPolkitSite(t)
	s.Script(t, `mkdir -p /etc/vnetmgr; printf 'auth_unix_rw = "none"\nunix_sock_group = "sudo"\n' >/etc/vnetmgr/vnetmgr.conf; systemctl restart vnetmgr`)
	list := []string{"virsh", "-q", "-c", "network:///system", "net-list", "--all", "--name"}
	if r := s.as(t, "carol", list...); r.Code != 0 {
		t.Errorf("carol: %s", r)
	}
	if r := s.as(t, "bob", list...); r.Code != 1 || !strings.Contains(r.Stderr, "neither root nor in group sudo") {
		t.Errorf("bob: %s", r)
	}
	if r := s.Run(t, "systemctl", "is-active", "polkit"); r.Stdout == "active\n" {
		t.Error("polkit was asked")
	}
}
