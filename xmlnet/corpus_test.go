package xmlnet

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// equateNetip compares addresses by their values.
var equateNetip = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

// corpus returns the folder of libvirt's own cases, if one is beside the
// repository, as it must be where no test may pass by skipping.
func corpus(t *testing.T) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != "/" {
		dir = filepath.Dir(dir)
		if c := filepath.Join(dir, "shared", "corpus"); isDir(c) {
			return c
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("no shared/corpus beside the repository")
	}
	return ""
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// refusedByLibvirt are cases that libvirt's parser takes and its daemon
// doesn't, or that neither takes.
var refusedByLibvirt = map[string]Kind{
	"hostdev-duplicate":                    XMLError,
	"open-network-with-forward-dev":        XMLError,
	"passthrough-duplicate":                XMLError,
	"routed-network-no-dns-extra-elements": XMLError,
	"passthrough-address-crash":            ConfigUnsupported,
	"openvswitch-net":                      ConfigUnsupported,
}

func TestLibvirtsOwnCases(t *testing.T) {
	dir := corpus(t)
	if dir == "" {
		t.Log("no shared/corpus beside the repository: only the fixtures are tested")
		return
	}
	files, _ := filepath.Glob(dir + "/networkxml2xmlin/*.xml")
	if len(files) == 0 {
		t.Fatalf("no cases in %s", dir)
	}
	for _, f := range files {
		name := filepath.Base(f[:len(f)-len(".xml")])
		t.Run(name, func(t *testing.T) {
			doc := readFile(t, f)
			kind, refused := refusedByLibvirt[name]
			if refused {
				if e := refusal(t, string(doc)); e.Kind != kind {
					t.Errorf("refused with kind %d (%v), want %d", e.Kind, e, kind)
				}
			}
			want, err := os.ReadFile(dir + "/networkxml2xmlout/" + name + ".xml")
			if err != nil {
				return // libvirt's parser refuses it
			}
			n, warnings, err := Parse(doc)
			if err != nil || len(warnings) > 0 {
				t.Fatalf("Parse: %v, warnings %v", err, warnings)
			}
			got := n.Format(FormatOptions{Inactive: regexp.MustCompile(`<pf `).Match(doc)})
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			checkGenerated(t, n, got)
		})
	}
}

// checkGenerated checks that Complete adds to n's text got, besides what was
// there, a UUID, MAC and bridge name at most.
func checkGenerated(t *testing.T, n *Network, got []byte) {
	t.Helper()
	c := n.Clone()
	if err := c.Complete(func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	added := regexp.MustCompile(`(?m)^  <mac address='52:54:00(:[0-9a-f]{2}){3}'/>\n`)
	text := c.Format(FormatOptions{})
	if n.MAC == nil {
		text = added.ReplaceAll(text, nil)
	}
	if n.Forward.PF == "" && !bytes.Equal(text, got) {
		t.Errorf("Complete changed more than it may (-before +after):\n%s", cmp.Diff(string(got), string(text)))
	}
}

func TestLibvirtsOtherCasesSurviveReading(t *testing.T) {
	dir := corpus(t)
	if dir == "" {
		t.Log("no shared/corpus beside the repository: only the fixtures are tested")
		return
	}
	for _, part := range []string{"networkxml2xmlout", "networkxml2confdata", "networkxml2firewalldata", "networkxml2xmlupdateout"} {
		files, _ := filepath.Glob(filepath.Join(dir, part, "*.xml"))
		if len(files) == 0 {
			t.Errorf("no cases in %s", part)
		}
		for _, f := range files {
			n, warnings, err := Parse(readFile(t, f))
			if err != nil || len(warnings) > 0 {
				// net-update's unit test makes a network that a daemon refuses.
				if filepath.Base(f) != "nat-network-forward-ifaces.xml" {
					t.Errorf("%s: %v, warnings %v", f, err, warnings)
				}
				continue
			}
			checkRoundTrip(t, n)
		}
	}
}
