package main

import (
	"fmt"
	"math"
	"strings"
)

// table is what a run found: a row for each figure, a column for each peer.
type table struct {
	peers []peer
	rows  []row
}

type row struct {
	measure
	values []float64 // in the order of the peers, NaN for none
}

func (t table) String() string {
	var b strings.Builder
	b.WriteString("| figure |")
	for _, p := range t.peers {
		fmt.Fprintf(&b, " %s |", p.name)
	}
	ours := t.column("vnetmgr")
	var others []int
	for _, name := range []string{"libvirt", "kea"} {
		if theirs := t.column(name); ours >= 0 && theirs >= 0 {
			others = append(others, theirs)
			b.WriteString(" vnetmgr : " + name + " |")
		}
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", strings.Count(b.String(), "|")-2) + "\n")
	for _, r := range t.rows {
		fmt.Fprintf(&b, "| %s |", r.what)
		for _, value := range r.values {
			fmt.Fprintf(&b, " %s |", r.format(value))
		}
		for _, theirs := range others {
			fmt.Fprintf(&b, " %s |", ratio(r.values[ours], r.values[theirs]))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// column is the place of a peer among the columns, or -1.
func (t table) column(name string) int {
	for i, p := range t.peers {
		if p.name == name {
			return i
		}
	}
	return -1
}

func ratio(a, b float64) string {
	q := a / b
	switch {
	case math.IsNaN(q) || math.IsInf(q, 0) || q == 0:
		return "–"
	case q >= 1:
		return fmt.Sprintf("%.3g : 1", q)
	default:
		return fmt.Sprintf("1 : %.3g", 1/q)
	}
}
