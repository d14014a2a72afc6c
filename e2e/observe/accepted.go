package observe

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Accepted are differences between two programs' networks that are meant to
// be, each with its reason.
type Accepted struct {
	rules []*rule
	mu    sync.Mutex // guards used of the rules
}

// rule accepts lines that only one of two has.
type rule struct {
	place    string // in the file
	why      string // as docs/compat.md says it
	fixtures []string
	section  string // pattern
	sign     byte
	line     *regexp.Regexp
	used     bool
}

// ReadAccepted reads a list of accepted differences:
//
//	# a comment
//	why: words of docs/compat.md
//	in: FIXTURE… | *
//	[SECTION] - REGEXP
//	[SECTION] + REGEXP
//	[SECTION] [-+] REGEXP
//
// why and in hold until the next of their kind. SECTION and FIXTURE may have
// "*" in them. A line is accepted if the whole of it matches.
func ReadAccepted(file string) (*Accepted, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a := &Accepted{}
	var head rule
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		head.place = fmt.Sprintf("%s:%d", file, n)
		if err := a.read(&head, line); err != nil {
			return nil, fmt.Errorf("%s: %w", head.place, err)
		}
	}
	return a, lines.Err()
}

func (a *Accepted) read(head *rule, line string) error {
	if why, ok := strings.CutPrefix(line, "why: "); ok {
		head.why, head.fixtures = why, nil
		return nil
	}
	if in, ok := strings.CutPrefix(line, "in: "); ok {
		head.fixtures = strings.Fields(in)
		return nil
	}
	section, rest, ok := strings.Cut(strings.TrimPrefix(line, "["), "] ")
	signs, text, isRule := strings.Cut(strings.Replace(rest, "[-+]", "-+", 1), " ")
	if !ok || !isRule || line[0] != '[' || strings.Trim(signs, "-+") != "" || head.why == "" || head.fixtures == nil {
		return fmt.Errorf("%q is no rule with a reason and fixtures", line)
	}
	re, err := regexp.Compile("^(?:" + text + ")$")
	if err != nil {
		return err
	}
	for i := range signs {
		r := *head
		r.section, r.sign, r.line = section, signs[i], re
		a.rules = append(a.rules, &r)
	}
	return nil
}

// Has tells whether a difference in a fixture is accepted.
func (a *Accepted) Has(fixture string, d Difference) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := false
	for _, r := range a.rules {
		if r.sign == d.Sign && r.of(fixture) && matches(r.section, d.Section) && r.line.MatchString(d.Line) {
			r.used, found = true, true
		}
	}
	return found
}

func (r *rule) of(fixture string) bool {
	return slices.ContainsFunc(r.fixtures, func(pattern string) bool { return matches(pattern, fixture) })
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// Unused are the rules that no difference needed.
func (a *Accepted) Unused() []string {
	var all []string
	for _, r := range a.rules {
		if !r.used {
			all = append(all, fmt.Sprintf("%s: [%s] %c %s", r.place, r.section, r.sign, r.line))
		}
	}
	return all
}

// Documented are the reasons, each once.
func (a *Accepted) Documented() []string {
	var all []string
	for _, r := range a.rules {
		if !slices.Contains(all, r.why) {
			all = append(all, r.why)
		}
	}
	return all
}
