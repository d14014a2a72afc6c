package rpc

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// virsh is libvirt's own client. Where it is not installed its tests are
// skipped, but not in CI.
func virsh(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("virsh")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}

// virshCommand is virsh connected to socket.
func virshCommand(t *testing.T, socket string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(virsh(t), append([]string{"-c", "network:///system?socket=" + socket}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	return cmd
}

// runVirsh returns the exit code, and both outputs as they came.
func runVirsh(t *testing.T, socket string, args ...string) (int, string) {
	t.Helper()
	cmd := virshCommand(t, socket, args...)
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// networkFile writes a definition of the named network.
func networkFile(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join(shortDir(t), name+".xml")
	if err := os.WriteFile(file, []byte("<network><name>"+name+"</name></network>"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestVirshSession(t *testing.T) {
	s := serve(t, fourNetworks(), Options{})
	file, clash := networkFile(t, "new"), networkFile(t, "up")
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"net-list --all", 0, ` Name        State      Autostart   Persistent
------------------------------------------------
 direct      inactive   no          yes
 idle        inactive   no          yes
 transient   active     no          no
 up          active     yes         yes

`},
		{"net-list --inactive --name", 0, "direct\nidle\n\n"},
		{"net-info up", 0, `Name:           up
UUID:           aa000000-0000-0000-0000-000000000002
Active:         yes
Persistent:     yes
Autostart:      yes
Bridge:         virbr1

`},
		{"net-dumpxml up", 0, `<network connections='1'>
  <name>up</name>
  <uuid>aa000000-0000-0000-0000-000000000002</uuid>
</network>

`},
		{"net-dumpxml --inactive idle", 0, `<network>
  <name>idle</name>
  <uuid>aa000000-0000-0000-0000-000000000001</uuid>
</network>

`},
		{"net-uuid up", 0, "aa000000-0000-0000-0000-000000000002\n\n"},
		{"net-name aa000000-0000-0000-0000-000000000002", 0, "up\n\n"},
		{"net-info nope", 1, "error: failed to get network 'nope'\nerror: Network not found: no network with matching name 'nope'\n\n"},
		{"net-start idle", 0, "Network idle started\n\n"},
		{"net-start idle", 1, "error: Failed to start network idle\nerror: Requested operation is not valid: network is already active\n\n"},
		{"net-destroy idle", 0, "Network idle destroyed\n\n"},
		{"net-destroy idle", 1, "error: Failed to destroy network idle\nerror: Requested operation is not valid: network 'idle' is not active\n\n"},
		{"net-autostart idle", 0, "Network idle marked as autostarted\n\n"},
		{"net-autostart idle --disable", 0, "Network idle unmarked as autostarted\n\n"},
		{"net-autostart transient", 1, "error: failed to mark network transient as autostarted\n" +
			"error: Requested operation is not valid: cannot set autostart for transient network\n\n"},
		{"net-define " + file, 0, "Network new defined from " + file + "\n\n"},
		{"net-define " + clash + " --validate", 1, "error: Failed to define network from " + clash + "\n" +
			"error: operation failed: network 'up' already exists with uuid aa000000-0000-0000-0000-000000000002\n\n"},
		{"net-undefine new", 0, "Network new has been undefined\n\n"},
		{"net-create " + file, 0, "Network new created from " + file + "\n\n"},
		{"net-undefine new", 1, "error: Failed to undefine network new\nerror: Requested operation is not valid: can't undefine transient network\n\n"},
		{"net-dhcp-leases up", 0, ` Expiry Time           MAC address         Protocol   IP address         Hostname   Client ID or DUID
----------------------------------------------------------------------------------------------------------
 2023-11-14 22:13:20   52:54:00:00:00:0a   ipv4       192.168.122.2/24   a          01:52:54:00:00:00:0a
 1970-01-01 00:00:00   52:54:00:00:00:0b   ipv6       fd00::2/64         -          00:01

`},
		{"net-dhcp-leases up 52:54:00:00:00:0F", 0, ` Expiry Time   MAC address   Protocol   IP address   Hostname   Client ID or DUID
-----------------------------------------------------------------------------------

`},
		{"net-update up add dns-host <host/>", 1, "error: Failed to update network up\n" +
			"error: Missing IP address in network 'up' DNS HOST record\n\n"},
		{"net-update up add forward <x/>", 1, "error: Failed to update network up\n" +
			"error: Operation not supported: can't update 'forward' section of network 'up'\n\n"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			code, out := runVirsh(t, s.rw, strings.Fields(tt.args)...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if diff := cmp.Diff(tt.want, out); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestVirshReadOnlyIsRefusedByTheServer(t *testing.T) {
	s := serve(t, fourNetworks(), Options{})
	// Without -r the client library does not refuse by itself.
	code, out := runVirsh(t, s.ro, "net-destroy", "up")
	want := "error: Failed to destroy network up\nerror: operation forbidden: read only access prevents virNetworkDestroy\n\n"
	if code != 1 || out != want {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if code, out = runVirsh(t, s.ro, "-r", "net-list", "--name"); code != 0 || out != "transient\nup\n\n" {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

func TestVirshKeepaliveHoldsAnIdleConnection(t *testing.T) {
	t.Parallel()
	s := serve(t, fourNetworks(), Options{KeepaliveInterval: 100 * time.Millisecond, KeepaliveCount: 8})
	// It idles for a second, which is more than it is given unanswered.
	code, out := runVirsh(t, s.rw, "-k", "1", "net-event --event lifecycle --timeout 1; net-uuid up")
	if want := "event loop timed out\nevents received: 0\n\naa000000-0000-0000-0000-000000000002\n\n"; code != 0 || out != want {
		t.Errorf("exit code %d\n%q", code, out)
	}
}

func TestVirshFollowsEvents(t *testing.T) {
	t.Parallel()
	s := serve(t, newMemory("a", "b"), Options{})
	cmd := virshCommand(t, s.rw, "net-event", "--event", "lifecycle", "--loop", "--timeout", "3", "--network", "a")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := connectOpen(t, s.rw)
	waitForRegistration(t, p)
	// libvirt's client drops events that come before it has noted the number
	// of its registration, so there are many.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 20 {
		for _, proc := range []wire.Proc{wire.NetworkCreate, wire.NetworkDestroy} {
			for n := range 2 {
				p.must(proc, wire.Network{UUID: wire.UUID(id(n + 1))})
			}
		}
		<-tick.C
	}
	p.must(wire.NetworkUndefine, wire.Network{UUID: wire.UUID(id(1))})
	cmd.Wait() // fails for having timed out, whatever came
	lines := strings.Split(out.String(), "\n")
	events := slices.Index(lines, "event loop timed out")
	if events < 3 {
		t.Fatalf("got %q", out.String())
	}
	const prefix = "event 'lifecycle' for network a: "
	want := []string{prefix + "Started", prefix + "Stopped", prefix + "Undefined", "event loop timed out", fmt.Sprint("events received: ", events), "", ""}
	if diff := cmp.Diff(want, lines[events-3:]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if strings.Contains(out.String(), "network b") {
		t.Errorf("events of another network: %q", out.String())
	}
}

// waitForRegistration waits until somebody else has registered for events:
// callbacks are numbered by the server.
func waitForRegistration(t *testing.T, p *peer) {
	t.Helper()
	var first, n int32
	register := func(n *int32) {
		if err := wire.Unmarshal(p.must(wire.NetworkEventRegisterAny, wire.EventRegisterArgs{}), n); err != nil {
			t.Fatal(err)
		}
		p.must(wire.NetworkEventDeregisterAny, *n)
	}
	register(&first)
	own := int32(0)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); own++ {
		if register(&n); n-first != own+1 || first != 0 {
			return
		}
	}
	t.Fatal("nobody registers")
}
