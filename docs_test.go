package vnetmgr_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/vnetmgr/vnetmgr/internal/golden"
)

// A quoted file in the documentation: its path in a comment, and a code block.
var quoted = regexp.MustCompile("(?s)(<!-- (fixtures/[^ ]+) -->\n```\n)(.*?)(```\n)")

func TestDocumentsQuoteTheFixturesAsTheyAre(t *testing.T) {
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	quotes := 0
	for _, doc := range docs {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		want := quoted.ReplaceAllFunc(text, func(block []byte) []byte {
			quotes++
			parts := quoted.FindSubmatch(block)
			file, err := os.ReadFile(string(parts[2]))
			if err != nil {
				t.Fatal(err)
			}
			return bytes.Join([][]byte{parts[1], file, parts[4]}, nil)
		})
		golden.Check(t, doc, want)
	}
	if quotes == 0 {
		t.Error("no document quotes a fixture")
	}
}
