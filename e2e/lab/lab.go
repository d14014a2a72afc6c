// Package lab builds small networks of machines for tests and measurements: a
// host that runs virtual networks, an internet beyond it, and guests on its
// bridges. A machine is a set of fresh network, mount, pid, uts and ipc
// namespaces. Its /run is empty, and what is written below its /etc and /var
// stays in memory, so nothing done on it reaches the machine that the test
// runs on, and all of it ends with the test.
//
// A program that uses the package calls Main before anything else, because a
// machine's first process is the program itself, started again:
//
//	func TestMain(m *testing.M) { lab.Main(); os.Exit(m.Run()) }
package lab

// TB is the part of testing.TB that the lab needs, so that a measuring program
// can stand in for a test.
type TB interface {
	Helper()
	Name() string
	TempDir() string
	Cleanup(func())
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}
