package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// buildDriver builds the runtime in e2e/cni, a module of its own, beside the
// program under test.
var buildDriver = sync.OnceValue(func() error {
	cmd := exec.Command("go", "build", "-o", filepath.Join(programs, "cnidriver"), ".")
	cmd.Dir = "cni"
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the container runtime: %w\n%s", err, out)
	}
	return nil
})

// runtime is a host where the plugin is installed as CNI's users do.
type runtime struct {
	*site
	version string // of the configuration
}

const pluginDir = "/run/opt/cni/bin"

func newRuntime(t *testing.T, version string) *runtime {
	t.Helper()
	s := newSite(t)
	if err := buildDriver(); err != nil {
		t.Fatal(err)
	}
	r := &runtime{site: s, version: version}
	s.Script(t, "mkdir -p "+pluginDir+"; ln -s $(command -v vnetmgr) "+pluginDir+"/vnetmgr")
	r.configure(t, `"macRule": true`)
	return r
}

// configure writes the list of plugins that the runtime calls: ours, with more
// in its configuration.
func (r *runtime) configure(t *testing.T, more string) {
	t.Helper()
	r.WriteFile(t, "/run/vm.conflist", fmt.Sprintf(`{"cniVersion": %q, "name": "vms", "plugins": [
		{"type": "vnetmgr", "network": "default", "capabilities": {"ips": true, "mac": true, "bandwidth": true}, %s}]}`, r.version, more), 0o644)
}

// call has the runtime do a command for a container, with NAME=VALUE pairs of
// its environment.
func (r *runtime) call(t *testing.T, command, container string, env ...string) lab.Result {
	t.Helper()
	words := append([]string{"env", "CNI_PATH=" + pluginDir, "CNI_CACHE=/run/cni-cache"}, env...)
	return r.Run(t, append(words, "cnidriver", command, "/run/vm.conflist", container, "/run/netns/"+container)...)
}

func (r *runtime) must(t *testing.T, command, container string, env ...string) string {
	t.Helper()
	res := r.call(t, command, container, env...)
	if res.Code != 0 {
		t.Fatalf("%s %s: %v", command, container, res)
	}
	return res.Stdout
}

// cniResult is what ADD says.
type cniResult struct {
	Version    string `json:"cniVersion"`
	Interfaces []struct{ Name, MAC, Sandbox string }
	IPs        []struct{ Address, Gateway, Version string }
	Routes     []struct{ Dst, GW string }
	DNS        struct{ Nameservers []string }
}

func (r *runtime) add(t *testing.T, container string, env ...string) (res cniResult) {
	t.Helper()
	r.Script(t, "ip netns add "+container)
	out := r.must(t, "add", container, env...)
	if err := json.Unmarshal([]byte(out), &res); err != nil || len(res.IPs) == 0 || len(res.Interfaces) != 3 {
		t.Fatalf("add %s: %v\n%s", container, err, out)
	}
	return res
}

func (r *runtime) in(t *testing.T, container string, args ...string) lab.Result {
	t.Helper()
	return r.Run(t, append([]string{"ip", "netns", "exec", container}, args...)...)
}

func TestContainersJoinTheNetworksOfVMs(t *testing.T) {
	for _, version := range []string{"0.4.0", "1.1.0"} {
		t.Run(version, func(t *testing.T) {
			r := newRuntime(t, version)
			r.ctl(t, "net-start", "default") // which starts the daemon
			web := r.add(t, "c1", "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAME=web")
			db := r.add(t, "c2", "CNI_ARGS=K8S_POD_NAME=db", `CAP_ARGS={"mac": "52:54:00:c0:ff:ee", "ips": ["192.168.122.77/24"]}`)
			if web.Version != version || web.Routes[0].Dst != "0.0.0.0/0" || web.IPs[0].Gateway != "192.168.122.1" || web.DNS.Nameservers[0] != "192.168.122.1" {
				t.Errorf("result %+v", web)
			}
			if db.IPs[0].Address != "192.168.122.77/24" || db.Interfaces[2].MAC != "52:54:00:c0:ff:ee" || db.Interfaces[2].Sandbox != "/run/netns/c2" {
				t.Errorf("result %+v", db)
			}
			vm := r.Guest(t, "virbr0", "vm")
			if _, ok := vm.Udhcpc(t); !ok {
				t.Fatal("the VM has no lease")
			}
			if addr, ok := vm.Resolve(t, "db"); !ok || addr.String() != "192.168.122.77" || !vm.Ping(t, "db") {
				t.Errorf("the VM does not reach db at %v, %v", addr, ok)
			}
			webAddr, _, _ := strings.Cut(web.IPs[0].Address, "/")
			for _, to := range []string{webAddr, vm.Addr(t).String(), lab.WWWAddr} {
				if res := r.in(t, "c2", "ping", "-c", "1", "-W", "5", to); res.Code != 0 {
					t.Errorf("db cannot reach %s: %v", to, res)
				}
			}
			r.must(t, "check", "c1")
			r.Script(t, "ip -n c1 addr flush dev eth0")
			if res := r.call(t, "check", "c1"); res.Code == 0 || !strings.Contains(res.Stderr, "code 101: eth0 has no address") {
				t.Errorf("check of a container without its address: %v", res)
			}
			if out := r.ctl(t, "net-dumpxml", "default"); !strings.Contains(out, "connections='2'") {
				t.Errorf("net-dumpxml:\n%s", out)
			}
			for range 2 {
				r.must(t, "del", "c1")
				r.must(t, "del", "c2")
			}
			r.nothingAttached(t)
		})
	}
}

