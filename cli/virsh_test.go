package cli

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const libvirtdSocket = "/run/libvirt/libvirt-sock"

// virshCase is a command line that both programs are given; "|" separates
// words.
type virshCase struct {
	args    string
	changes bool   // the networks are put back before each program
	editor  string // $EDITOR

	// differs says why the programs are meant to differ, where they do.
	differs string
}

var virshCases = []virshCase{
	{args: "net-list"},
	{args: "net-list|--all"},
	{args: "net-list|--inactive"},
	{args: "net-list|--inactive|--all"},
	{args: "net-list|--all|--autostart"},
	{args: "net-list|--all|--no-autostart"},
	{args: "net-list|--transient"},
	{args: "net-list|--persistent|--all|--name"},
	{args: "net-list|--all|--uuid"},
	{args: "net-list|--table"},
	{args: "net-list|--table|--name"},
	{args: "net-list|--al"},
	{args: "net-list|--all|--all"},
	{args: "net-list|--all=yes"},
	{args: "net-list|extra"},
	{args: "-q|net-list|--all"},
	{args: "-r|net-list"},
	{args: "net-info|alpha"},
	{args: "net-info|beta"},
	{args: "net-info|Zed"},
	{args: "net-info|11111111-1111-4111-8111-111111111111"},
	{args: "net-info|99999999-1111-4111-8111-111111111111"},
	{args: "net-info|nosuch"},
	{args: "net-info|"},
	{args: "net-info"},
	{args: "net-dumpxml|alpha"},
	{args: "net-dumpxml|beta|--inactive"},
	{args: "-q|net-dumpxml|日本 net"},
	{args: "net-dumpxml|alpha|--xpath|//ip"},
	{args: "net-dumpxml|alpha|--xpath|//ip/@address"},
	{args: "net-dumpxml|alpha|--xpath|//ip/@address|--wrap"},
	{args: "net-dumpxml|alpha|--xpath|//ip|--wrap"},
	{args: "net-dumpxml|alpha|--xpath|//title/text()"},
	{args: "net-dumpxml|alpha|--xpath|//description"},
	{args: "net-dumpxml|alpha|--xpath|//metadata"},
	{args: "net-dumpxml|alpha|--xpath|/network|--wrap"},
	{args: "net-dumpxml|alpha|//nosuch"},
	{args: "net-dumpxml|alpha|--xpath|count(//ip)"},
	{args: "net-dumpxml|alpha|--xpath|//[", differs: "no mark under the place of the mistake"},
	{args: "net-name|22222222-2222-4222-8222-222222222222"},
	{args: "net-name|beta"},
	{args: "net-name|zzzzzzzz-2222-4222-8222-222222222222"},
	{args: "net-uuid|beta"},
	{args: "net-uuid|22222222-2222-4222-8222-222222222222"},
	{args: "net-dhcp-leases|beta"},
	{args: "net-dhcp-leases|beta|--mac|52:54:00:AA:00:02"},
	{args: "net-dhcp-leases|beta|--mac|zz"},
	{args: "net-dhcp-leases|alpha"},
	{args: "net-dhcp-leases|beta|52:54:00:aa:00:01"},
	{args: "-q|net-dhcp-leases|beta"},
	{args: "net-define|testdata/virsh/fresh.xml", changes: true},
	{args: "net-define|testdata/virsh/alpha.xml|--validate", changes: true},
	{args: "net-define|--file=testdata/virsh/clash.xml", changes: true},
	{args: "net-define|testdata/virsh/broken.xml"},
	{args: "net-define|/nonexistent"},
	{args: "net-create|testdata/virsh/fresh.xml", changes: true},
	{args: "-q|net-create|testdata/virsh/fresh.xml", changes: true},
	{args: "net-create|testdata/virsh/beta.xml"},
	{args: "net-create|testdata/virsh/broken.xml"},
	{args: "net-start|日本 net", changes: true},
	{args: "net-start|beta"},
	{args: "net-start|nosuch"},
	{args: "net-start|alpha|extra"},
	{args: "net-start|--x"},
	{args: "net-start|--network"},
	{args: "net-start|--|--alpha"},
	{args: "-r|net-start|alpha"},
	{args: "net-destroy|beta", changes: true},
	{args: "net-destroy|alpha"},
	{args: "net-undefine|alpha", changes: true},
	{args: "net-undefine|nosuch"},
	{args: "net-autostart|alpha", changes: true},
	{args: "net-autostart|--disable|Zed", changes: true},
	{args: "-q|net-autostart|alpha", changes: true},
	{args: "net-edit|alpha", editor: "true"},
	{args: "net-edit|alpha", editor: "false"},
	{args: "net-edit|alpha", editor: "sed -i s/10.71.0.254/10.71.0.200/", changes: true},
	{args: "net-edit|alpha", editor: "sed -i 's/First/Best/;s/x/y/'", changes: true, differs: "virsh takes the quotes of $EDITOR as they are"},
	{args: "net-edit|alpha", editor: "/nonexistent", differs: "virsh says it twice"},
	{args: "net-edit|alpha", editor: "sed -i s/10.71.0.254/10.71.0.999/", changes: true, differs: "virsh says Failed, but counts it as success"},
	{args: "net-update|beta|add|ip-dhcp-host|<host mac='52:54:00:00:00:01' ip='10.72.0.9'/>|--config", changes: true},
	{args: "net-update|beta|add-first|dns-txt|<txt name='a' value='b'/>|--config", changes: true},
	{args: "-q|net-update|alpha|add-last|dns-host|--xml|testdata/virsh/host.xml|--config", changes: true},
	{args: "net-update|alpha|modify|ip-dhcp-host|<host/>", changes: true},
	{args: "net-update|beta|delete|ip-dhcp-range|<range start='10.72.0.2' end='10.72.0.9'/>|--parent-index|0", changes: true},
	{args: "net-update|beta|add|bridge|<bridge/>", changes: true},
	{args: "net-update|beta|add|dns-host|<txt/>", changes: true},
	{args: "net-update|beta|add|dns-host|<host", changes: true},
	{args: "net-update|alpha|add|dns-host|<host/>|--live", changes: true},
	{args: "net-update|beta|add|dns-host|<host/>|--live|--current"},
	{args: "net-update|beta|add|dns-host|<host/>|--config|--current"},
	{args: "net-update|beta|add|dns-host|<host/>|--parent-index|x"},
	{args: "net-update|beta|ad|dns-host|<host/>"},
	{args: "net-update|beta|add|host|<host/>"},
	{args: "net-update|beta|add|dns-host|/nonexistent"},
	{args: "net-update|beta|add|dns-host"},
	{args: "net-update|nosuch|add|dns-host|<host/>"},
	{args: "help|net-update"},
	{args: "net-port-list|beta"},
	{args: "net-port-list|beta|--uuid"},
	{args: "net-port-list|beta|--uuid|--table"},
	{args: "net-port-list|nosuch|--uuid|--table"},
	{args: "net-port-list|alpha"},
	{args: "net-port-list|nosuch"},
	{args: "-q|net-port-list|beta"},
	{args: "net-port-create|beta|testdata/virsh/port.xml", changes: true},
	{args: "net-port-create|beta|testdata/virsh/port.xml|--validate", changes: true},
	{args: "-q|net-port-create|beta|testdata/virsh/port.xml", changes: true},
	{args: "net-port-create|beta|testdata/virsh/beta.xml"},
	{args: "net-port-create|beta|/nonexistent"},
	{args: "net-port-create|beta"},
	{args: "net-port-create|alpha|testdata/virsh/port.xml"},
	{args: "-r|net-port-create|beta|testdata/virsh/port.xml"},
	{args: "net-port-create beta testdata/virsh/port.xml; net-port-create beta testdata/virsh/port.xml", changes: true},
	{args: "net-port-create beta testdata/virsh/port.xml; net-port-dumpxml beta 5d744f21-ba4a-4d6e-bdb2-30a35ff3207d", changes: true},
	{args: "net-port-create beta testdata/virsh/port.xml; net-port-dumpxml beta 5d744f21-ba4a-4d6e-bdb2-30a35ff3207d --xpath //owner --wrap", changes: true},
	{args: "net-port-create beta testdata/virsh/port.xml; net-port-list beta --uuid; net-port-list beta; net-port-delete beta 5d744f21-ba4a-4d6e-bdb2-30a35ff3207d; net-port-list beta", changes: true},
	{args: "net-port-dumpxml|beta|5d744f21-ba4a-4d6e-bdb2-30a35ff3207d", differs: "virsh counts a port that is not there as success"},
	{args: "net-port-dumpxml|nosuch|5d744f21-ba4a-4d6e-bdb2-30a35ff3207d", differs: "virsh counts a network that is not there as success"},
	{args: "net-port-dumpxml|beta|x", differs: "virsh counts a port that is not there as success"},
	{args: "net-port-dumpxml|beta"},
	{args: "net-port-delete|beta|5d744f21-ba4a-4d6e-bdb2-30a35ff3207d", differs: "virsh counts a port that is not there as success"},
	{args: "help|net-port-list", differs: "--details is ours"},
	{args: "help|net-port-create"},
	{args: "help|net-port-dumpxml"},
	{args: "help|net-port-delete"},
	{args: "net-event"},
	{args: "net-event|lifecycle"},
	{args: "net-event|--event|x"},
	{args: "net-event|--list", differs: "virsh 9 has no metadata-change"},
	{args: "net-event|--event|lifecycle|--timeout|x"},
	{args: "net-event|--event|lifecycle|--timeout|0"},
	{args: "net-event|--event|lifecycle|--timeout|1"},
	{args: "-q|net-event|alpha|lifecycle|1"},
	{args: "net-event|--event|lifecycle|--network|nosuch|--timeout|1", differs: "virsh waits for the events of all networks then"},
	{args: "net-uuid alpha; net-uuid beta"},
	{args: "net-uuid nosuch; net-uuid beta"},
	{args: "net-uuid beta; net-uuid nosuch"},
	{args: "net-uuid beta; net-foo; net-uuid beta"},
	{args: "net-uuid 'beta' # comment; x\nnet-uuid \"be\\ta\""},
	{args: "net-uuid \"beta"},
	{args: "net-uuid beta\\"},
	{args: "net-foo"},
	{args: ";"},
	{args: ""},
	{args: "-t|net-uuid|beta"},
	{args: "-d|0|net-uuid|beta"},
	{args: "-d|7|net-uuid|beta"},
	{args: "-d|x|net-uuid|beta"},
	{args: "-k|x|net-uuid|beta"},
	{args: "-e|ab|net-uuid|beta"},
	{args: "-z"},
	{args: "--nosuch"},
	{args: "-c"},
	{args: "-c|foo:///system|net-list"},
	{args: "-c|network:///system?socket=/nonexistent|net-list"},
	{args: "-c|qemu:///system|net-uuid|beta"},
	{args: "--connect=network:///system|-q|net-uuid|beta"},
	{args: "-r|-c|qemu:///system|net-destroy|beta"},
	{args: "help|net-start"},
	{args: "help|net-dumpxml"},
	{args: "net-edit|--help", differs: "virsh has no --live"},
	{args: "help|net-event"},
	{args: "-q|help|net-uuid"},
	{args: "help|nosuch"},
	{args: "help|net-list", differs: "virsh 9 has no --title"},
}

