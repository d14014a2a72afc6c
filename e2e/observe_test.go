package e2e

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
	"github.com/vnetmgr/vnetmgr/e2e/observe"
	"github.com/vnetmgr/vnetmgr/internal/golden"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

const fixtures = "../fixtures"

// moreNames are asked for in a fixture besides what its definition names: the
// names that its dnsmasq options are about.
var moreNames = map[string][]string{
	"dnsmasq-options": {
		"A apps.cluster.test", "A console.apps.cluster.test", "AAAA console.apps.cluster.test", "A one.apps.zone.test",
		"A lb.zone.test", "PTR 6.126.168.192.in-addr.arpa", "A absent.zone.test", "TXT www.example.com",
	},
}

// TestFixturesLookAsTheyDid starts every network of fixtures/ and observes it
// from a guest; observed.txt in the fixture's folder holds what is to be seen.
// With -service=libvirt libvirt and dnsmasq run the networks, and what is to be
// seen of them is the same, but for what fixtures/differences.txt lists.
func TestFixturesLookAsTheyDid(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob(fixtures + "/*/defined.xml")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	accepted, err := observe.ReadAccepted(fixtures + "/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("each", func(t *testing.T) {
		for _, file := range folders {
			folder := filepath.Dir(file)
			t.Run(filepath.Base(folder), func(t *testing.T) {
				t.Parallel()
				report := observeFixture(t, folder)
				if *service == "vnetmgr" {
					golden.Check(t, folder+"/observed.txt", []byte(report.String()))
					return
				}
				compare(t, folder, report, accepted)
			})
		}
	})
	if *service != "vnetmgr" && !strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		for _, rule := range accepted.Unused() {
			t.Errorf("differences.txt lists what is no difference: %s", rule)
		}
	}
}

// compare finds the differences of another program's network to ours, that
// nobody gave a reason for.
func compare(t *testing.T, folder string, theirs *observe.Report, accepted *observe.Accepted) {
	t.Helper()
	if dir := os.Getenv("OBSERVED"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(folder)+".txt"), []byte(theirs.String()), 0o644); err != nil {
			t.Error(err)
		}
	}
	ours, err := os.ReadFile(folder + "/observed.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range observe.Differences(theirs, observe.ParseReport(string(ours))) {
		if !accepted.Has(filepath.Base(folder), d) {
			t.Errorf("%s (- libvirt, + vnetmgr)", d)
		}
	}
}

// observeFixture runs one fixture's network on a host of its own.
func observeFixture(t *testing.T, folder string) *observe.Report {
	t.Helper()
	doc, err := os.ReadFile(folder + "/defined.xml")
	if err != nil {
		t.Fatal(err)
	}
	n, _, err := xmlnet.Parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	s := newObservedSite(t, n)
	s.WriteFile(t, "/run/network.xml", string(dependent.ReplaceAll(doc, nil)), 0o644)
	if r := s.try(t, "net-define", "/run/network.xml"); r.Code != 0 {
		return observe.Nothing("is refused: " + lastLine(r.Stderr))
	}
	if r := s.try(t, "net-start", n.Name); r.Code != 0 {
		return observe.Nothing("does not start: " + lastLine(r.Stderr))
	}
	if !n.Forward.Mode.OwnBridge() {
		return observe.Nothing("starts, and has no link")
	}
	return observe.Network(t, observe.Subject{
		Host: s.Host, Network: n, Upstreams: s.upstreams, Names: moreNames[filepath.Base(folder)],
	})
}

// dependent is what of a definition needs what not every kernel has, a
// firewalld or a systemd-resolved.
var dependent = regexp.MustCompile(`(?s)<bandwidth>.*?</bandwidth>| zone='[^']*'| register='yes'`)

// lastLine is the last line of what a command said, its message.
func lastLine(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	return lines[len(lines)-1]
}

// observedSite is a site whose upstreams write down what they are asked.
type observedSite struct {
	*site
	upstreams *observe.Upstreams
}

func newObservedSite(t *testing.T, n *xmlnet.Network) *observedSite {
	t.Helper()
	lab.NeedRoot(t)
	s := &observedSite{site: &site{Host: lab.NewHost(t), control: []string{"vnetmgr"}}}
	s.internet = s.Uplink(t)
	s.upstreams = observe.NewUpstreams(t, s.Host, s.internet, n)
	s.WriteFile(t, "/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 kvmhost\n192.0.2.77 hostsname.example.com hostsname\n", 0o644)
	s.Script(t, "mount -t tmpfs tmpfs /srv")
	if root, _ := observe.TFTPRoot(n); root != "" {
		s.Script(t, observe.BootFiles(root))
	}
	if *service == "libvirt" {
		s.control = []string{"virsh", "-c", "qemu:///system"}
		s.Libvirt(t)
	} else {
		if err := build(); err != nil {
			t.Fatal(err)
		}
		s.Install(programs)
		s.Daemon(t)
	}
	// Both come with a network of that name, which a fixture may have as well.
	s.try(t, "net-destroy", "default")
	s.try(t, "net-undefine", "default")
	return s
}

// TestEveryAcceptedDifferenceIsDocumented keeps docs/compat.md and the list
// that the comparison reads together.
func TestEveryAcceptedDifferenceIsDocumented(t *testing.T) {
	accepted, err := observe.ReadAccepted(fixtures + "/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/compat.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range accepted.Documented() {
		if !strings.Contains(string(page), text) {
			t.Errorf("docs/compat.md does not say %q", text)
		}
	}
}
