package lease

import (
	"bufio"
	"os"
	"os/exec"
	"testing"
)

// writer is a process that runs writeForever.
type writer struct {
	cmd   *exec.Cmd
	lines chan string // what it prints
}

func startWriter(t *testing.T, path string) *writer {
	t.Helper()
	w := &writer{cmd: exec.Command(os.Args[0]), lines: make(chan string)}
	w.cmd.Env = append(os.Environ(), "LEASE_TEST_WRITER="+path)
	w.cmd.Stderr = os.Stderr
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			w.lines <- s.Text()
		}
	}()
	return w
}

func (w *writer) kill() { w.cmd.Process.Kill() }

func (w *writer) wait() { w.cmd.Wait() }