// TestSameAsVirsh gives the same command lines to virsh and to vnetmgr, on
// the same libvirtd, and compares all that they print and their status.
func TestSameAsVirsh(t *testing.T) {
	if !enterSandbox(t, "virsh", "libvirtd", "ip", "sed") {
		return
	}
	startLibvirtd(t)
	dirty := true
	for _, c := range virshCases {
		t.Run(c.args, func(t *testing.T) {
			want := c.run(t, &dirty, virshResult)
			got := c.run(t, &dirty, func(t *testing.T, args []string, editor string) result {
				return runMain(t, map[string]string{"VNETMGR_SOCKET": libvirtdSocket, "EDITOR": editor}, args...)
			})
			diff := cmp.Diff(want, got)
			if diff != "" && c.differs == "" {
				t.Errorf("(-virsh +vnetmgr):\n%s", diff)
			}
			if diff == "" && c.differs != "" {
				t.Logf("this virsh does not differ: %s", c.differs)
			}
		})
	}
}

// run gives the command line to one program; dirty says whether the networks
// must be put back first.
func (c virshCase) run(t *testing.T, dirty *bool, program func(*testing.T, []string, string) result) result {
	if *dirty {
		putBack(t)
	}
	*dirty = c.changes
	r := program(t, strings.Split(c.args, "|"), c.editor)
	r.Out, r.Err = stable(r.Out), stable(r.Err)
	return r
}

