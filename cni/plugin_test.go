package cni

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// call runs the plugin without a daemon and returns what it says.
func call(t testing.TB, conf string, env map[string]string) (out string, status int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status = Main(context.Background(), Env{
		Stdin: strings.NewReader(conf), Stdout: &stdout, Stderr: &stderr,
		Getenv: func(name string) string { return env[name] },
		Dial: func(context.Context, string, bool) (net.Conn, error) {
			return nil, errors.New("nobody there")
		},
	})
	return stdout.String(), status
}

func added(more map[string]string) map[string]string {
	env := map[string]string{"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/not-there", "CNI_IFNAME": "eth0"}
	for name, value := range more {
		env[name] = value
	}
	return env
}

const conf = `{"cniVersion": "1.1.0", "name": "n", "type": "vnetmgr"}`

func TestErrorsHaveTheCodesOfTheSpecification(t *testing.T) {
	for _, tt := range []struct {
		name, conf string
		env        map[string]string
		code       code
	}{
		{"no daemon", conf, nil, tryAgainLater},
		{"no version", `{"name": "n", "type": "vnetmgr"}`, nil, incompatibleVersion},
		{"an old version", `{"cniVersion": "0.2.0", "name": "n"}`, nil, incompatibleVersion},
		{"a command that the version lacks", `{"cniVersion": "0.3.1", "name": "n"}`, map[string]string{"CNI_COMMAND": "CHECK"}, incompatibleVersion},
		{"no JSON", `{`, nil, undecodable},
		{"no name", `{"cniVersion": "1.1.0"}`, nil, invalidConfig},
		{"a bad name", `{"cniVersion": "1.1.0", "name": "a/b"}`, nil, invalidConfig},
		{"addresses by another plugin", `{"cniVersion": "1.1.0", "name": "n", "ipam": {"type": "dhcp"}}`, nil, invalidConfig},
		{"a command that is none", conf, map[string]string{"CNI_COMMAND": "MOVE"}, invalidEnvironment},
		{"no container", conf, map[string]string{"CNI_CONTAINERID": ""}, invalidEnvironment},
		{"a bad container", conf, map[string]string{"CNI_CONTAINERID": "../x"}, invalidEnvironment},
		{"no link", conf, map[string]string{"CNI_IFNAME": ""}, invalidEnvironment},
		{"a link that is none", conf, map[string]string{"CNI_IFNAME": "a/b"}, invalidEnvironment},
		{"a long link", conf, map[string]string{"CNI_IFNAME": "0123456789abcdef"}, invalidEnvironment},
		{"no namespace", conf, map[string]string{"CNI_NETNS": ""}, invalidEnvironment},
		{"a relative namespace", conf, map[string]string{"CNI_NETNS": "x"}, invalidEnvironment},
		{"bad arguments", conf, map[string]string{"CNI_ARGS": "x"}, invalidEnvironment},
		{"check without a result", conf, map[string]string{"CNI_COMMAND": "CHECK"}, invalidConfig},
		{"status without a daemon", conf, map[string]string{"CNI_COMMAND": "STATUS"}, notAvailable},
		{"gc without a daemon", conf, map[string]string{"CNI_COMMAND": "GC"}, tryAgainLater},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, status := call(t, tt.conf, added(tt.env))
			var got errorText
			if err := json.Unmarshal([]byte(out), &got); err != nil || status != 1 {
				t.Fatalf("status %d, %v: %s", status, err, out)
			}
			if got.Code != tt.code || got.Message == "" || got.Version == "" {
				t.Errorf("%+v, want code %d", got, tt.code)
			}
		})
	}
}

func TestDelOfWhatIsGoneSucceedsWithoutADaemon(t *testing.T) {
	for _, netns := range []string{"", "/run/netns/not-there"} {
		if out, status := call(t, conf, added(map[string]string{"CNI_COMMAND": "DEL", "CNI_NETNS": netns})); status != 0 || out != "" {
			t.Errorf("%q: status %d: %s", netns, status, out)
		}
	}
}

