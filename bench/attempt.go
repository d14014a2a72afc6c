package main

import (
	"fmt"
	"math"
	"os"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// attempt stands in for a test: it gives the lab what testing.T would. A
// figure that can't be taken is NaN.
func attempt(name string, verbose bool, f func(t lab.TB) float64) (value float64, err error) {
	t := &trial{name: name, verbose: verbose}
	defer t.end()
	defer func() {
		switch failed := recover().(type) {
		case nil:
		case failure:
			value, err = math.NaN(), failed
		default:
			panic(failed)
		}
	}()
	return f(t), nil
}

// trial is one attempt; it implements lab.TB.
type trial struct {
	name     string
	verbose  bool
	failed   bool
	cleanups []func()
}

// failure ends an attempt.
type failure struct{ error }

func (t *trial) Helper()          {}
func (t *trial) Name() string     { return t.name }
func (t *trial) Failed() bool     { return t.failed }
func (t *trial) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *trial) Logf(format string, args ...any) {
	if t.verbose {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}

func (t *trial) Errorf(format string, args ...any) {
	t.failed = true
	fmt.Fprintf(os.Stderr, t.name+": "+format+"\n", args...)
}

func (t *trial) Fatalf(format string, args ...any) {
	t.failed = true
	panic(failure{fmt.Errorf(t.name+": "+format, args...)})
}

func (t *trial) TempDir() string {
	dir, err := os.MkdirTemp("", "vnetmgr-bench-")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// end cleans up, last thing first.
func (t *trial) end() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}
