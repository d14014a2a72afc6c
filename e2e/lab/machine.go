package lab

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Machine is a set of namespaces that stands for a computer of its own.
type Machine struct {
	Name string
	// Env is added to the environment of what runs on the machine.
	Env []string

	// root is a directory that looks like the machine's own root, if that is
	// another than this process's.
	root string

	pid int // of its init, as this process sees it
	ns  map[string]*os.File
}

// kinds are a machine's namespaces in the order to enter them.
var kinds = []struct {
	name string
	flag int
}{
	{"pid", unix.CLONE_NEWPID},
	{"ipc", unix.CLONE_NEWIPC},
	{"uts", unix.CLONE_NEWUTS},
	{"net", unix.CLONE_NEWNET},
	{"mnt", unix.CLONE_NEWNS},
}

// NewMachine starts a machine that ends with the test. A test that may not
// make one fails when the environment variable CI is true, and else says so
// in its failure as well: the caller decides whether to skip (NeedRoot).
func NewMachine(t TB, name string) *Machine {
	t.Helper()
	return newMachine(t, name, "")
}

// newMachine starts a machine with the files in tree, or those of this computer
// if it is "".
func newMachine(t TB, name, tree string) *Machine {
	t.Helper()
	m := &Machine{Name: name, ns: make(map[string]*os.File)}
	if err := m.boot(t, tree); err != nil {
		t.Fatalf("start machine %s: %v", name, err)
	}
	return m
}

func (m *Machine) boot(t TB, tree string) error {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{initName, m.Name, tree}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	for _, kind := range kinds {
		cmd.SysProcAttr.Cloneflags |= uintptr(kind.flag)
	}
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	t.Cleanup(func() {
		lifeline.Close()
		cmd.Wait()
		for _, f := range m.ns {
			f.Close()
		}
	})
	line, err := bufio.NewReader(said).ReadString('\n')
	if sentence(line) != "ready" {
		return fmt.Errorf("init: %s (%v)", sentence(line), err)
	}
	m.pid = cmd.Process.Pid
	return m.openNamespaces()
}

func (m *Machine) openNamespaces() error {
	for _, kind := range kinds {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", m.pid, kind.name))
		if err != nil {
			return err
		}
		m.ns[kind.name] = f
	}
	return nil
}

// Net runs f on a thread in the machine's network namespace: a socket that f
// opens stays in it. f must not start goroutines that need the namespace.
func (m *Machine) Net(f func() error) error { return m.enter(f, "net") }

// enter runs f on a thread in the named namespaces, or all of them if none is
// named. The thread ends with f: it is never fit for other goroutines again.
func (m *Machine) enter(f func() error, names ...string) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := m.join(names); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

func (m *Machine) join(names []string) error {
	wanted := make(map[string]bool)
	for _, name := range names {
		wanted[name] = true
	}
	// A thread that shares its root directory with others may not change its
	// mount namespace.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare root directory: %w", err)
	}
	for _, kind := range kinds {
		if len(names) > 0 && !wanted[kind.name] {
			continue
		}
		if err := unix.Setns(int(m.ns[kind.name].Fd()), kind.flag); err != nil {
			return fmt.Errorf("enter %s namespace of %s: %w", kind.name, m.Name, err)
		}
	}
	return nil
}
