// Package e2e tests vnetmgr as its users meet it: the program on a host,
// guests on its bridges, the clients and tools that people have.
package e2e

import (
	"os"
	"testing"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

func TestMain(m *testing.M) {
	lab.Main()
	code := m.Run()
	if programs != "" {
		os.RemoveAll(programs)
	}
	os.Exit(code)
}
