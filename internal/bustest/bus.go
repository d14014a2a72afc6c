// Package bustest gives tests a D-Bus of their own with stand-ins for the
// services that vnetmgr calls there.
package bustest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
)

// Bus is a dbus-daemon that ends with the test.
type Bus struct {
	Address string
	cmd     *exec.Cmd
}

const config = `<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>`

// New starts a bus. Where there is no dbus-daemon the test is skipped, but in
// CI (environment CI=true) it fails.
func New(t testing.TB) *Bus {
	t.Helper()
	dir, err := os.MkdirTemp("", "bus") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &Bus{Address: "unix:path=" + filepath.Join(dir, "bus")}
	b.start(t)
	return b
}

// start runs the daemon until it is stopped or the test ends, and returns when
// it listens.
func (b *Bus) start(t testing.TB) {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("needs dbus-daemon (Debian package dbus-daemon)")
	}
	if err != nil {
		t.Fatal(err)
	}
	socket := strings.TrimPrefix(b.Address, "unix:path=")
	file := socket + ".conf"
	if err := os.WriteFile(file, fmt.Appendf(nil, config, socket), 0o644); err != nil {
		t.Fatal(err)
	}
	b.cmd = exec.Command(program, "--config-file="+file, "--nofork", "--nopidfile", "--print-address")
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("dbus-daemon: %v", err)
	}
}

// Stop ends the daemon; Restart brings it back at the same address.
func (b *Bus) Stop() {
	if b.cmd == nil {
		return
	}
	_ = b.cmd.Process.Kill() // it may have ended
	_ = b.cmd.Wait()         // killed
	b.cmd = nil
}

// Restart ends the daemon and starts it again.
func (b *Bus) Restart(t testing.TB) {
	t.Helper()
	b.Stop()
	b.start(t)
}

// serve puts methods on the bus under a name until the test ends or the
// returned connection is closed.
func (b *Bus) serve(t testing.TB, name, path string, interfaces map[string]map[string]any) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect(b.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	for iface, methods := range interfaces {
		if err := conn.ExportMethodTable(methods, dbus.ObjectPath(path), iface); err != nil {
			t.Fatal(err)
		}
	}
	if reply, err := conn.RequestName(name, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("own %s: %v %v", name, reply, err)
	}
	return conn
}
