package kerneltest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Command is exec.Command for a program that runs inside the namespace. The
// caller starts and waits for it; if it still runs when the test ends it is
// killed.
func (ns *NS) Command(name string, args ...string) *exec.Cmd {
	enter := []string{"--net=" + ns.Path(), "--mount=" + fdPath(ns.mnt), "--", name}
	cmd := exec.Command("nsenter", append(enter, args...)...)
	// nsenter moves to the mount namespace's root directory.
	if dir, err := os.Getwd(); err == nil {
		cmd.Args = append([]string{"nsenter", "--wd=" + dir}, cmd.Args[1:]...)
	}
	return cmd
}

// Run runs a shell command line inside the namespace, fails the test if it
// does not exit with 0, and returns its standard output.
func (ns *NS) Run(t testing.TB, line string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var err error
	ns.Do(func() { err = cmd.Run() }) // a child starts in its parent thread's namespaces
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, stderr.Bytes())
	}
	return stdout.String()
}

// Process is a program running in a namespace, in the background of a test.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait; valid once done is closed

	mu  sync.Mutex
	out bytes.Buffer // what it has printed; guarded by mu
}

// Start starts a program inside the namespace. It is stopped when the test
// ends, which prints its output if it failed.
func (ns *NS) Start(t testing.TB, name string, args ...string) *Process {
	t.Helper()
	p := &Process{cmd: ns.Command(name, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.WaitDelay = time.Second // a daemon it left behind may hold the pipe
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("output of %s:\n%s", name, p.Output())
		}
	})
	return p
}

// Write takes the program's output; it makes Process an io.Writer for exec.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

// Output returns what the program has printed so far, both to its standard
// output and error.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// Pid returns the program's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Wait waits until the program ends by itself and returns as exec.Cmd.Wait.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stop ends the program with SIGTERM, after two seconds with SIGKILL. It
// returns when it has ended, at once if it had already.
func (p *Process) Stop() {
	// Signal only fails if the process is gone, which is what we want.
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(2 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// killAll kills every process in the network namespace, also those that have
// put themselves into the background.
func (ns *NS) killAll(t testing.TB) {
	Wait(t, 5*time.Second, "the namespace's processes to end", func() bool {
		pids := ns.pids(t)
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				t.Errorf("kill process %d: %v", pid, err)
			}
		}
		return len(pids) == 0
	})
}

// pids returns the processes in the network namespace other than the test
// itself. Zombies are in no namespace any more.
func (ns *NS) pids(t testing.TB) []int {
	own, err := ns.net.Stat()
	if err != nil {
		t.Error(err)
		return nil
	}
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		t.Error(err)
	}
	var pids []int
	for _, link := range links {
		other, err := os.Stat(link)
		if err != nil || !os.SameFile(own, other) {
			continue // ended meanwhile, somebody else's, or elsewhere
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(link))))
		if err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}
