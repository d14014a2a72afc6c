package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompletion(t *testing.T) {
	d := newFakeDaemon(t)
	tests := []struct{ name, line, want string }{
		{"command", "net-d", "net-define net-desc net-destroy net-dhcp-leases net-dhcp-history net-dumpxml"},
		{"hidden command", "comp", "completion"},
		{"global option", "--re", "--readonly"},
		{"value of a global option", "-c|net", "network:///system"},
		{"file of a global option", "-l|", ":file"},
		{"inactive networks", "net-start|", "Zed"},
		{"active networks", "net-destroy|", "default 日本"},
		{"persistent networks", "net-edit|", "default Zed"},
		{"beginning of a name", "net-info|d", "default"},
		{"after a global option", "-q|net-uuid|Z", "Zed"},
		{"uuids", "net-name|00000000-0000-0000-0000-000000000002", "00000000-0000-0000-0000-000000000002"},
		{"named value", "net-event|--event|", "lifecycle metadata-change"},
		{"named value with =", "net-event|--event=l", "--event=lifecycle"},
		{"file", "net-define|x", ":file"},
		{"options left", "net-dumpxml|default|--inactive|--", "--xpath --wrap"},
		{"options when no value is left", "net-autostart|default|", "--disable"},
		{"nothing after a mistake", "net-list|--nosuch|", ""},
		{"unknown command", "net-foo|", ""},
		{"topic of help", "help|vers", "version"},
		{"shell", "completion|", "bash zsh fish"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := d.run(t, append([]string{"complete"}, strings.Split(tt.line, "|")...)...)
			if diff := cmp.Diff(tt.want, strings.Join(strings.Split(strings.TrimSpace(got.Out), "\n"), " ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Err != "" || got.Status != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestCompletionWithoutADaemonIsSilent(t *testing.T) {
	got := runMain(t, map[string]string{"VNETMGR_SOCKET": filepath.Join(t.TempDir(), "sock")}, "complete", "net-start", "")
	if diff := cmp.Diff(result{}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// bash itself runs the script; the program it asks is this test's binary.
func TestBashCompletes(t *testing.T) {
	d := newFakeDaemon(t)
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := "#!/bin/sh\n" + actAsMain + "=1 VNETMGR_SOCKET=" + d.socket + " exec " + self + ` "$@"` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "vnetmgr"), []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"vnetmgr net-sta":                        "net-start",
		"vnetmgr -q net-start ":                  "Zed",
		"vnetmgr -c network:///s":                "///system", // bash keeps what is before the last colon
		"vnetmgr net-event --event=lif":          "lifecycle",
		"vnetmgr net-define testdata/goo":        "testdata/good.xml",
		"vnetmgr net-define --file=testdata/goo": "testdata/good.xml",
	} {
		script := `source <(vnetmgr completion bash)
COMP_LINE=$1 COMP_POINT=${#1}
_vnetmgr
printf '%s\n' "${COMPREPLY[@]}"`
		cmd := exec.CommandContext(t.Context(), "bash", "-c", script, "bash", line)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "COMP_WORDBREAKS= \t\n\"'><=;|&(:")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		if diff := cmp.Diff(want, strings.TrimSpace(string(out))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}
