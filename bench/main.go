// Command bench measures vnetmgr beside libvirt's network, plain dnsmasq and
// Kea, in one run on one computer, and prints a table in Markdown. It needs
// root: each figure is taken on a host of its own (package lab).
//
//	go run ./bench [-peers libvirt,dnsmasq,kea,vnetmgr] [-only NAME,…] [-runs N]
//
// With several runs each figure is taken of one peer after the other, again and
// again, and the middle one counts. Compare figures of one run only, and their ratios rather than themselves.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

func main() {
	lab.Main()
	names := flag.String("peers", "libvirt,dnsmasq,kea,vnetmgr", "whom to measure")
	only := flag.String("only", "", "which figures to take (default: all): "+strings.Join(measureNames(), ", "))
	runs := flag.Int("runs", 1, "how often to take each figure")
	verbose := flag.Bool("v", false, "show the output of a peer that failed")
	flag.Parse()
	programs, err := os.MkdirTemp("", "vnetmgr-bench-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer os.RemoveAll(programs)

	var compared []peer
	for name := range strings.SplitSeq(*names, ",") {
		p, known := peers[name]
		if !known {
			fmt.Fprintf(os.Stderr, "no peer is called %s\n", name)
			os.Exit(2)
		}
		if name == "vnetmgr" {
			if err := lab.Build(programs); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		compared = append(compared, p)
	}
	t := table{peers: compared}
	for _, m := range measures {
		if *only == "" || slices.Contains(strings.Split(*only, ","), m.name) {
			t.rows = append(t.rows, take(m, compared, programs, *runs, *verbose))
		}
	}
	fmt.Print(t)
}

// take takes one figure of every peer, each time on a host of its own.
func take(m measure, peers []peer, programs string, runs int, verbose bool) row {
	taken := make([][]float64, len(peers))
	for range runs {
		for i, p := range peers {
			taken[i] = append(taken[i], takeOnce(m, p, programs, verbose))
		}
	}
	r := row{measure: m}
	for _, values := range taken {
		r.values = append(r.values, median(values))
	}
	return r
}

func takeOnce(m measure, p peer, programs string, verbose bool) float64 {
	start := time.Now()
	value, err := attempt(m.name+" of "+p.name, verbose, func(t lab.TB) float64 {
		h := lab.NewHost(t)
		h.Install(programs)
		return m.take(t, bed{h, p})
	})
	fmt.Fprintf(os.Stderr, "%-24s %-8s %14s  (took %.0f s)\n", m.name, p.name, m.format(value), time.Since(start).Seconds())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return value
}
