package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// actAsMain makes the test binary be the command line itself, so that tests
// can start it as a process; its daemon is the fake one.
const actAsMain = "VNETMGR_TEST_MAIN"

// actAsRelay makes the test binary be netcat.
const actAsRelay = "VNETMGR_TEST_RELAY"

func TestMain(m *testing.M) {
	if os.Getenv(actAsRelay) != "" {
		os.Exit(relay(os.Args[1:], os.Stdin, os.Stdout))
	}
	if os.Getenv(actAsMain) == "" {
		os.Exit(m.Run())
	}
	os.Exit(Main(context.Background(), os.Args[1:], Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Daemon: fakeDaemonMain, Version: "1.2.3",
	}))
}

// fakeDaemonMain notes that it was started, then serves until killed, or
// dies at once if the environment says so.
func fakeDaemonMain(ctx context.Context, args []string) error {
	socket := os.Getenv("VNETMGR_SOCKET")
	if len(args) == 2 && args[0] == "--socket" {
		socket = args[1]
	}
	started, err := os.OpenFile(socket+".started", os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	fmt.Fprintln(started, os.Getpid())
	started.Close()
	if os.Getenv("VNETMGR_TEST_DIE") != "" {
		return errors.New("UDP port 67 is held by dnsmasq")
	}
	os.Remove(socket) // one that a daemon left behind
	d := makeFakeDaemon(socket)
	listeners, err := d.listen()
	if err != nil {
		return err
	}
	return d.serve(ctx, listeners)
}

// mainCommand returns the command line as a process, which is or believes to
// be root.
func mainCommand(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(append(os.Environ(), actAsMain+"=1"), env...)
	if os.Geteuid() != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		}
	}
	return cmd
}
