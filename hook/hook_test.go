package hook

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scripts makes hook scripts in a directory, by their paths below it.
func scripts(t *testing.T, files map[string]string) (Scripts, string, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o755)
		if strings.HasSuffix(name, ".off") {
			mode = 0o644
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\ncd "+dir+"\n"+text+"\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	return Scripts{Log: slog.New(slog.NewTextHandler(&log, nil)), Path: filepath.Join(dir, "network")}, dir, &log
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var step = Step{Network: "my net", Op: "start", SubOp: "begin"}

func TestScriptGetsArgumentsInputAndAReducedEnvironment(t *testing.T) {
	t.Setenv("SECRET", "x")
	t.Setenv("HOME", "/somewhere")
	s, dir, _ := scripts(t, map[string]string{"network": `printf '%s\n' "$@" >args; cat >stdin; env | sed 's/=.*//' | sort >env; echo $LC_ALL $HOME >values`})
	if err := s.Run(t.Context(), step, []byte("<hookData/>\n")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"args": "my net\nstart\nbegin\n-\n", "stdin": "<hookData/>\n", "values": "C /somewhere\n",
	} {
		if diff := cmp.Diff(want, read(t, filepath.Join(dir, name))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name := range strings.FieldsSeq(read(t, filepath.Join(dir, "env"))) {
		// The shell sets some of its own.
		if !regexp.MustCompile(`^(LC_ALL|PATH|HOME|USER|LOGNAME|TMPDIR|PWD|OLDPWD|SHLVL|_)$`).MatchString(name) {
			t.Errorf("the script has %s", name)
		}
	}
}

func TestAllScriptsRunInOrderAndTheFirstFailureCounts(t *testing.T) {
	s, dir, log := scripts(t, map[string]string{
		"network":              `echo network >>ran`,
		"network.d/20-b":       `echo 20 >>ran; echo 'too bad' >&2; exit 3`,
		"network.d/10-a":       `echo 10 >>ran`,
		"network.d/30-c":       `echo 30 >>ran; exit 4`,
		"network.d/40-d.off":   `echo 40 >>ran`,
		"network.d/50-e/inner": `echo 50 >>ran`,
	})
	t.Setenv("PATH", os.Getenv("PATH"))
	err := s.Run(t.Context(), step, nil)
	if diff := cmp.Diff("network\n10\n20\n30\n", read(t, filepath.Join(dir, "ran"))); diff != "" {
		t.Errorf("ran (-want +got):\n%s", diff)
	}
	want := regexp.MustCompile(`^internal error: Child process \(LC_ALL=C PATH=\S+ .*/network\.d/20-b 'my net' start begin -\) unexpected exit status 3: too bad\n$`)
	if err == nil || !want.MatchString(err.Error()) {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(log.String(), "not executable") {
		t.Errorf("the log does not name 40-d.off: %s", log.String())
	}
}

func TestScriptsAreLookedForEachTime(t *testing.T) {
	s, dir, _ := scripts(t, nil)
	if s.Any() {
		t.Error("there is one")
	}
	if err := s.Run(t.Context(), step, nil); err != nil {
		t.Errorf("none: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "network"), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), step, nil); !s.Any() || err == nil {
		t.Error("a new script was not seen")
	}
	if (Scripts{}).Any() {
		t.Error("no path, and there is one")
	}
}

func TestFailuresSayHowTheScriptEnded(t *testing.T) {
	for name, tt := range map[string]struct{ script, want string }{
		"signal":         {`kill -9 $$`, "unexpected fatal signal 9"},
		"no stderr":      {`exit 7`, "unexpected exit status 7"},
		"endless stderr": {`head -c 100000 /dev/zero | tr '\0' x >&2; exit 1`, "unexpected exit status 1: xxx"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, _ := scripts(t, map[string]string{"network": tt.script})
			err := s.Run(t.Context(), step, bytes.Repeat([]byte("x"), 1<<20))
			if err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 6000 {
				t.Errorf("got %.600v", err)
			}
		})
	}
	s, dir, _ := scripts(t, nil)
	if err := os.WriteFile(filepath.Join(dir, "network"), []byte("no script"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), step, nil); err == nil || !strings.Contains(err.Error(), "internal error: Child process") {
		t.Errorf("what is no program: %v", err)
	}
}

func TestInputNeedNotBeRead(t *testing.T) {
	s, _, _ := scripts(t, map[string]string{"network": `exec <&-; exit 0`})
	if err := s.Run(t.Context(), step, bytes.Repeat([]byte("x"), 1<<20)); err != nil {
		t.Error(err)
	}
}

func TestBackgroundProcessDoesNotHoldAScriptUp(t *testing.T) {
	s, _, _ := scripts(t, map[string]string{"network": `sleep 20 & exit 0`})
	began := time.Now()
	if err := s.Run(t.Context(), step, nil); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestScriptDiesWithItsContextAndWhatItStarted(t *testing.T) {
	s, dir, _ := scripts(t, map[string]string{"network": `(trap 'echo died >child' EXIT; echo up >started; sleep 60; echo survived >child) & wait`})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, step, nil) }()
	for {
		if _, err := os.Stat(filepath.Join(dir, "started")); err == nil {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "child")); err == nil {
		t.Errorf("the child was not killed with it: %s", read(t, filepath.Join(dir, "child")))
	}
}
