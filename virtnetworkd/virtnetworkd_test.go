package virtnetworkd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMain is also the program that the tests start: one that waits to be
// ended, or that takes a lock and tells how that went.
func TestMain(m *testing.M) {
	switch dir, locks := os.LookupEnv("LOCK_DIR"); {
	case locks:
		_, err := Lock(dir)
		fmt.Print(errors.Is(err, ErrRuns), err == nil)
	case filepath.Base(os.Args[0]) == "dnsmasq":
		fmt.Println("ready")
		select {}
	default:
		os.Exit(m.Run())
	}
}

func TestOneDaemonAtATimeHasTheLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "network")
	release, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	other := func() string {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "LOCK_DIR="+dir)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got := other(); got != "true false" {
		t.Errorf("a second daemon: %s", got)
	}
	if pid, err := os.ReadFile(filepath.Join(dir, "driver.pid")); string(pid) != fmt.Sprint(os.Getpid()) {
		t.Errorf("driver.pid: %s %v", pid, err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if got := other(); got != "false true" {
		t.Errorf("the next daemon: %s", got)
	}
}

// program starts this test's program under a name and arguments of its own.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := &exec.Cmd{Path: os.Args[0], Args: args}
	said, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	if _, err := said.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait()
	return cmd
}

func TestDNSMasqOfTheNetworkIsStoppedAndNoOther(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		conf string
		want bool
	}{{"/var/lib/libvirt/dnsmasq/lab.conf", true}, {"/var/lib/libvirt/dnsmasq/other.conf", false}} {
		cmd := program(t, "/usr/sbin/dnsmasq", "--conf-file="+tt.conf, "--leasefile-ro")
		path := filepath.Join(dir, "lab.pid")
		if err := os.WriteFile(path, fmt.Appendf(nil, "%d\n", cmd.Process.Pid), 0o644); err != nil {
			t.Fatal(err)
		}
		stopped, err := StopDNSMasq(context.Background(), dir, "lab")
		if stopped != tt.want || err != nil {
			t.Errorf("%s: stopped %v, %v", tt.conf, stopped, err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if stopped, err := StopDNSMasq(context.Background(), dir, "none"); stopped || err != nil {
		t.Errorf("a network without dnsmasq: %v, %v", stopped, err)
	}
}

const statusText = `<networkstatus><class_id bitmap='0-2'/><network><name>n</name></network>
<firewall name='fwRemoval' backend='BACKEND'>
  <group ignoreErrors='yes'>
    <action layer='ipv6'><args><item>delete</item><item>a b</item></args></action>
    <action layer='nonsense'><args><item>rm</item></args></action>
  </group>
  <group><action layer='ipv4'><args><item>c</item></args></action></group>
</firewall></networkstatus>`

// The programs are stand-ins that write down their arguments.
func TestRulesAreRemovedAsLibvirtSays(t *testing.T) {
	bin, dir := t.TempDir(), t.TempDir()
	said := filepath.Join(bin, "said")
	for _, name := range []string{"nft", "iptables", "ip6tables"} {
		script := fmt.Sprintf("#!/bin/sh\nfor a in %s \"$@\"; do printf '[%%s]' \"$a\"; done >>%s\n", name, said)
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for backend, want := range map[string]string{
		"nftables": "[nft][delete][a b][nft][c]",
		"iptables": "[ip6tables][-w][delete][a b][iptables][-w][c]",
	} {
		os.Remove(said)
		text := []byte(strings.Replace(statusText, "BACKEND", backend, 1))
		if err := os.WriteFile(filepath.Join(dir, "n.xml"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := RemoveRules(context.Background(), dir, "n"); err != nil {
			t.Error(err)
		}
		got, _ := os.ReadFile(said)
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", backend, diff)
		}
	}
	if err := RemoveRules(context.Background(), dir, "none"); err != nil {
		t.Errorf("without a status file: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.xml"), []byte("<networkstatus"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := RemoveRules(context.Background(), dir, "bad"); err == nil {
		t.Error("a broken status file is no error")
	}
}