// stable takes out what differs from run to run.
func stable(s string) string {
	s = regexp.MustCompile(`/tmp/(virsh|vnetmgr)\w+\.xml`).ReplaceAllString(s, "FILE")
	return regexp.MustCompile(`Time: [0-9.]+`).ReplaceAllString(s, "Time: X")
}

func virshResult(t *testing.T, args []string, editor string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "virsh", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "EDITOR="+editor, "VISUAL="+editor, "LIBVIRT_DEFAULT_URI=network:///system")
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		t.Fatal(err)
	}
	return result{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}

// startLibvirtd runs a libvirtd until the test ends.
func startLibvirtd(t *testing.T) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "libvirtd.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("libvirtd")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-exited
		log.Close()
	})
	deadline := time.After(30 * time.Second)
	for {
		conn, err := net.Dial("unix", libvirtdSocket)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case err := <-exited:
			text, _ := os.ReadFile(log.Name())
			exited <- err
			t.Fatalf("libvirtd ended: %v\n%s", err, text)
		case <-deadline:
			t.Fatal("libvirtd does not answer")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// putBack makes the networks of testdata/virsh what they were: beta active
// with two leases, Zed autostarted, the rest inactive.
func putBack(t *testing.T) {
	t.Helper()
	clean := exec.CommandContext(t.Context(), "virsh", "-c", "network:///system",
		"net-destroy alpha; net-destroy beta; net-destroy '日本 net'; net-destroy fresh; net-undefine alpha; net-undefine '日本 net'; net-undefine fresh")
	clean.Run() // most of them are not there
	script := "net-define testdata/virsh/alpha.xml; net-define testdata/virsh/beta.xml; net-define testdata/virsh/zed.xml;" +
		"net-define testdata/virsh/wide.xml; net-autostart Zed; net-start beta; net-info beta"
	cmd := exec.CommandContext(t.Context(), "virsh", "-c", "network:///system", script)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Active:         yes") {
		t.Fatalf("define the networks: %v\n%s", err, out)
	}
	status, err := os.ReadFile("testdata/virsh/virbr72.status")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/var/lib/libvirt/dnsmasq/virbr72.status", status, 0o644); err != nil {
		t.Fatal(err)
	}
}
