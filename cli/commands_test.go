package cli

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

var update = flag.Bool("update", false, "rewrite testdata/commands.golden")

// commandLines are run one by one, each against a new fake daemon; their
// output is testdata/commands.golden. "|" separates words.
var commandLines = []string{
	"net-list",
	"net-list|--all",
	"net-list|--inactive",
	"net-list|--all|--persistent|--no-autostart",
	"net-list|--transient",
	"net-list|--autostart|--all|--name",
	"net-list|--all|--uuid",
	"net-list|--all|--title",
	"net-list|--name|--uuid",
	"-q|net-list|--all",
	"-q|net-list|--inactive|--name",
	"net-info|default",
	"net-info|00000000-0000-0000-0000-000000000002",
	"net-info|日本",
	"net-info|nosuch",
	"net-info|00000000-0000-0000-0000-00000000000f",
	"net-info|",
	"net-define|testdata/good.xml",
	"net-define|testdata/foreign.xml|--validate",
	"net-define|testdata/invalid.xml",
	"net-define|testdata/nosuch.xml",
	"-q|net-define|testdata/good.xml",
	"net-create|--file|testdata/good.xml",
	"net-create|testdata/foreign.xml|--validate",
	"net-create|testdata/invalid.xml",
	"net-start|Zed",
	"net-start|default",
	"net-start|nosuch",
	"-q|net-start|Zed",
	"-r|net-start|Zed",
	"net-destroy|default",
	"net-destroy|Zed",
	"net-undefine|Zed",
	"net-undefine|日本",
	"net-autostart|default",
	"net-autostart|--disable|Zed",
	"net-autostart|日本",
	"net-autostart|日本|--disable",
	"-r|net-autostart|default",
	"net-dumpxml|default",
	"net-dumpxml|default|--inactive",
	"-q|net-dumpxml|default",
	"net-dumpxml|default|--xpath|//ip",
	"net-dumpxml|default|--xpath|//ip/@*|--wrap",
	"net-dumpxml|default|--xpath|//*[@name]/@name",
	"net-dumpxml|default|--xpath|//name/text()",
	"net-dumpxml|default|--xpath|/network|--wrap",
	"net-dumpxml|default|--xpath|//nosuch",
	"net-dumpxml|default|--xpath|count(//ip)",
	"net-dumpxml|default|--xpath|//[",
	"net-dumpxml|nosuch",
	"net-name|00000000-0000-0000-0000-000000000001",
	"net-name|default",
	"net-name|zzzzzzzz-0000-0000-0000-000000000001",
	"net-name|00000000-0000-0000-0000-00000000000f",
	"net-uuid|default",
	"net-uuid|00000000-0000-0000-0000-000000000001",
	"net-dhcp-leases|default",
	"net-dhcp-leases|default|--mac|52:54:00:00:00:02",
	"net-dhcp-leases|default|zz",
	"net-dhcp-leases|Zed",
	"-q|net-dhcp-leases|default",
	"net-port-list|default",
	"net-port-list|default|--uuid",
	"net-port-list|Zed",
	"net-port-list|default|--details",
	"net-port-list|Zed|--details",
	"net-dhcp-leases|default|--domains",
	"net-dhcp-leases|Zed|--domains",
	"net-fdb|default",
	"net-fdb|Zed",
	"net-port-create|default|testdata/virsh/port.xml",
	"net-port-create|default|testdata/virsh/port.xml|--validate",
	"net-port-create|Zed|testdata/virsh/port.xml",
	"net-port-create|default|/nonexistent",
	"-r|net-port-create|default|testdata/virsh/port.xml",
	"net-port-dumpxml|default|00000000-0000-0000-0000-000000000009",
	"net-port-dumpxml|default|00000000-0000-0000-0000-000000000009|--xpath|//owner",
	"net-port-dumpxml|default|00000000-0000-0000-0000-000000000001",
	"net-port-dumpxml|default|x",
	"net-port-delete default 00000000-0000-0000-0000-000000000009; net-port-list default",
	"net-port-delete|default|00000000-0000-0000-0000-000000000001",
	"net-event|--list",
	"net-event",
	"net-event|--event|x",
	"net-event|--event|lifecycle|--timeout|0",
	"net-event|--event|lifecycle|--network|nosuch",
	"net-start Zed; net-start default; net-list --all",
	"net-uuid default; net-foo; net-uuid default",
	"net-uuid default; net-uuid nosuch",
	"net-uuid nosuch; net-uuid default",
	"net-edit|nosuch",
	"net-update|default|add|ip-dhcp-host|<host mac='52:54:00:00:00:01' ip='192.168.122.9'/>",
	"net-update|Zed|delete|dns-txt|<txt name='a'/>",
	"net-update|default|modify|dns-txt|<txt name='a'/>|--live|--config",
	"-q|net-update|default|modify|dns-txt|<txt name='a'/>|--config",
	"net-update|default|add|dns-txt|<invalid/>",
	"-r|net-update|default|add|dns-txt|<txt/>",
	"net-update|default|add|dns-txt|<txt/>|--current|--live",
	"net-desc|default",
	"net-desc|Zed|--title",
	"net-desc|default|--title",
	"-q|net-desc|default",
	"net-desc default A new   description; net-desc default; net-desc default ''; net-desc default",
	"net-desc default --title A title; net-desc --title default --live",
	"net-desc Zed --live text",
	"net-desc|default|--title|two\nlines",
	"net-desc|default|--config|--current",
	"-r|net-desc|default|x",
	"net-metadata|default|urn:x",
	"net-metadata default urn:x --key k --set '<a/>'; net-metadata default urn:x; net-metadata default urn:x --remove; net-metadata default urn:x",
	"net-metadata|default|urn:x|--set|<a/>",
	"net-metadata|default|urn:x|--edit",
	"net-metadata|default|urn:x|--edit|--remove",
	"net-metadata|default|urn:x|--set|<a/>|--remove",
	"net-metadata|default|urn:x|--key|k|--set|<invalid/>",
	"net-metadata|default",
	"net-define|testdata/live.xml|--live",
	"net-define|testdata/good.xml|--live",
	"-r|net-define|testdata/live.xml|--live",
	"help|net-update",
	"help|net-desc",
	"help|net-metadata",
	"-d|0|net-uuid|default",
	"-t|net-uuid|default",
	"--socket|/nonexistent/sock|version",
	"version",
	"-v",
	"-V",
	"-h",
	"help",
	"help|network",
	"help|net-list",
	"help|daemon",
	"help|nosuch",
	"daemon",
	"completion|tcsh",
	"",
	";",
	"-c|foo:///system|help",
	"-c|qemu:///system?socket=/nonexistent/sock|net-list",
	"-c|network+ssh:///system|net-list",
	"-c|network+smoke://host/system|net-list",
	"port-attach|default|--tap|fc0|--name|web|--ip|192.168.122.7|--user|7|--vnet-hdr|--mac-rule",
	"-q|port-attach|default|--netns|box|--ifname|net0|--inbound|100",
	"port-attach|default|--tap|fc0|--json",
	"port-attach|default|--tap|known",
	"port-attach|default|--tap|taken",
	"port-attach|default|--ip|none",
	"port-attach|nosuch",
	"port-attach|default|--existing",
	"port-attach|default|--netns|box|--multiqueue",
	"port-attach|default|--ifname|eth1",
	"port-attach|default|--user|nobody-of-that-name",
	"port-attach|default|--outbound|0",
	"-r|port-attach|default",
	"port-list|default",
	"port-list|default|--json",
	"port-list|Zed",
	"port-detach|default|fc9",
	"port-detach|default|WEB",
	"port-detach|default|nosuch",
	"help|port-attach",
	"help|port",
}

