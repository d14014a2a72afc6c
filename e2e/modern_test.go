//go:build modern

package e2e

import (
	"flag"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// The tests of these files take a system with libvirt 11: make modern.

var tree = flag.String("tree", "", "directory with a Debian system that has libvirt's modular daemons")

// newModern makes a host with libvirt 11, nothing of which runs; its virsh
// talks to whoever has the network daemon's socket.
func newModern(t *testing.T) *site {
	t.Helper()
	if *tree == "" {
		t.Fatal("no -tree: run make modern")
	}
	if err := build(); err != nil {
		t.Fatal(err)
	}
	s := &site{Host: lab.NewHostIn(t, *tree), control: []string{"virsh", "-c", "network:///system"}}
	s.Install(programs)
	s.internet = s.Uplink(t)
	return s
}

// pair is two hosts that are the same but for their network daemons.
type pair struct{ ours, libvirts *site }

func newPair(t *testing.T) pair {
	t.Helper()
	p := pair{newModern(t), newModern(t)}
	p.ours.WriteFile(t, "/etc/vnetmgr.conf", "", 0o644)
	p.ours.Daemon(t)
	p.ours.ctl(t, "net-undefine", "default")
	p.libvirts.Virtnetworkd(t)
	return p
}

// file writes a file on both hosts.
func (p pair) file(t *testing.T, path, content string) {
	t.Helper()
	p.ours.WriteFile(t, path, content, 0o644)
	p.libvirts.WriteFile(t, path, content, 0o644)
}

// script runs a shell script on both hosts, in which v is virsh, and returns
// what they said.
func (p pair) script(t *testing.T, text string) (ours, libvirts lab.Result) {
	t.Helper()
	text = "v() { virsh -c network:///system \"$@\"; }\n" + text
	return p.ours.Run(t, "sh", "-c", text), p.libvirts.Run(t, "sh", "-c", text)
}

// same runs a script on both hosts, and fails the test if they do not say the
// same. With ownWords, an error's text may differ, but not its kind.
func (p pair) same(t *testing.T, text string, ownWords bool) {
	t.Helper()
	ours, libvirts := p.script(t, text)
	if ownWords {
		if ours.Stderr == libvirts.Stderr {
			t.Errorf("%s: the words are the same by now", text)
		}
		ours.Stderr, libvirts.Stderr = errorKind(ours.Stderr), errorKind(libvirts.Stderr)
	}
	want := knownDifferences.ReplaceAllString(libvirts.String(), "$1$2$3")
	got := knownDifferences.ReplaceAllString(ours.String(), "$1$2$3")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-libvirt +vnetmgr)\n%s", strings.TrimSpace(text), diff)
	}
}

// knownDifferences are virsh's temporary files, and what docs/compat.md says
// of the live XML of a nat network.
var knownDifferences = regexp.MustCompile(`(/tmp/virsh)\w+|(<forward mode='nat')>\n    <nat>\n      <port start='1024' end='65535'/>\n    </nat>\n  </forward>|(<forward mode='nat')/>`)

// errorKind is the command's own line, and libvirt's up to its detail.
func errorKind(stderr string) string {
	own, libvirts, _ := strings.Cut(stderr, "\n")
	kind := regexp.MustCompile(`^error: [A-Z][\w ]+:|^error: [a-z ]+:`).FindString(libvirts)
	return own + "\n" + kind
}
