package kerneltest_test

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func links(t *testing.T) []string {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range all {
		names = append(names, l.Name)
	}
	return names
}

func TestNamespaceHasOnlyLoopback(t *testing.T) {
	ns := kerneltest.New(t)
	before := strings.Join(links(t), " ")
	var inside string
	ns.Do(func() { inside = strings.Join(links(t), " ") })
	if inside != "lo" {
		t.Errorf("links in the namespace: %q, want lo", inside)
	}
	if after := strings.Join(links(t), " "); after != before {
		t.Errorf("links outside changed from %q to %q", before, after)
	}
}

func TestLoopbackIsUp(t *testing.T) {
	ns := kerneltest.New(t)
	ns.Run(t, "ping -c1 -W1 127.0.0.1")
}

func TestSysctlsAreTheNamespacesOwn(t *testing.T) {
	const file = "/proc/sys/net/ipv4/ip_default_ttl"
	outside, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ns := kerneltest.New(t)
	ns.Do(func() {
		if err := os.WriteFile(file, []byte("77"), 0); err != nil {
			t.Error(err)
		}
	})
	if got := ns.Run(t, "cat "+file); got != "77\n" {
		t.Errorf("inside: %q, want 77", got)
	}
	if got, _ := os.ReadFile(file); string(got) != string(outside) {
		t.Errorf("outside: %q, was %q", got, outside)
	}
}

func TestVethJoinsNamespaces(t *testing.T) {
	a, b := kerneltest.New(t), kerneltest.New(t)
	a.Veth(t, "va", b, "vb")
	a.Run(t, "ip addr add 10.0.0.1/24 dev va")
	b.Run(t, "ip addr add 10.0.0.2/24 dev vb")
	a.Run(t, "ping -c1 -W2 10.0.0.2")
}

func TestCommandRunsInsideInTheWorkingDirectory(t *testing.T) {
	ns := kerneltest.New(t)
	out, err := ns.Command("sh", "-c", "ls ns_test.go; ip -o link | wc -l").CombinedOutput()
	if want := "ns_test.go\n1\n"; err != nil || string(out) != want {
		t.Errorf("got %q, %v; want %q", out, err, want)
	}
}

func TestBackgroundProcessesEndWithTheTest(t *testing.T) {
	var pid string
	t.Run("inner", func(t *testing.T) {
		ns := kerneltest.New(t)
		pid = strings.TrimSpace(ns.Run(t, "setsid sleep 1000 >/dev/null 2>&1 & echo $!"))
		p := ns.Start(t, "sh", "-c", "echo ready; exec sleep 1000")
		kerneltest.Wait(t, 5*time.Second, "the output", func() bool { return p.Output() == "ready\n" })
	})
	if pid == "" {
		t.Skip("the inner test was skipped")
	}
	// Killed, and a zombie at most, if nobody reaps orphans here.
	status, err := os.ReadFile("/proc/" + pid + "/stat")
	if err == nil && !strings.Contains(string(status), ") Z ") {
		t.Errorf("process %s still runs: %s", pid, status)
	}
}

func TestPanicAndGoexitGoOnInTheCaller(t *testing.T) {
	ns := kerneltest.New(t)
	func() {
		defer func() {
			if r := recover(); r != "boom" {
				t.Errorf("recovered %v, want boom", r)
			}
		}()
		ns.Do(func() { panic("boom") })
	}()
	after := false
	t.Run("skipped", func(t *testing.T) {
		ns.Do(func() { t.SkipNow() })
		after = true
	})
	if after {
		t.Error("the test went on after its end inside Do")
	}
	ns.Run(t, "true") // and the namespace is still good
}

func TestSocketOpenedInsideStaysInside(t *testing.T) {
	ns := kerneltest.New(t)
	var l net.Listener
	var err error
	ns.Do(func() { l, err = net.Listen("tcp", "127.0.0.1:7777") })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var c net.Conn
	ns.Do(func() { c, err = net.Dial("tcp", "127.0.0.1:7777") })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := l.Accept(); err != nil {
		t.Error(err)
	}
	if out, err := net.DialTimeout("tcp", "127.0.0.1:7777", time.Second); err == nil {
		out.Close()
		t.Error("reachable from outside of the namespace")
	}
}