// volatile is what differs from run to run.
var volatile = regexp.MustCompile(`Time: [0-9.]+ ms|go1\.\S+ \S+`)

func TestCommands(t *testing.T) {
	inTimeZone(t, time.FixedZone("X", 3600))
	var all strings.Builder
	for _, line := range commandLines {
		d := newFakeDaemon(t)
		got := d.run(t, strings.Split(line, "|")...)
		fmt.Fprintf(&all, "$ vnetmgr %s\n%s", strings.ReplaceAll(line, "|", " "), got.Out)
		if got.Err != "" {
			fmt.Fprintf(&all, "[stderr]\n%s", got.Err)
		}
		fmt.Fprintf(&all, "[status %d]\n\n", got.Status)
	}
	golden(t, filepath.Join("testdata", "commands.golden"), volatile.ReplaceAllString(all.String(), "VOLATILE"))
}

// golden compares got with a file, or rewrites the file with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// inTimeZone sets the local time zone for one test.
func inTimeZone(t *testing.T, zone *time.Location) {
	old := time.Local
	time.Local = zone
	t.Cleanup(func() { time.Local = old })
}

func TestTitleComesFromXMLWhenTheDaemonHasNoMetadata(t *testing.T) {
	d := newFakeDaemon(t)
	d.lacks = []wire.Proc{wire.NetworkGetMetadata}
	got := d.run(t, "-q", "net-list", "--inactive", "--title")
	want := result{Out: " Zed   inactive   yes   yes   From XML\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAutostartThatCannotBeReadIsShownSo(t *testing.T) {
	d := newFakeDaemon(t)
	d.lacks = []wire.Proc{wire.NetworkGetAutostart}
	got := d.run(t, "-q", "net-list", "--inactive")
	if diff := cmp.Diff(result{Out: " Zed   inactive   no autostart   yes\n"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMissingProcedureIsNamed(t *testing.T) {
	d := newFakeDaemon(t)
	d.lacks = []wire.Proc{wire.ConnectListAllNetworks}
	got := d.run(t, "-q", "net-list")
	want := result{Status: 1, Err: "error: Failed to list networks\n" +
		"error: this function is not supported by the connection driver: virConnectListAllNetworks\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWithoutLeaveToWriteTheReadOnlySocketIsUsed(t *testing.T) {
	d := newFakeDaemon(t)
	d.denied = true
	if got := d.run(t, "-q", "net-uuid", "default"); got.Status != 0 {
		t.Errorf("reading: %+v", got)
	}
	want := result{Status: 1, Err: "error: Failed to start network Zed\n" +
		"error: operation forbidden: read only access prevents virNetworkCreate\n"}
	if diff := cmp.Diff(want, d.run(t, "-q", "net-start", "Zed")); diff != "" {
		t.Errorf("writing (-want +got):\n%s", diff)
	}
	if slices.Contains(d.calls, wire.NetworkCreate) {
		t.Error("the change was sent")
	}
}

func TestErrorsAreLogged(t *testing.T) {
	d := newFakeDaemon(t)
	log := filepath.Join(t.TempDir(), "log")
	d.run(t, "-l", log, "net-uuid", "nosuch")
	got, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^\[\d{4}\.\d\d\.\d\d \d\d:\d\d:\d\d vnetmgr \d+\] ERROR (.*)$`)
	var texts []string
	for _, m := range line.FindAllStringSubmatch(string(got), -1) {
		texts = append(texts, m[1])
	}
	want := []string{"failed to get network 'nosuch'", "Network not found: no network with matching name 'nosuch'"}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("log %q (-want +got):\n%s", got, diff)
	}
	bad := d.run(t, "-l", "/nonexistent/log", "net-list")
	if diff := cmp.Diff(result{Err: "error: failed to open the log file. check the log file path\n", Status: 1}, bad); diff != "" {
		t.Errorf("log that can't be opened (-want +got):\n%s", diff)
	}
}
