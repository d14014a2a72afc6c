package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// TestBandwidthAndVLANsOnDebiansKernel runs those of the bridge package's tests
// that hold on every kernel where everything that they ask for is built in or
// loaded: the kernel of the computer that runs the tests may lack much of it.
func TestBandwidthAndVLANsOnDebiansKernel(t *testing.T) {
	program := filepath.Join(t.TempDir(), "bridge.test")
	build := exec.Command("go", "test", "-c", "-o", program, "../bridge")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the test: %v\n%s", err, out)
	}
	said := lab.TestVM(t, program,
		[]string{"bridge", "veth", "sch_htb", "sch_sfq", "sch_ingress", "sch_tbf", "cls_u32", "act_police"},
		[]string{"sh", "ip", "tc"}, // in busybox's shell ip and tc are its own
		"-test.v", "-test.count=1", "-test.run='Limit|Floor|Traffic|Rates|VLAN|Somebody|Tune|FairQueue'")
	for _, want := range []string{"\nPASS\n", "--- PASS: TestOutboundLimit", "--- PASS: TestVLANFiltering", "--- PASS: TestFairQueue", "--- PASS: TestTraffic"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in what it said:\n%s", want, said)
			break
		}
	}
	for _, not := range []string{"--- SKIP", "kernel lacks", "has SFQ: false"} {
		if strings.Contains(said, not) {
			t.Errorf("%q is in what it said:\n%s", not, said)
		}
	}
}
