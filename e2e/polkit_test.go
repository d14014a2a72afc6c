package e2e

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// The distribution's polkit decides about users; "make hosts" has more of that.
func TestUsersMayWhatPolkitSays(t *testing.T) {
	s := newSite(t)
	s.WriteFile(t, "/etc/polkit-1/rules.d/10-test.rules", `polkit.addRule(function(action, subject) {
	if (action.id == "org.libvirt.unix.manage" && subject.user == "daemon") return polkit.Result.YES;
	if (action.id.indexOf("org.libvirt.unix.") == 0 && subject.user == "games") return polkit.Result.NO;
});`, 0o644)
	s.Script(t, "chmod 755 /etc/polkit-1/rules.d; mkdir -p /run/dbus")
	s.Start(t, "dbus-daemon", "--system", "--nofork", "--nopidfile")
	lab.Eventually(t, 10*time.Second, "the bus to listen", func() bool {
		c, err := s.Dial("/run/dbus/system_bus_socket")
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	s.Start(t, "/usr/lib/polkit-1/polkitd")
	lab.Eventually(t, 20*time.Second, "polkit to answer", func() bool {
		return s.Run(t, "pkaction", "--action-id", "org.libvirt.unix.manage").Code == 0
	})
	s.Daemon(t)

	const refused = "error: failed to connect to the hypervisor\nerror: authentication "
	for _, tt := range []struct {
		user, socket string
		want         lab.Result
	}{
		{"root", "", lab.Result{Stdout: "default\n"}},
		{"daemon", "", lab.Result{Stdout: "default\n"}},
		{"nobody", "-ro", lab.Result{Stdout: "default\n"}},
		{"nobody", "", lab.Result{Code: 1, Stderr: refused + "unavailable: no polkit agent available to authenticate action 'org.libvirt.unix.manage'\n"}},
		{"games", "", lab.Result{Code: 1, Stderr: refused + "failed: access denied by policy\n"}},
		{"games", "-ro", lab.Result{Code: 1, Stderr: refused + "failed: access denied by policy\n"}},
	} {
		// In a session of its own, where virsh can't ask for a password.
		args := []string{"setsid", "-w", "setpriv", "--reuid", tt.user, "--regid", "nogroup", "--clear-groups", "env", "HOME=/nonexistent", "XDG_CACHE_HOME=/nonexistent",
			"virsh", "-q", "-c", "network:///system?socket=" + lab.Socket + tt.socket, "net-list", "--all", "--name"}
		if diff := cmp.Diff(tt.want, s.Run(t, args...)); diff != "" {
			t.Errorf("%s on %s%s (-want +got)\n%s", tt.user, lab.Socket, tt.socket, diff)
		}
	}
}
