// Package e2e tests vnetmgr as its users meet it: the program on a host,
// guests on its bridges, the clients and tools that people have.
package e2e

import (
	"flag"
	"os"
	"testing"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

func TestMain(m *testing.M) {
	lab.Main()
	waitTogether()
	code := m.Run()
	if programs != "" {
		os.RemoveAll(programs)
	}
	os.Exit(code)
}

// waitTogether lets more tests run at once than there are processors, unless
// the command line says how many: those that are parallel mostly wait, for
// bridges that learn and clients that time out.
func waitTogether() {
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if !said {
		flag.Set("test.parallel", "16")
	}
}
