package main

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

// sendFile is how long a guest's curl takes for a file of 64 MiB by TFTP, each
// block of which it acknowledges before it gets the next: the middle of five.
func sendFile(t lab.TB, b bed) float64 {
	if b.noDNS {
		return math.NaN()
	}
	n := small
	n.files = t.TempDir()
	// dnsmasq reads the file as a user of its own.
	if err := os.Chmod(n.files, 0o755); err != nil {
		t.Fatalf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(n.files, "file"), make([]byte, 64<<20), 0o644); err != nil {
		t.Fatalf("%v", err)
	}
	b.serve(t, b.Host, n)
	g, _ := loader(t, b, n)
	g.Must(t, "ip", "addr", "add", nth(n.addr.Addr(), 1).String()+"/24", "dev", "eth0")
	var times []float64
	for range 5 {
		out := g.Must(t, "curl", "-sS", "--tftp-blksize", "1468", "-o", "/dev/null", "-w", "%{time_total}",
			"tftp://"+n.addr.Addr().String()+"/file")
		took, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
		if err != nil {
			t.Fatalf("curl said %q: %v", out, err)
		}
		times = append(times, took)
	}
	return median(times)
}
