// Package observe writes down what a network looks like to those who use it:
// what is on the host, what guests are offered by DHCP, told by router
// advertisements and answered by DNS and TFTP. It knows nothing of who runs the
// network, so what it writes of two programs can be compared.
//
// What differs from run to run (times, transaction numbers) is left out, what
// is random is not asked for: two observations of the same program are equal.
package observe

import (
	"fmt"
	"slices"
	"strings"
)

// Report is what was seen, in sections.
type Report struct {
	Sections []Section
}

// Section is what one question, or one kind of look, showed.
type Section struct {
	Name  string
	Lines []string
}

// Nothing is the report of a network of which there is nothing to see.
func Nothing(why string) *Report {
	return &Report{Sections: []Section{{Name: "host", Lines: []string{why}}}}
}

// add starts a section.
func (r *Report) add(name string) *Section {
	r.Sections = append(r.Sections, Section{Name: name})
	return &r.Sections[len(r.Sections)-1]
}

func (s *Section) line(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		if line = strings.TrimRight(line, " \n"); line != "" {
			s.Lines = append(s.Lines, line)
		}
	}
}

// String is the report as text: "[section]", then its lines.
func (r *Report) String() string {
	var b strings.Builder
	for i, s := range r.Sections {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "[%s]\n", s.Name)
		for _, line := range s.Lines {
			fmt.Fprintln(&b, line)
		}
	}
	return b.String()
}

// ParseReport reads what String wrote.
func ParseReport(text string) *Report {
	var r Report
	var s *Section
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		name, isName := strings.CutPrefix(line, "[")
		switch {
		case isName && strings.HasSuffix(name, "]"):
			s = r.add(strings.TrimSuffix(name, "]"))
		case line != "" && s != nil:
			s.Lines = append(s.Lines, line)
		}
	}
	return &r
}

// Difference is a line that only one of two reports has.
type Difference struct {
	Section string
	Sign    byte // '-' only in the first, '+' only in the second
	Line    string
}

func (d Difference) String() string { return fmt.Sprintf("[%s] %c %s", d.Section, d.Sign, d.Line) }

// Differences are what a has and b has not, and the other way round. The order
// of lines in a section counts for nothing, their number does.
func Differences(a, b *Report) []Difference {
	var all []Difference
	for _, name := range sectionNames(a, b) {
		in, out := a.lines(name), b.lines(name)
		for _, line := range without(in, out) {
			all = append(all, Difference{name, '-', line})
		}
		for _, line := range without(out, in) {
			all = append(all, Difference{name, '+', line})
		}
	}
	return all
}

func sectionNames(reports ...*Report) []string {
	var names []string
	for _, r := range reports {
		for _, s := range r.Sections {
			if !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	return names
}

func (r *Report) lines(section string) []string {
	for _, s := range r.Sections {
		if s.Name == section {
			return s.Lines
		}
	}
	return nil
}

// without is a less the lines of b, each taken away once.
func without(a, b []string) []string {
	rest := slices.Clone(b)
	var left []string
	for _, line := range a {
		if i := slices.Index(rest, line); i >= 0 {
			rest = slices.Delete(rest, i, i+1)
		} else {
			left = append(left, line)
		}
	}
	return left
}
