// Package hook runs an administrator's scripts at the steps of a network's
// life, as libvirt runs them.
package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Limit is how long one script may run. libvirt waits for ever, and with it
// everybody who wants something of that network.
const Limit = 60 * time.Second

// Scripts are those of one driver: the file Path, then the executable files of
// the directory Path+".d" in the order of their names. They are looked for
// each time.
type Scripts struct {
	Log  *slog.Logger
	Path string // "" for none
}

// Step is what a script is told by its arguments.
type Step struct {
	Network string
	Op      string // "start", "started", "stopped", "updated", "port-created", "port-deleted"
	SubOp   string // "begin" or "end"
}

// Run runs the scripts one after the other, each with input on its standard
// input. All run, even if one fails; the first failure is returned, in
// libvirt's words: the command with its environment, its exit status, and what
// it wrote to standard error. A script that runs longer than Limit, or than ctx
// lives, is killed with what it started, and has failed.
func (s Scripts) Run(ctx context.Context, step Step, input []byte) error {
	paths, err := s.find()
	for _, path := range paths {
		if failed := s.run(ctx, path, step, input); err == nil {
			err = failed
		}
	}
	return err
}

// Any tells whether there is a script to run.
func (s Scripts) Any() bool {
	paths, err := s.find()
	return err != nil || len(paths) > 0
}

// find returns the scripts that are there now. A file that may not be executed
// is passed over and logged.
func (s Scripts) find() ([]string, error) {
	if s.Path == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(s.Path + ".d") // sorted by name
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for hook scripts: %w", err)
	}
	candidates := []string{s.Path}
	for _, e := range entries {
		candidates = append(candidates, filepath.Join(s.Path+".d", e.Name()))
	}
	var found []string
	for _, path := range candidates {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("look for hook scripts: %w", err)
		case !info.Mode().IsRegular():
		case info.Mode()&0o111 == 0:
			s.Log.Warn("hook script is not executable", "path", path)
		default:
			found = append(found, path)
		}
	}
	return found, nil
}

func (s Scripts) run(ctx context.Context, path string, step Step, input []byte) error {
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, step.Network, step.Op, step.SubOp, "-")
	cmd.Env = environment()
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(input)
	stderr := &head{limit: 4096}
	cmd.Stderr = stderr
	// A group of its own, so that what the script started dies with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	// What it leaves in the background may keep its standard error open.
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return nil
	case errors.Is(err, syscall.EPIPE) && cmd.ProcessState != nil && cmd.ProcessState.Success():
		return nil // it did not read its input
	case ctx.Err() != nil:
		return fmt.Errorf("internal error: Child process (%s) was killed: %w", describe(cmd), ctx.Err())
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("internal error: Child process (%s): %w", describe(cmd), err)
	}
	text := fmt.Sprintf("internal error: Child process (%s) unexpected %s", describe(cmd), status(exit.ProcessState))
	if len(stderr.text) > 0 {
		text += ": " + string(stderr.text)
	}
	return errors.New(text)
}

// passed are the variables that a script gets from our environment, as with
// libvirt (virCommandAddEnvPassCommon, less those of the dynamic linker).
var passed = []string{"PATH", "HOME", "USER", "LOGNAME", "TMPDIR"}

func environment() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range passed {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// describe is the command as one would type it.
func describe(cmd *exec.Cmd) string {
	words := make([]string, 0, len(cmd.Env)+len(cmd.Args))
	for _, word := range append(append(words, cmd.Env...), cmd.Args...) {
		words = append(words, quote(word))
	}
	return strings.Join(words, " ")
}

// quote quotes a word for a shell if it must be.
func quote(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\n\r'\"\\$`!*?#~&;()<>|[]{}") {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func status(p *os.ProcessState) string {
	if ws, ok := p.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return fmt.Sprintf("fatal signal %d", ws.Signal())
	}
	return fmt.Sprintf("exit status %d", p.ExitCode())
}

// head keeps the first bytes of what is written to it.
type head struct {
	text  []byte
	limit int
}

func (h *head) Write(p []byte) (int, error) {
	h.text = append(h.text, p[:min(max(h.limit-len(h.text), 0), len(p))]...)
	return len(p), nil
}
