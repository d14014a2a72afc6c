package lab

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Socket is where a daemon on a host is asked for what libvirt's protocol says.
const Socket = "/run/vnetmgr/vnetmgr-sock"

// Build builds the vnetmgr program into dir as it is shipped: one static
// binary.
func Build(dir string) error {
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "vnetmgr"), "github.com/vnetmgr/vnetmgr/cmd/vnetmgr")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build vnetmgr: %w\n%s", err, out)
	}
	return nil
}

// Install puts the programs of a directory on the machine's path.
func (m *Machine) Install(dir string) {
	m.Env = append(m.Env, "PATH="+dir+":"+os.Getenv("PATH"))
}

// Daemon starts vnetmgr's daemon on the host and waits until it answers.
func (h *Host) Daemon(t TB, args ...string) *Process {
	t.Helper()
	p := h.Start(t, append([]string{"vnetmgr", "daemon"}, args...)...)
	h.Ready(t, p)
	return p
}

// Ready waits until the daemon p takes connections, and fails the test if it
// ends instead.
func (h *Host) Ready(t TB, p *Process) {
	t.Helper()
	Eventually(t, patience, "the daemon listens on "+Socket, func() bool {
		select {
		case <-p.Done():
			t.Fatalf("the daemon ended:\n%s", p.Log())
		default:
		}
		c, err := h.Dial(Socket)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
}

// Dial connects to a UNIX socket of the machine.
func (m *Machine) Dial(path string) (c net.Conn, err error) {
	err = m.enter(func() error {
		c, err = net.Dial("unix", path)
		return err
	})
	return c, err
}

// Pids are the processes of the machine whose program has the given name, by
// the machine's own numbers.
func (m *Machine) Pids(t TB, program string) []string {
	t.Helper()
	return strings.Fields(m.Run(t, "pidof", program).Stdout)
}
