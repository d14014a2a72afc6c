package vnetmgr_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// conformance is one line of fixtures/conformance.txt.
type conformance struct{ section, row, what string }

func readConformance(t *testing.T) []conformance {
	t.Helper()
	text, err := os.ReadFile("fixtures/conformance.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []conformance
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.SplitN(line, " | ", 3)
		if len(parts) != 3 {
			t.Fatalf("no three parts: %s", line)
		}
		all = append(all, conformance{parts[0], parts[1], parts[2]})
	}
	return all
}

func TestEveryConformanceRowHasItsFixture(t *testing.T) {
	fixture := regexp.MustCompile(`^(\S+) define (ok|\d+) start (ok|-|\d+)$`)
	test := regexp.MustCompile(`^(\S+_test\.go) "(.*)"$`)
	for _, c := range readConformance(t) {
		for what := range strings.SplitSeq(c.what, " ; ") {
			if m := fixture.FindStringSubmatch(what); m != nil {
				for _, file := range shown(m[1], m[2]) {
					if _, err := os.Stat("fixtures/" + m[1] + "/" + file); err != nil {
						t.Errorf("%s, %s: %v", c.section, c.row, err)
					}
				}
			} else if m := test.FindStringSubmatch(what); m != nil {
				if text, err := os.ReadFile(m[1]); err != nil || !strings.Contains(string(text), m[2]) {
					t.Errorf("%s, %s: %q is not in %s: %v", c.section, c.row, m[2], m[1], err)
				}
			} else {
				t.Errorf("%s, %s: neither a fixture nor a test: %s", c.section, c.row, what)
			}
		}
	}
}

// shown are the files that a fixture must have: what is printed and planned, or
// why it is refused.
func shown(fixture, define string) []string {
	switch {
	case strings.HasPrefix(fixture, "bad-"):
		return []string{"network.xml", "error.txt"}
	case define != "ok":
		return []string{"network.xml", "defined.xml"}
	}
	return []string{"network.xml", "defined.xml", "plan.txt"}
}

// The reference itself is read where it lies beside the repository.
func TestNoConformanceRowIsMissing(t *testing.T) {
	have := make(map[string][]string)
	for _, c := range readConformance(t) {
		have[c.section] = append(have[c.section], c.row)
	}
	cases, err := os.ReadFile("../shared/reference/conformance-cases.md")
	refusals, err2 := os.ReadFile("../shared/reference/network-xml.md")
	if err != nil || err2 != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err, err2)
		}
		t.Log("no reference beside the repository")
		return
	}
	want := tableRows(string(cases), nil)
	want["xml"] = tableRows(string(refusals), []string{"14"})["14"]
	for section, rows := range want {
		if len(rows) == 0 {
			t.Errorf("no rows in section %s", section)
		}
		for _, row := range rows {
			if !slices.Contains(have[section], row) {
				t.Errorf("section %s: nothing for row %q", section, row)
			}
		}
	}
}

// tableRows are the first columns of the tables in a text, by the number of
// their section; only names the sections, nil all.
func tableRows(text string, only []string) map[string][]string {
	rows := make(map[string][]string)
	section, body := "", false
	for line := range strings.Lines(text) {
		if head, ok := strings.CutPrefix(line, "## "); ok {
			section, _, _ = strings.Cut(head, ".")
		}
		cells := strings.Split(strings.TrimSpace(line), " | ")
		switch {
		case !strings.HasPrefix(line, "|"):
			body = false
		case strings.HasPrefix(line, "|--"):
			body = true
		case body && (only == nil || slices.Contains(only, section)):
			rows[section] = append(rows[section], strings.TrimPrefix(cells[0], "| "))
		}
	}
	return rows
}
