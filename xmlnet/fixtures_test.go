package xmlnet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/golden"
)

// fixtures returns the directories below ../fixtures that begin with prefix,
// or with "!" those that don't.
func fixtures(t testing.TB, prefix string) []string {
	t.Helper()
	files, err := filepath.Glob("../fixtures/*/network.xml")
	if err != nil {
		t.Fatal(err)
	}
	want, not := strings.CutPrefix(prefix, "!")
	var dirs []string
	for _, f := range files {
		dir := filepath.Dir(f)
		if strings.HasPrefix(filepath.Base(dir), want) != not {
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) < 10 {
		t.Fatalf("%d fixtures of %q, want 10 or more", len(dirs), prefix)
	}
	return dirs
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestFixturesArePrintedAsDefined(t *testing.T) {
	for _, dir := range fixtures(t, "!bad-") {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			n, _, err := Parse(readFile(t, dir+"/network.xml"))
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Validate(); err != nil {
				t.Fatalf("Validate: %v", err)
			}
			before := n.Clone()
			if err := n.Complete(func(string) bool { return false }); err != nil {
				t.Fatalf("Complete: %v", err)
			}
			if n.UUID != before.UUID {
				t.Errorf("the fixture's uuid %s is not kept", before.UUID)
			}
			got := n.Format(FormatOptions{Inactive: true})
			golden.Check(t, dir+"/defined.xml", got)

			again, warnings, err := Parse(got)
			if err != nil || len(warnings) > 0 {
				t.Fatalf("Parse of what Format printed: warnings %v, error %v", warnings, err)
			}
			if diff := cmp.Diff(n, again, equateNetip); diff != "" {
				t.Errorf("reading what was printed (-printed +read):\n%s", diff)
			}
		})
	}
}

// codes are libvirt's, for error.txt.
var codes = map[Kind]string{
	XMLError: "27 XML error", XMLDetail: "35", InternalError: "1 internal error", NoName: "21",
	ConfigUnsupported: "67 unsupported configuration", SystemError: "38", Overflow: "82",
	XMLInvalidSchema: "92", OperationInvalid: "55",
}

func TestBadFixturesAreRefused(t *testing.T) {
	for _, dir := range fixtures(t, "bad-") {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			e := refusal(t, string(readFile(t, dir+"/network.xml")))
			golden.Check(t, dir+"/error.txt", fmt.Appendf(nil, "%s: %s\n", codes[e.Kind], e.Text))
		})
	}
}

// refusal returns the error with which doc is refused at define.
func refusal(t testing.TB, doc string) *Error {
	t.Helper()
	n, _, err := Parse([]byte(doc))
	if err == nil {
		err = n.Validate()
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want an *Error for:\n%s", err, doc)
	}
	return e
}
