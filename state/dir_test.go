package state

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

func newDir(t *testing.T) Dir {
	t.Helper()
	d := Dir{Config: filepath.Join(t.TempDir(), "networks"), Run: filepath.Join(t.TempDir(), "run")}
	if !d.Fresh() {
		t.Error("a directory that is not there is not fresh")
	}
	if err := d.Make(); err != nil {
		t.Fatal(err)
	}
	if d.Fresh() {
		t.Error("fresh after Make")
	}
	return d
}

func network(t *testing.T, doc string) *xmlnet.Network {
	t.Helper()
	n, _, err := xmlnet.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Complete(func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	return n
}

const doc = `<network><name>NAME</name><description>two
lines</description><ip address='10.0.0.1' prefix='24'/></network>`

func named(t *testing.T, name string) *xmlnet.Network {
	t.Helper()
	return network(t, strings.Replace(doc, "NAME", name, 1))
}

func TestDefinitionsComeBackAsSaved(t *testing.T) {
	d := newDir(t)
	saved := []*xmlnet.Network{named(t, "a"), named(t, "b with 'quotes'"), named(t, "c--d")}
	for _, n := range saved {
		if err := d.SaveDefinition(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.SetAutostart("a", true); err != nil {
		t.Fatal(err)
	}
	defs, err := d.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	for i, def := range defs {
		if diff := cmp.Diff(string(saved[i].Format(xmlnet.FormatOptions{})), string(def.Network.Format(xmlnet.FormatOptions{}))); diff != "" {
			t.Errorf("(-saved +read)\n%s", diff)
		}
		if def.Autostart != (def.Network.Name == "a") {
			t.Errorf("%s: autostart %v", def.Network.Name, def.Autostart)
		}
	}
	if len(defs) != len(saved) {
		t.Errorf("%d definitions of %d", len(defs), len(saved))
	}
}

func TestActiveNetworksComeBackLineForLine(t *testing.T) {
	d := newDir(t)
	n := named(t, "a")
	for range 3 { // text must not grow from one time to the next
		if err := d.SaveActive(n, port.PoolState{}, false); err != nil {
			t.Fatal(err)
		}
		active, err := d.Active()
		if err != nil || len(active) != 1 {
			t.Fatalf("%d active: %v", len(active), err)
		}
		n = active[0]
	}
	if n.Description != "two\nlines" {
		t.Errorf("description %q", n.Description)
	}
	if err := d.RemoveActive("a"); err != nil {
		t.Fatal(err)
	}
	if active, err := d.Active(); err != nil || len(active) != 0 {
		t.Errorf("%d active after removal: %v", len(active), err)
	}
}

func TestOneBadFileIsNamedAndHidesNoOther(t *testing.T) {
	d := newDir(t)
	if err := d.SaveDefinition(named(t, "good")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"cut.xml":     "<network><name>cut</na",
		"another.xml": "<network><name>other</name></network>",
		"empty.xml":   "",
	} {
		if err := os.WriteFile(filepath.Join(d.Config, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	defs, err := d.Definitions()
	if len(defs) != 1 || defs[0].Network.Name != "good" {
		t.Errorf("got %d definitions", len(defs))
	}
	for _, want := range []string{"cut.xml", "another.xml", "empty.xml"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in %v", want, err)
		}
	}
}

func TestAutostartTwiceIsOnce(t *testing.T) {
	d := newDir(t)
	if err := d.SaveDefinition(named(t, "a")); err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{true, true, false, false} {
		if err := d.SetAutostart("a", on); err != nil {
			t.Fatalf("autostart %v: %v", on, err)
		}
	}
}

func TestRemovedDefinitionLeavesNothing(t *testing.T) {
	d := newDir(t)
	if err := d.SaveDefinition(named(t, "a")); err != nil {
		t.Fatal(err)
	}
	if err := d.SetAutostart("a", true); err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveDefinition("a"); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(d.Config, "*", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
	if defs, err := d.Definitions(); err != nil || len(defs) > 0 {
		t.Errorf("%d definitions: %v", len(defs), err)
	}
}

func TestFirstStartIsOncePerBoot(t *testing.T) {
	d := newDir(t)
	for _, want := range []bool{true, false, false} {
		if got, err := d.FirstStart(); err != nil || got != want {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	}
}

func TestFailedWriteKeepsTheOldFile(t *testing.T) {
	d := newDir(t)
	n := named(t, "a")
	if err := d.SaveDefinition(n); err != nil {
		t.Fatal(err)
	}
	// A directory in the way of the rename, as an unwritable disk would be.
	if err := os.MkdirAll(filepath.Join(d.Config, "b.xml", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.SaveDefinition(named(t, "b")); err == nil {
		t.Fatal("a definition over a directory was saved")
	}
	files, err := filepath.Glob(filepath.Join(d.Config, ".tmp-*"))
	if err != nil || len(files) > 0 {
		t.Errorf("left behind: %v %v", files, err)
	}
	if defs, err := d.Definitions(); err != nil || len(defs) != 1 {
		t.Errorf("%d definitions: %v", len(defs), err)
	}
}

func TestHalfWrittenFilesAreSweptAtStart(t *testing.T) {
	d := newDir(t)
	for _, dir := range []string{d.Config, d.Run} {
		if err := os.WriteFile(filepath.Join(dir, tempPrefix+"123"), []byte("<netw"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", tempPrefix + "network"} {
		if err := d.SaveDefinition(named(t, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Make(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{d.Config, d.Run} {
		if left, err := filepath.Glob(filepath.Join(dir, tempPrefix+"1*")); err != nil || len(left) > 0 {
			t.Errorf("left: %v %v", left, err)
		}
	}
	if defs, err := d.Definitions(); err != nil || len(defs) != 2 {
		t.Errorf("%d definitions: %v", len(defs), err)
	}
}

func TestStatusFileTellsWhetherScriptsHaveRun(t *testing.T) {
	d := newDir(t)
	n := named(t, "a")
	n.IPv6 = true
	n.Description = "<taint flag='hook-script'/>"
	for _, tainted := range []bool{false, true} {
		if err := d.SaveActive(n, port.PoolState{}, tainted); err != nil {
			t.Fatal(err)
		}
		if d.Tainted("a") != tainted {
			t.Errorf("saved with %v, read with %v", tainted, d.Tainted("a"))
		}
	}
	if d.Tainted("none") {
		t.Error("a network that is not active is tainted")
	}
}

func TestStatusFileTellsWhatPortsWerePromised(t *testing.T) {
	d := newDir(t)
	for _, tt := range []struct {
		ids  []uint32
		want string
	}{{nil, "0-2"}, {[]uint32{3}, "0-3"}, {[]uint32{3, 4, 6}, "0-4,6"}, {[]uint32{4, 7, 8, 9}, "0-2,4,7-9"}} {
		ports := port.PoolState{FloorSum: 120, ClassIDs: make(map[uint32]bool)}
		for _, id := range tt.ids {
			ports.ClassIDs[id] = true
		}
		if err := d.SaveActive(named(t, "a"), ports, false); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(d.active("a"))
		if err != nil {
			t.Fatal(err)
		}
		want := "<networkstatus>\n  <class_id bitmap='" + tt.want + "'/>\n  <floor sum='120'/>\n"
		if !strings.HasPrefix(string(text), want) {
			t.Errorf("with classes %d:\n%s", tt.ids, text)
		}
	}
}