// nothingAttached waits until the daemon knows of no container any more.
func (r *runtime) nothingAttached(t *testing.T) {
	t.Helper()
	lab.Eventually(t, 20*time.Second, "nothing is attached", func() bool {
		return len(strings.TrimSpace(r.ctl(t, "-q", "port-list", "default"))) == 0
	})
	if out := r.Script(t, "ip -o link show type veth; nft list tables"); strings.Contains(out, "vnm") || strings.Contains(out, "bridge vnetmgr") {
		t.Errorf("left:\n%s", out)
	}
}

func TestDeletedContainersAreForgottenWhateverRuns(t *testing.T) {
	r := newRuntime(t, "1.1.0")
	daemon := r.Daemon(t)
	r.ctl(t, "net-start", "default")
	r.add(t, "kept")
	r.add(t, "lost")
	r.add(t, "late")
	r.must(t, "status", "kept")
	r.must(t, "gc", "kept")
	if out := r.ctl(t, "-q", "port-list", "default"); strings.Count(out, "vnm") != 1 {
		t.Errorf("after gc:\n%s", out)
	}
	if res := r.in(t, "kept", "ping", "-c", "1", "-W", "5", "192.168.122.1"); res.Code != 0 {
		t.Errorf("gc took away a container that is there: %v", res)
	}
	// As after a crash of the runtime: another namespace is where the first was,
	// which something in it keeps.
	keeper := r.Start(t, "ip", "netns", "exec", "kept", "sleep", "600")
	lab.Eventually(t, 20*time.Second, "the old namespace is kept", func() bool {
		return strings.TrimSpace(r.Script(t, "ip netns pids kept")) != ""
	})
	r.Script(t, "ip netns del kept; ip netns add kept")
	r.must(t, "add", "kept")
	if res := r.in(t, "kept", "ping", "-c", "1", "-W", "5", "192.168.122.1"); res.Code != 0 {
		t.Errorf("a new container in an old one's place has no link: %v", res)
	}
	keeper.Kill(t)
	if err := daemon.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	daemon.Wait(t)
	for range 2 {
		r.must(t, "del", "kept") // without a daemon
	}
	if out := r.Script(t, "ip -n kept -o link"); strings.Contains(out, "eth0") {
		t.Errorf("left in the container:\n%s", out)
	}
	r.Daemon(t)
	r.nothingAttached(t)
	r.Script(t, "ip netns del lost")
	r.must(t, "del", "lost") // without its namespace
}

func TestPluginRefusesInTheWordsOfTheSpecification(t *testing.T) {
	r := newRuntime(t, "1.1.0")
	r.Daemon(t)
	r.Script(t, "ip netns add c1")
	refused := func(code, text, command string, env ...string) {
		t.Helper()
		res := r.call(t, command, "c1", env...)
		if res.Code == 0 || !strings.HasPrefix(res.Stderr, "code "+code+": ") || !strings.Contains(res.Stderr, text) {
			t.Errorf("%s %v: %v, want code %s and %q", command, env, res, code, text)
		}
	}
	refused("50", "network default is not active", "status")
	refused("11", "network default is not active", "add")
	r.ctl(t, "net-start", "default")
	refused("7", `address "x"`, "add", `CAP_ARGS={"ips": ["x"]}`)
	refused("7", `MAC address "x"`, "add", `CAP_ARGS={"mac": "x"}`)
	refused("100", "10.0.0.1 is in no subnet", "add", `CAP_ARGS={"ips": ["10.0.0.1"]}`)
	r.configure(t, `"ipam": {"type": "host-local"}`)
	refused("7", `ipam.type is "host-local"`, "add")
	r.nothingInside(t)
	r.configure(t, `"socket": "/run/nobody"`)
	r.WriteFile(t, "/run/nobody", "", 0o600)
	if res := r.call(t, "del", "c1"); res.Code != 0 {
		t.Errorf("del without a daemon: %v", res)
	}
	raw := r.Run(t, "env", "CNI_COMMAND=NONE", "vnetmgr")
	var said struct{ Code int }
	if err := json.Unmarshal([]byte(raw.Stdout), &said); err != nil || said.Code != 4 || raw.Code != 1 {
		t.Errorf("an unknown command: %v", raw)
	}
}

// nothingInside finds links that a refused ADD left in the container.
func (r *runtime) nothingInside(t *testing.T) {
	t.Helper()
	if out := r.Script(t, "ip -n c1 -o link"); strings.Contains(out, "eth0") {
		t.Errorf("left in the container:\n%s", out)
	}
}
