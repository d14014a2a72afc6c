package cli

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// runProcess runs the command line as a process of root's.
func runProcess(t *testing.T, env []string, args ...string) result {
	t.Helper()
	cmd := mainCommand(t, env, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var status *exec.ExitError
	if errors.Is(err, syscall.EPERM) && os.Getenv("CI") != "true" {
		t.Skip("user namespaces are not permitted here")
	}
	if err != nil && !errors.As(err, &status) {
		t.Error(err)
	}
	return result{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}

// daemonSocket returns the path of a socket that nothing listens on, in a
// directory that is not there; whatever daemons are started for it end with
// the test.
func daemonSocket(t *testing.T) string {
	socket := filepath.Join(t.TempDir(), "run", "sock")
	t.Cleanup(func() {
		for _, pid := range startedDaemons(t, socket) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return socket
}

// startedDaemons returns the process ids of the daemons that were started.
func startedDaemons(t *testing.T, socket string) []int {
	t.Helper()
	text, err := os.ReadFile(socket + ".started")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var pids []int
	for _, word := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// The command's output is a pipe that is read to its end: the test would
// hang if the daemon kept it open.
func TestRootStartsTheDaemon(t *testing.T) {
	socket := daemonSocket(t)
	want := result{Out: "00000000-0000-0000-0000-000000000001\n"}
	if diff := cmp.Diff(want, runProcess(t, nil, "--socket", socket, "-q", "net-uuid", "default")); diff != "" {
		t.Fatalf("first (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, runProcess(t, []string{"VNETMGR_SOCKET=" + socket}, "-q", "net-uuid", "default")); diff != "" {
		t.Fatalf("second (-want +got):\n%s", diff)
	}
	if pids := startedDaemons(t, socket); len(pids) != 1 {
		t.Errorf("%d daemons were started", len(pids))
	}
}

func TestSocketThatNobodyListensOnIsNoDaemon(t *testing.T) {
	socket := daemonSocket(t)
	if err := os.Mkdir(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	got := runProcess(t, nil, "--socket", socket, "-q", "net-uuid", "default")
	if diff := cmp.Diff(result{Out: "00000000-0000-0000-0000-000000000001\n"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConcurrentStartersStartOneDaemon(t *testing.T) {
	socket := daemonSocket(t)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if got := runProcess(t, nil, "--socket", socket, "net-list"); got.Status != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
	wg.Wait()
	if pids := startedDaemons(t, socket); len(pids) != 1 {
		t.Errorf("%d daemons were started", len(pids))
	}
}

func TestDaemonThatDiesSaysWhy(t *testing.T) {
	socket := daemonSocket(t)
	log := filepath.Join(filepath.Dir(socket), "daemon.log")
	want := result{Status: 1, Err: "error: failed to connect to the hypervisor\n" +
		"error: the vnetmgr daemon ended at its start (exit status 1); the end of " + log + " is:\n" +
		"error: UDP port 67 is held by dnsmasq\n"}
	for range 2 { // the second time, the first one's end is not repeated
		got := runProcess(t, []string{"VNETMGR_TEST_DIE=1"}, "--socket", socket, "-q", "net-list")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestVersionStartsNoDaemon(t *testing.T) {
	socket := daemonSocket(t)
	got := runProcess(t, nil, "--socket", socket, "version")
	if got.Status != 0 || !strings.Contains(got.Out, "Running against daemon: none\n") {
		t.Errorf("%+v", got)
	}
	if pids := startedDaemons(t, socket); len(pids) != 0 {
		t.Errorf("%d daemons were started", len(pids))
	}
}
