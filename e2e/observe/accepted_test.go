package observe

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func readRules(t *testing.T, text string) (*Accepted, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "differences.txt")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return ReadAccepted(file)
}

func TestOnlyWhatARuleSaysIsAccepted(t *testing.T) {
	a, err := readRules(t, `
why: renewals are random
in: nat-*
[dhcpv4 *] - option 58 \d+
[dns] [-+] A .*
in: never
[dns] + x
`)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		fixture string
		d       Difference
		want    bool
	}{
		{"nat-one", Difference{"dhcpv4 offer", '-', "option 58 9"}, true},
		{"nat-one", Difference{"dhcpv4 offer", '+', "option 58 9"}, false},
		{"nat-one", Difference{"dhcpv4 offer", '-', "option 58 9 more"}, false},
		{"nat-one", Difference{"dhcpv6 offer", '-', "option 58 9"}, false},
		{"routed", Difference{"dhcpv4 offer", '-', "option 58 9"}, false},
		{"nat-two", Difference{"dns", '-', "A www"}, true},
	} {
		if got := a.Has(tc.fixture, tc.d); got != tc.want {
			t.Errorf("%s %s: %v, want %v", tc.fixture, tc.d, got, tc.want)
		}
	}
	if got := a.Unused(); len(got) != 2 { // A of the other side, x
		t.Errorf("unused: %q", got)
	}
	if diff := cmp.Diff([]string{"renewals are random"}, a.Documented()); diff != "" {
		t.Error(diff)
	}
}

func TestARuleNeedsAReasonAndAPlace(t *testing.T) {
	for _, text := range []string{"[dns] - x", "why: y\n[dns] - x", "why: y\nin: *\n[dns] x", "why: y\nin: *\n[dns] - (", "why: y\nin: *\ndns - x"} {
		if _, err := readRules(t, text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestReportsAreReadAsTheyAreWritten(t *testing.T) {
	var r Report
	r.add("one").line("a\nb  \n\n")
	r.add("two").line("%s", "[::]:53 is no section")
	r.add("none")
	if diff := cmp.Diff(r.String(), ParseReport(r.String()).String()); diff != "" {
		t.Error(diff)
	}
}

func TestDifferencesAreTheLinesOfOneOnly(t *testing.T) {
	a := ParseReport("[s]\nx\nx\ny\n[only a]\nz\n")
	b := ParseReport("[s]\ny\nx\nw\n")
	var got []string
	for _, d := range Differences(a, b) {
		got = append(got, d.String())
	}
	want := []string{"[s] - x", "[s] + w", "[only a] - z"}
	if !slices.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}
