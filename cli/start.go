package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of a daemon's start.
const (
	startTimeout = 10 * time.Second
	startPoll    = 10 * time.Millisecond
	logTail      = 5 // lines of a failed daemon's log that are shown
)

// startDaemon starts the daemon and waits until it answers at socket. The
// lock in the socket's directory keeps a second starter waiting, which then
// finds the first one's daemon.
func (sh *shell) startDaemon(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	dir := filepath.Dir(socket)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot start the vnetmgr daemon: %w", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(dir, "start.lock"))
	if err != nil {
		return fmt.Errorf("cannot start the vnetmgr daemon: %w", err)
	}
	defer unlock()
	if answers(ctx, socket) {
		return nil
	}
	logPath := filepath.Join(dir, "daemon.log")
	exited, err := sh.spawnDaemon(logPath)
	if err != nil {
		return fmt.Errorf("cannot start the vnetmgr daemon: %w", err)
	}
	return waitForDaemon(ctx, socket, logPath, exited)
}

// answers reports whether something accepts connections at socket.
func answers(ctx context.Context, socket string) bool {
	conn, err := dialUnix(ctx, socket)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// lockFile locks the file at path, made if absent, and returns what unlocks
// it.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || pause(ctx, startPoll) != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}

// pause waits for d, or fails when ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// spawnDaemon starts this program as a daemon in a session of its own, with
// nothing of our standard streams, so that a pipe we write to ends with us.
// The channel yields how it ended.
func (sh *shell) spawnDaemon(logPath string) (<-chan error, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(logPath, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(self, daemonCommand)
	if sh.opts.socket != "" {
		cmd.Args = []string{self, "--socket", sh.opts.socket, daemonCommand}
	}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }() // ends with the daemon or with us
	return exited, nil
}

// waitForDaemon waits until the daemon answers, has exited, or ctx ends.
func waitForDaemon(ctx context.Context, socket, logPath string, exited <-chan error) error {
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for !answers(ctx, socket) {
		select {
		case err := <-exited:
			return startFailure(fmt.Sprintf("the vnetmgr daemon ended at its start (%s)", endText(err)), logPath)
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return errInterrupted
			}
			return startFailure(fmt.Sprintf("the vnetmgr daemon did not answer at %s within %s", socket, startTimeout), logPath)
		case <-tick.C:
		}
	}
	return nil
}

func endText(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// startFailure adds the end of the daemon's log to what is known.
func startFailure(what, logPath string) error {
	text, err := os.ReadFile(logPath)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err != nil || lines[0] == "" {
		return fmt.Errorf("%s; its log is %s", what, logPath)
	}
	tail := lines[max(0, len(lines)-logTail):]
	return fmt.Errorf("%s; the end of %s is:\n%s", what, logPath, strings.Join(tail, "\n"))
}
