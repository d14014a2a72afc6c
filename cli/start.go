package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	d, err := sh.spawnDaemon(filepath.Join(dir, "daemon.log"))
	if err != nil {
		return fmt.Errorf("cannot start the vnetmgr daemon: %w", err)
	}
	return d.wait(ctx, socket)
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

// startedDaemon is a daemon that we started.
type startedDaemon struct {
	log    string // its standard output and error
	before int64  // length of the log before it
	exited <-chan error
}

// spawnDaemon starts this program as a daemon in a session of its own, with
// nothing of our standard streams, so that a pipe we write to ends with us.
func (sh *shell) spawnDaemon(logPath string) (*startedDaemon, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(logPath, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	before, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
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
	return &startedDaemon{log: logPath, before: before, exited: exited}, nil
}

// wait waits until the daemon answers, has exited, or ctx ends.
func (d *startedDaemon) wait(ctx context.Context, socket string) error {
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for !answers(ctx, socket) {
		select {
		case err := <-d.exited:
			return d.failure(fmt.Sprintf("the vnetmgr daemon ended at its start (%s)", endText(err)))
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return errInterrupted
			}
			return d.failure(fmt.Sprintf("the vnetmgr daemon did not answer at %s within %s", socket, startTimeout))
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

// failure adds the end of what the daemon logged to what is known.
func (d *startedDaemon) failure(what string) error {
	text, err := os.ReadFile(d.log)
	logged := strings.TrimSpace(string(text[min(int(d.before), len(text)):]))
	if err != nil || logged == "" {
		return fmt.Errorf("%s; its log is %s", what, d.log)
	}
	lines := strings.Split(logged, "\n")
	tail := lines[max(0, len(lines)-logTail):]
	return fmt.Errorf("%s; the end of %s is:\n%s", what, d.log, strings.Join(tail, "\n"))
}
