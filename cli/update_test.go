package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

func TestUpdateSendsWhatWasAskedFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "txt.xml")
	if err := os.WriteFile(file, []byte("<txt name='a'/>\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := newFakeDaemon(t)
	for _, args := range [][]string{
		{"net-update", "default", "add", "ip-dhcp-host", "<host/>"},
		{"net-update", "default", "add-first", "bridge", "<b/>", "3", "--config"},
		{"net-update", "--parent-index", "-2", "--live", "--config", "default", "modify", "dns-srv", "--xml", "<srv/>"},
		{"net-update", "default", "delete", "dns-txt", file, "--current"},
	} {
		if got := d.run(t, args...); got.Status != 0 {
			t.Fatalf("%v: %+v", args, got)
		}
	}
	n := d.find("default")
	want := []wire.UpdateArgs{
		{Network: n.ref(), Command: 3, Section: 4, ParentIndex: -1, XML: "<host/>"},
		{Network: n.ref(), Command: 4, Section: 1, ParentIndex: 3, XML: "<b/>", Flags: 2},
		{Network: n.ref(), Command: 1, Section: 12, ParentIndex: -2, XML: "<srv/>", Flags: 3},
		{Network: n.ref(), Command: 2, Section: 11, ParentIndex: -1, XML: "<txt name='a'/>\n"},
	}
	if diff := cmp.Diff(want, n.updates); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDescriptionsAndMetadataAreEdited(t *testing.T) {
	for _, tt := range []struct {
		name, editor string
		args         []string
		want         string // what is said
		meta         map[string]string
	}{
		{"a description", `printf 'two\nlines\n' >`, []string{"net-desc", "default", "--edit"},
			"Network description updated successfully\n", map[string]string{"0": "two\nlines\n"}},
		{"a title loses its line break", `printf 'title\n' >`, []string{"net-desc", "default", "--title", "--edit"},
			"Network title updated successfully\n", map[string]string{"1": "title"}},
		{"words are what the editor begins with", `sed -i s/b/c/`, []string{"net-desc", "default", "--edit", "a", "b"},
			"Network description updated successfully\n", map[string]string{"0": "a c"}},
		{"unchanged", `true`, []string{"net-desc", "default", "--edit"}, "Network description not changed\n\n", nil},
		{"a title unchanged", `true`, []string{"net-desc", "Zed", "--title", "--edit"}, "Network title not changed\n\n", nil},
		{"an element", `echo '<a/>' >`, []string{"net-metadata", "default", "urn:x", "--key", "k", "--edit"},
			"Metadata modified\n\n", map[string]string{"urn:x": "<a/>\n"}},
		{"an element unchanged", `true`, []string{"net-metadata", "default", "urn:x", "--key", "k", "--edit"}, "Metadata not changed\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("EDITOR", tt.editor)
			d := newFakeDaemon(t)
			if diff := cmp.Diff(result{Out: tt.want}, d.run(t, tt.args...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.meta, d.find("default").meta); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDescriptionComesFromTheXMLOfOldDaemons(t *testing.T) {
	d := newFakeDaemon(t)
	d.lacks = []wire.Proc{wire.NetworkGetMetadata}
	if diff := cmp.Diff(result{Out: "From XML\n"}, d.run(t, "net-desc", "Zed", "--title")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLiveEditReachesOnlyOurDaemon(t *testing.T) {
	t.Setenv("EDITOR", "sed -i s/virbr0/virbr9/")
	d := newFakeDaemon(t)
	if diff := cmp.Diff(result{Out: "Network default XML configuration edited.\n\n"}, d.run(t, "net-edit", "default", "--live")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	d.foreign = true
	got := d.run(t, "net-define", "testdata/live.xml", "--live")
	want := "error: Failed to define network from testdata/live.xml\n" +
		"error: the daemon cannot change a network while it is active: only vnetmgr's can\n"
	if diff := cmp.Diff(want, got.Err); diff != "" || got.Status != 1 {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
