// Package hosts tests vnetmgr beside the programs that real hosts have: in a
// whole Debian that systemd has booted, with its firewalld, systemd-resolved,
// polkit, ufw and Docker. It runs if it is told where that is ("make hosts").
package hosts

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// tree is the directory that scripts/tree has unpacked Debian in.
var tree = flag.String("tree", "", "run the tests, with the Debian in this `directory`")

// programs is the directory with the program under test.
var programs string

func TestMain(m *testing.M) {
	lab.Main()
	flag.Parse()
	if *tree == "" {
		fmt.Println("hosts: nothing is tested without -tree; see make hosts")
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if programs, err = os.MkdirTemp("", "vnetmgr-hosts-"); err == nil {
		defer os.RemoveAll(programs)
		err = lab.Build(programs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// site is a Debian host with an uplink to an internet.
type site struct {
	*lab.Host
	internet *lab.Internet
}

// unit runs the daemon as a package would.
const unit = `[Unit]
Description=vnetmgr
After=dbus.service firewalld.service systemd-resolved.service
[Service]
Type=notify
ExecStart=/usr/sbin/vnetmgr daemon
KillMode=process
[Install]
WantedBy=multi-user.target
`

// newSite boots a host, on which nothing of what is tested runs but
// systemd-resolved.
func newSite(t *testing.T) *site {
	t.Helper()
	lab.NeedRoot(t)
	s := &site{Host: lab.Debian(t, *tree, map[string]string{"/usr/sbin/vnetmgr": programs + "/vnetmgr"})}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the host's journal:\n%s", s.Must(t, "journalctl", "--no-pager", "-o", "short-precise", "-n", "200"))
		}
	})
	s.WriteFile(t, "/etc/systemd/system/vnetmgr.service", unit, 0o644)
	s.internet = s.Uplink(t)
	s.Script(t, `ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
		systemctl restart systemd-resolved
		resolvectl dns `+lab.UplinkName+" "+lab.DNSAddr+`
		systemctl daemon-reload`)
	return s
}

// systemctl runs systemctl, and shows why a service did not start.
func (s *site) systemctl(t *testing.T, verb, service string) {
	t.Helper()
	if r := s.Run(t, "systemctl", verb, service); r.Code != 0 {
		t.Fatalf("systemctl %s %s: %s\n%s", verb, service, r, s.journal(t, service))
	}
}

func (s *site) journal(t *testing.T, service string) string {
	t.Helper()
	return s.Run(t, "journalctl", "--no-pager", "-o", "cat", "-u", service).Stdout
}

// define defines and starts a network.
func (s *site) start(t *testing.T, name, doc string) {
	t.Helper()
	s.WriteFile(t, "/run/network.xml", doc, 0o644)
	s.Must(t, "vnetmgr", "net-define", "/run/network.xml")
	s.Must(t, "vnetmgr", "net-start", name)
}
