package network

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// A pool is warned of when it becomes fuller, and not again by each guest that
// comes and goes.
func TestFullPoolIsWarnedOfOnce(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	var known map[string]fullness
	for _, step := range []struct {
		taken int
		want  string // "" for nothing
	}{
		{89, ""},
		{90, "nine in ten"},
		{91, ""},
		{100, "no address of the pool is left"},
		{99, ""},
		{100, "no address of the pool is left"},
		{86, ""},
		{90, ""},
		{84, ""},
		{90, "nine in ten"},
	} {
		text.Reset()
		n := NetworkStats{Info: Info{Ref: Ref{Name: "default"}}, Pool4: PoolUse{Size: 100, Taken: step.taken}}
		known = warnOfPools(log, []NetworkStats{n}, known)
		got := text.String()
		if (got == "") != (step.want == "") || !strings.Contains(got, step.want) {
			t.Errorf("with %d taken: %q, want %q", step.taken, got, step.want)
		}
		if got != "" && (!strings.Contains(got, "network=default") || !strings.Contains(got, "of=100")) {
			t.Errorf("the warning does not say where: %q", got)
		}
	}
}
