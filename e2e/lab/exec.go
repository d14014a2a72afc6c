package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long a command may take before it is killed: far longer
// than any of them needs, so that a busy computer fails no test.
const patience = 60 * time.Second

// Result is what a command did.
type Result struct {
	Stdout, Stderr string
	Code           int // exit status, -1 if it was killed
}

func (r Result) String() string {
	return fmt.Sprintf("exit status %d\nstdout:\n%s\nstderr:\n%s", r.Code, r.Stdout, r.Stderr)
}

// Run runs a command on the machine and waits for it. A command that can't be
// started, or that takes longer than a minute, fails the test.
func (m *Machine) Run(t TB, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := m.command(ctx, args)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := m.enter(cmd.Start); err != nil {
		t.Fatalf("%s: run %s: %v", m.Name, strings.Join(args, " "), err)
	}
	err := cmd.Wait()
	if ctx.Err() != nil || errors.Is(err, exec.ErrWaitDelay) {
		t.Fatalf("%s: %s: %v (%v)\n%s%s", m.Name, strings.Join(args, " "), err, ctx.Err(), &stdout, &stderr)
	}
	return Result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// Must runs a command that has to succeed and returns its standard output.
func (m *Machine) Must(t TB, args ...string) string {
	t.Helper()
	r := m.Run(t, args...)
	if r.Code != 0 {
		t.Fatalf("%s: %s: %s", m.Name, strings.Join(args, " "), r)
	}
	return r.Stdout
}

// Script runs a shell script, with $0 and more, that has to succeed and returns
// its output.
func (m *Machine) Script(t TB, script string, args ...string) string {
	t.Helper()
	return m.Must(t, append([]string{"sh", "-euc", script}, args...)...)
}

// WriteFile writes a file as the machine sees it.
func (m *Machine) WriteFile(t TB, path, content string, perm os.FileMode) {
	t.Helper()
	if err := m.enter(func() error { return os.WriteFile(path, []byte(content), perm) }); err != nil {
		t.Fatalf("%s: %v", m.Name, err)
	}
}

// ReadFile reads a file as the machine sees it.
func (m *Machine) ReadFile(path string) (content []byte, err error) {
	err = m.enter(func() error {
		content, err = os.ReadFile(path)
		return err
	})
	return content, err
}

// command prepares a command; WaitDelay bounds the wait for a child of it
// that keeps its output open, as a daemon that it starts must not.
func (m *Machine) command(ctx context.Context, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, m.lookPath(args[0]), args[1:]...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC", "HOME=/root")
	cmd.Env = append(cmd.Env, m.Env...)
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// lookPath finds a program in the PATH of the machine's own environment.
func (m *Machine) lookPath(name string) string {
	for _, env := range m.Env {
		dirs, isPath := strings.CutPrefix(env, "PATH=")
		if !isPath || strings.Contains(name, "/") {
			continue
		}
		for dir := range strings.SplitSeq(dirs, ":") {
			path := dir + "/" + name
			// Not where a link leads: that may be meant for the machine's root.
			if info, err := os.Lstat(m.root + path); err == nil && !info.IsDir() {
				return path
			}
		}
	}
	return name
}

// netOnly runs a command that sees the machine's network but this process's
// files and process numbers, for moving links between machines.
func (m *Machine) netOnly(args ...string) error {
	cmd := exec.Command(args[0], args[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := m.Net(cmd.Start); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %s: %w: %s", m.Name, strings.Join(args, " "), err, &out)
	}
	return nil
}

// Process is a program that runs on a machine in the background.
type Process struct {
	// Pid is its number as this process sees it.
	Pid  int
	name string
	cmd  *exec.Cmd
	log  *log
	done chan struct{}
}

// Start starts a program on the machine. It ends at the latest with the
// machine; what it wrote is shown if the test fails.
func (m *Machine) Start(t TB, args ...string) *Process {
	t.Helper()
	p := &Process{name: m.Name + ": " + args[0], log: &log{}, done: make(chan struct{})}
	p.cmd = m.command(context.Background(), args)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := m.enter(p.cmd.Start); err != nil {
		t.Fatalf("%s: start %s: %v", m.Name, strings.Join(args, " "), err)
	}
	p.Pid = p.cmd.Process.Pid
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if f, ok := t.(interface{ Failed() bool }); ok && f.Failed() {
			t.Logf("%s wrote:\n%s", p.name, p.Log())
		}
	})
	return p
}

// Log is what the program wrote so far.
func (p *Process) Log() string { return p.log.String() }

// Signal sends a signal. Wait tells when the program has gone.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Done is closed once the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the program to end and returns its exit status, -1 if a
// signal ended it. A program that goes on for a minute fails the test.
func (p *Process) Wait(t TB) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("%s goes on; it wrote:\n%s", p.name, p.Log())
	}
	return p.cmd.ProcessState.ExitCode()
}

// log is a buffer that may be read while it is written.
type log struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Eventually waits until ok is true, and fails the test with what if that
// takes longer than limit.
func Eventually(t TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}