func TestVersionNeedsNoConfiguration(t *testing.T) {
	for asked, want := range map[string]string{"": "1.1.0", `{"cniVersion": "0.4.0"}`: "0.4.0"} {
		out, status := call(t, asked, map[string]string{"CNI_COMMAND": "VERSION"})
		var got struct {
			Version   string   `json:"cniVersion"`
			Supported []string `json:"supportedVersions"`
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil || status != 0 || got.Version != want {
			t.Errorf("%q: status %d, %v: %s", asked, status, err, out)
		}
		if diff := cmp.Diff(versions, got.Supported); diff != "" {
			t.Error(diff)
		}
	}
}

func TestRequestTakesWishesFromWhereverTheyAre(t *testing.T) {
	read := func(conf string, env map[string]string) (wire.PortAttachArgs, error) {
		c, err := parseConfig([]byte(conf))
		if err != nil {
			t.Fatal(err)
		}
		env = added(env)
		p := &plugin{env: Env{Getenv: func(name string) string { return env[name] }}, conf: c}
		if err := p.readEnvironment("ADD"); err != nil {
			t.Fatal(err)
		}
		return p.request(wire.Network{Name: "n"})
	}
	base := wire.PortAttachArgs{
		Network: wire.Network{Name: "n"}, Netns: "/run/netns/not-there", GuestLink: "eth0", Key: "cni/n/c1/eth0", Flags: wire.AttachNameIfFree,
	}
	with := func(f func(*wire.PortAttachArgs)) wire.PortAttachArgs {
		args := base
		f(&args)
		return args
	}
	for _, tt := range []struct {
		name, conf string
		env        map[string]string
		want       wire.PortAttachArgs
	}{
		{"nothing", conf, nil, base},
		{"capabilities", `{"cniVersion": "1.1.0", "name": "n", "macRule": true, "isolated": true, "runtimeConfig": {"ips": ["10.0.0.1/24", "fd00::1"], "mac": "52:54:00:00:00:01",
			"bandwidth": {"ingressRate": 8000000, "ingressBurst": 81920, "egressRate": 1}}}`, nil, with(func(a *wire.PortAttachArgs) {
			a.Addr, a.Addr6, a.MAC = "10.0.0.1", "fd00::1", "52:54:00:00:00:01"
			a.Inbound, a.Outbound = &wire.PortRate{Average: 1000, Burst: 10}, &wire.PortRate{Average: 1}
			a.Flags |= wire.AttachMACRule | wire.AttachIsolated
		})},
		{"args of the configuration", `{"cniVersion": "1.1.0", "name": "n", "args": {"cni": {"ips": ["10.0.0.1"], "mac": "52:54:00:00:00:01"}}}`, nil,
			with(func(a *wire.PortAttachArgs) { a.Addr, a.MAC = "10.0.0.1", "52:54:00:00:00:01" })},
		{"CNI_ARGS", conf, map[string]string{"CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAME=web;IP=10.0.0.1,fd00::1;MAC=52:54:00:00:00:01"},
			with(func(a *wire.PortAttachArgs) {
				a.Name, a.Addr, a.Addr6, a.MAC = "web", "10.0.0.1", "fd00::1", "52:54:00:00:00:01"
			})},
	} {
		got, err := read(tt.conf, tt.env)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", tt.name, err, diff)
		}
	}
	for _, args := range []string{"IP=x", "IP=10.0.0.1,10.0.0.2", "MAC=x"} {
		if _, err := read(conf, map[string]string{"CNI_ARGS": args}); err == nil {
			t.Errorf("%s was taken", args)
		}
	}
}

func TestResultIsInTheAskedVersion(t *testing.T) {
	p := wire.AttachedPort{
		Bridge: "virbr0", Link: "vnm0", GuestLink: "eth0", MAC: "52:54:00:00:00:01", MTU: 1400, Domain: "lan",
		Addrs: []string{"10.0.0.2/24", "fd00::2/64"}, Gateways: []string{"10.0.0.1"}, Resolvers: []string{"10.0.0.1"},
	}
	for version, want := range map[string]string{
		"0.4.0": `{"cniVersion":"0.4.0","interfaces":[{"name":"virbr0"},{"name":"vnm0"},{"name":"eth0","mac":"52:54:00:00:00:01","sandbox":"/n"}],` +
			`"ips":[{"version":"4","interface":2,"address":"10.0.0.2/24","gateway":"10.0.0.1"},{"version":"6","interface":2,"address":"fd00::2/64"}],` +
			`"routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1"}],"dns":{"nameservers":["10.0.0.1"],"domain":"lan","search":["lan"]}}`,
		"1.1.0": `{"cniVersion":"1.1.0","interfaces":[{"name":"virbr0"},{"name":"vnm0"},{"name":"eth0","mac":"52:54:00:00:00:01","mtu":1400,"sandbox":"/n"}],` +
			`"ips":[{"interface":2,"address":"10.0.0.2/24","gateway":"10.0.0.1"},{"interface":2,"address":"fd00::2/64"}],` +
			`"routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1"}],"dns":{"nameservers":["10.0.0.1"],"domain":"lan","search":["lan"]}}`,
	} {
		got, err := json.Marshal(makeResult(version, "/n", p))
		if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
}

func TestPluginIsCalledByItsEnvironment(t *testing.T) {
	add := func(name string) string { return map[string]string{"CNI_COMMAND": "ADD"}[name] }
	none := func(string) string { return "" }
	if !Called(nil, add) || Called([]string{"net-list"}, add) || Called(nil, none) {
		t.Error("who calls is mistaken")
	}
}

// FuzzConfig: whatever a runtime sends is answered in JSON.
func FuzzConfig(f *testing.F) {
	f.Add(conf, "IgnoreUnknown=1;K8S_POD_NAME=web")
	f.Add(`{"cniVersion": "1.1.0", "name": "n", "runtimeConfig": {"ips": ["10.0.0.1/24"]}}`, "")
	f.Add(`{"cniVersion": "0.4.0", "name": "n", "prevResult": {"ips": [{"address": "10.0.0.1/24"}]}}`, "IP=::1")
	f.Fuzz(func(t *testing.T, text, args string) {
		for _, command := range []string{"ADD", "CHECK", "DEL", "GC", "STATUS", "VERSION"} {
			out, status := call(t, text, added(map[string]string{"CNI_COMMAND": command, "CNI_ARGS": args}))
			if (status != 0 || out != "") && !json.Valid([]byte(out)) {
				t.Errorf("%s: %q", command, out)
			}
		}
	})
}
