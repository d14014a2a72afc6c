package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// scriptedEditor returns an editor that on its n-th run does the n-th shell
// line with the file's name in $1.
func scriptedEditor(t *testing.T, lines ...string) string {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\necho x >> " + dir + "/runs\ncase $(wc -l < " + dir + "/runs | tr -d ' ') in\n"
	for i, line := range lines {
		script += fmt.Sprintf("%d) %s;;\n", i+1, line)
	}
	path := filepath.Join(dir, "editor")
	if err := os.WriteFile(path, []byte(script+"*) exit 9;;\nesac\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// openPTY returns both ends of a new terminal.
func openPTY(t *testing.T) (user, tty *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { user.Close() })
	if err := unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return user, tty
}

// promptWriter types the next key whenever a prompt is written.
type promptWriter struct {
	strings.Builder
	user *os.File
	keys string
}

func (w *promptWriter) Write(p []byte) (int, error) {
	if strings.HasSuffix(string(p), "[y,n,f,?]: ") && w.keys != "" {
		w.user.WriteString(w.keys[:1])
		w.keys = w.keys[1:]
	}
	return w.Builder.Write(p)
}

// runEdit runs net-edit Zed at a terminal where keys are typed.
func runEdit(t *testing.T, d *fakeDaemon, editor, keys string) result {
	t.Helper()
	user, tty := openPTY(t)
	out := &promptWriter{user: user, keys: keys}
	var errOut strings.Builder
	status := Main(t.Context(), []string{"-q", "net-edit", "Zed"}, Env{
		Stdin: tty, Stdout: out, Stderr: &errOut,
		Getenv: func(name string) string {
			return map[string]string{"VNETMGR_SOCKET": d.socket, "EDITOR": editor}[name]
		},
	})
	return result{out.String(), errOut.String(), status}
}

const prompt = "\rFailed. Try again? [y,n,f,?]: "

func TestEditDefines(t *testing.T) {
	d := newFakeDaemon(t)
	editor := scriptedEditor(t, `sed -i s/From/Not_from/ "$1"`)
	got := runMain(t, map[string]string{"VNETMGR_SOCKET": d.socket, "VISUAL": editor, "EDITOR": "false"}, "net-edit", "Zed")
	if diff := cmp.Diff(result{Out: "Network Zed XML configuration edited.\n\n"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(d.find("Zed").xml, "Not_from") {
		t.Error("the definition is as before")
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "vnetmgr*.xml")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestUnchangedTextIsNotDefined(t *testing.T) {
	d := newFakeDaemon(t)
	got := runMain(t, map[string]string{"VNETMGR_SOCKET": d.socket, "EDITOR": "true"}, "net-edit", "Zed")
	if diff := cmp.Diff(result{Out: "Network Zed XML configuration not changed.\n\n"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want := []wire.Proc{wire.AuthList, wire.ConnectOpen, wire.NetworkLookupByName, wire.NetworkGetXMLDesc, wire.ConnectClose}
	if diff := cmp.Diff(want, d.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestEditorWithShellSyntaxIsRunByTheShell(t *testing.T) {
	d := newFakeDaemon(t)
	got := runMain(t, map[string]string{"VNETMGR_SOCKET": d.socket, "EDITOR": "sed -i 's/From XML/Two words/'"}, "-q", "net-edit", "Zed")
	if got.Status != 0 || !strings.Contains(d.find("Zed").xml, "Two words") {
		t.Errorf("%+v, xml %s", got, d.find("Zed").xml)
	}
}

func TestRefusedDefinitionCanBeEditedAgain(t *testing.T) {
	d := newFakeDaemon(t)
	editor := scriptedEditor(t, `sed -i s/From/invalid/ "$1"`, `sed -i s/invalid/By/ "$1"`)
	got := runEdit(t, d, editor, "?xy")
	want := result{
		Out: prompt + "\ny - yes, start editor again\nn - no, throw away my changes\n" +
			"f - force, try to redefine again\n? - print this help\n" + prompt + prompt + "\r\n",
		Err: "error: XML error: no good\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(d.find("Zed").xml, "By XML") {
		t.Errorf("the definition is %s", d.find("Zed").xml)
	}
}

func TestRefusedDefinitionCanBeDropped(t *testing.T) {
	d := newFakeDaemon(t)
	got := runEdit(t, d, scriptedEditor(t, `sed -i s/From/invalid/ "$1"`), "n")
	if diff := cmp.Diff(result{Out: prompt + "\r\n", Err: "error: XML error: no good\n"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(d.find("Zed").xml, "From XML") {
		t.Error("the definition changed")
	}
}

func TestRefusedDefinitionFailsWithoutATerminal(t *testing.T) {
	d := newFakeDaemon(t)
	editor := scriptedEditor(t, `sed -i s/From/invalid/ "$1"`)
	got := runMain(t, map[string]string{"VNETMGR_SOCKET": d.socket, "EDITOR": editor}, "-q", "net-edit", "Zed")
	if diff := cmp.Diff(result{Status: 1, Err: "error: Failed.\nerror: XML error: no good\n"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The editor changes the network behind the edit's back, as another user.
func TestChangeByAnotherUserIsNotOverwrittenUnlessForced(t *testing.T) {
	for keys, want := range map[string]string{"n": "Theirs", "f": "Mine"} {
		d := newFakeDaemon(t)
		other := filepath.Join(t.TempDir(), "other.xml")
		if err := os.WriteFile(other, []byte("<network><name>Zed</name><title>Theirs</title></network>"), 0o600); err != nil {
			t.Fatal(err)
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		editor := scriptedEditor(t, fmt.Sprintf(`sed -i "s/From XML/Mine/" "$1"; %s=1 VNETMGR_SOCKET=%s %s net-define %s`, actAsMain, d.socket, self, other))
		got := runEdit(t, d, editor, keys)
		if !strings.Contains(got.Out, "\rThe XML configuration was changed by another user. Try again? [y,n,f,?]: ") || got.Status != 0 {
			t.Errorf("%s: %+v", keys, got)
		}
		if !strings.Contains(d.find("Zed").xml, want) {
			t.Errorf("%s: the definition is %s", keys, d.find("Zed").xml)
		}
	}
}
