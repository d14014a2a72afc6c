package kerneltest

import (
	"testing"
	"time"
)

// Wait returns as soon as done returns true, asking every few milliseconds,
// and fails the test if that takes longer than timeout. What is waited for is
// said as in "the address to appear".
func Wait(t testing.TB, timeout time.Duration, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", timeout, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
