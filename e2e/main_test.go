package e2e

import (
	"os"
	"testing"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

func TestMain(m *testing.M) {
	lab.Main()
	os.Exit(m.Run())
}
