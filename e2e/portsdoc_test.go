package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// What docs/ports.md tells people to type has to work.
func TestDocumentedCommandsOnPortsWork(t *testing.T) {
	text, err := os.ReadFile("../docs/ports.md")
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	s.ctl(t, "net-start", "default")
	blocks := shellBlock.FindAllStringSubmatch(string(text), -1)
	for _, block := range blocks {
		if r := s.Run(t, "sh", "-euc", "mkdir -p /opt; mountpoint -q /opt || mount -t tmpfs none /opt\n"+block[1]); r.Code != 0 {
			t.Fatalf("%s\n%v", block[1], r)
		}
	}
	if len(blocks) < 8 {
		t.Errorf("%d blocks", len(blocks))
	}
	// The documented JSON, and nothing left of what was attached.
	if vm := s.Must(t, "cat", "/run/vm.json"); !strings.Contains(vm, `"host_dev_name": "fc0"`) || !strings.Contains(vm, "panic=1 ip=192.168.122.") {
		t.Errorf("Firecracker's configuration:\n%s", vm)
	}
	r := runtime{site: s, version: "1.0.0"}
	r.nothingAttached(t)
}
