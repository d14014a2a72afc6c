package golden

import (
	"os"
	"path/filepath"
	"testing"
)

// recorder is a testing.TB that notes whether it was failed.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }

func TestADifferenceFailsTheTest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "got.txt")
	if err := os.WriteFile(path, []byte("one\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for got, fails := range map[string]bool{"one\n": false, "two\n": true, "one": true} {
		r := &recorder{TB: t}
		Check(r, path, []byte(got))
		if r.failed != fails {
			t.Errorf("Check with %q: failed is %t, want %t", got, r.failed, fails)
		}
	}
}

func TestUpdateWritesTheFileWithItsDirectory(t *testing.T) {
	*update = true
	defer func() { *update = false }()
	path := filepath.Join(t.TempDir(), "new", "got.txt")
	Check(t, path, []byte("one\n"))
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "one\n" {
		t.Errorf("file holds %q (%v), want %q", got, err, "one\n")
	}
}
