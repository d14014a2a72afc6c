package e2e

import (
	"flag"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// service can be set to libvirt to see what the tests that apply to both say
// of the distribution's libvirt: go test ./e2e -service=libvirt
var service = flag.String("service", "vnetmgr", "whose networks to test: vnetmgr or libvirt")

// programs is the directory with the program under test, once it was built.
var programs string

var build = sync.OnceValue(func() (err error) {
	if programs, err = os.MkdirTemp("", "vnetmgr-e2e-"); err != nil {
		return err
	}
	return lab.Build(programs)
})

// site is a host with an uplink to an internet and the program under test.
type site struct {
	*lab.Host
	internet *lab.Internet
	control  []string // the command line that networks are controlled with
}

// newSite makes a host on which vnetmgr is installed and nothing was started.
func newSite(t *testing.T) *site {
	t.Helper()
	if *service != "vnetmgr" {
		t.Skip("this is about vnetmgr")
	}
	lab.NeedRoot(t)
	if err := build(); err != nil {
		t.Fatal(err)
	}
	s := &site{Host: lab.NewHost(t), control: []string{"vnetmgr"}}
	s.Install(programs)
	s.internet = s.Uplink(t)
	return s
}

// newServiceSite makes a host where the service that the flag names is ready
// to start networks.
func newServiceSite(t *testing.T) *site {
	t.Helper()
	lab.NeedRoot(t)
	if *service == "libvirt" {
		s := &site{Host: lab.NewHost(t), control: []string{"virsh", "-c", "qemu:///system"}}
		s.internet = s.Uplink(t)
		s.Libvirt(t)
		return s
	}
	s := newSite(t)
	s.Daemon(t)
	return s
}

// ctl runs a command on networks that has to succeed and returns its output.
func (s *site) ctl(t *testing.T, args ...string) string {
	t.Helper()
	return s.Must(t, append(s.control, args...)...)
}

// try runs a command on networks.
func (s *site) try(t *testing.T, args ...string) lab.Result {
	t.Helper()
	return s.Run(t, append(s.control, args...)...)
}

// refused runs a command on networks that has to fail with an error that
// names all the given things, and to change nothing on the host.
func (s *site) refused(t *testing.T, names []string, args ...string) {
	t.Helper()
	before := s.Snapshot(t)
	r := s.try(t, args...)
	if r.Code != 1 {
		t.Fatalf("%v was not refused: %v", args, r)
	}
	for _, name := range names {
		if !strings.Contains(r.Stderr, name) {
			t.Errorf("%v: the error does not name %q:\n%s", args, name, r.Stderr)
		}
	}
	if diff := cmp.Diff(before, s.Snapshot(t)); diff != "" {
		t.Errorf("%v was refused, but changed the host (-before +after):\n%s", args, diff)
	}
}

// define defines a network from its XML.
func (s *site) define(t *testing.T, doc string) {
	t.Helper()
	s.WriteFile(t, "/run/network.xml", doc, 0o644)
	s.ctl(t, "net-define", "/run/network.xml")
}

// row is the line of net-dhcp-leases for the guest, split into its columns, or
// nil.
func (s *site) row(t *testing.T, network string, g *lab.Guest) []string {
	t.Helper()
	for line := range strings.Lines(s.ctl(t, "net-dhcp-leases", network)) {
		if strings.Contains(line, g.MAC.String()) {
			return strings.Fields(line)
		}
	}
	return nil
}
