package cli

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// dialSSH reaches a daemon through the ssh program, so that the user's ssh
// configuration, agent and jump hosts count. On the other side libvirt's own
// helper finds the daemon, else netcat connects to the socket.
func (t target) dialSSH(readOnly bool) (net.Conn, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket pair for ssh: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "ssh")
	defer theirs.Close()
	ours := os.NewFile(uintptr(fds[0]), "ssh")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("open the socket pair for ssh: %w", err)
	}
	c := &sshConn{Conn: conn, cmd: t.sshCommand(readOnly)}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = theirs, theirs, &c.said
	c.cmd.WaitDelay = time.Second
	if err := c.cmd.Start(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("cannot execute binary %s: %s", c.cmd.Path, systemText(err))
	}
	return c, nil
}

// sshCommand is the ssh command line for the target.
func (t target) sshCommand(readOnly bool) *exec.Cmd {
	program := "ssh"
	if own := t.query.Get("command"); own != "" {
		program = own
	}
	args := []string{"-T", "-e", "none"}
	args = append(args, with("-p", t.port)...)
	args = append(args, with("-l", t.user)...)
	args = append(args, with("-i", t.query.Get("keyfile"))...)
	if t.query.Get("no_verify") == "1" {
		args = append(args, "-o", "StrictHostKeyChecking=no")
	}
	return exec.Command(program, append(args, "--", t.host, "sh -c "+shellQuote(t.remoteScript(readOnly)))...)
}

// remoteScript runs on the daemon's host. A socket named in the URI is
// always reached by netcat, since the helper picks its own.
func (t target) remoteScript(readOnly bool) string {
	netcat := "nc"
	if own := t.query.Get("netcat"); own != "" {
		netcat = own
	}
	nc, sock := shellQuote(netcat), shellQuote(t.socket)
	direct := fmt.Sprintf(`if %s -h 2>&1 | grep -q -e "-q "; then exec %s -q0 -U %s; else exec %s -U %s; fi`, nc, nc, sock, nc, sock)
	if t.query.Has("socket") || t.query.Get("proxy") == "netcat" {
		return direct
	}
	helper := "virt-ssh-helper "
	if readOnly {
		helper += "-r "
	}
	return "if command -v virt-ssh-helper >/dev/null 2>&1; then exec " + helper + shellQuote(t.driver) + "; fi; " + direct
}

// with returns an option and its value, or nothing without a value.
func with(option, value string) []string {
	if value == "" {
		return nil
	}
	return []string{option, value}
}

// shellQuote quotes s for a POSIX shell.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// sshConn is a connection through a running ssh.
type sshConn struct {
	net.Conn
	cmd  *exec.Cmd
	said bytes.Buffer // its standard error; read after Wait only
	once sync.Once
}

// Close ends ssh and waits for it.
func (c *sshConn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		err = c.Conn.Close()
		timer := time.AfterFunc(2*time.Second, func() { c.cmd.Process.Kill() })
		defer timer.Stop()
		c.cmd.Wait() // its status says nothing after we hung up
	})
	return err
}

// diagnosis returns what ssh said before it ended.
func (c *sshConn) diagnosis() string {
	c.Close()
	return strings.TrimSpace(c.said.String())
}
