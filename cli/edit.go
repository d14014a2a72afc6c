package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// netEdit runs net-edit: an editor on the definition on disk, then define,
// unless somebody else changed it in the meantime.
func netEdit(ctx context.Context, sh *shell, in invocation) error {
	n, _, err := sh.lookup(ctx, in, byEither)
	if err != nil {
		return err
	}
	define := sh.conn.define
	if in.has("live") {
		define = sh.conn.defineLive
	}
	e := edit{
		sh:        sh,
		read:      func(ctx context.Context) (string, error) { return sh.conn.xml(ctx, n, true) },
		unchanged: func() { sh.extraf("Network %s XML configuration not changed.\n", n.Name) },
		store: func(ctx context.Context, doc string) error {
			n, err := define(ctx, doc, false)
			if err == nil {
				sh.extraf("Network %s XML configuration edited.\n", n.Name)
			}
			return err
		},
	}
	return e.run(ctx)
}

// writeTemp writes doc to a new file that only we may read.
func writeTemp(doc string) (path string, err error) {
	f, err := os.CreateTemp("", "vnetmgr*.xml")
	if err != nil {
		return "", fmt.Errorf("open a temporary file: %w", err)
	}
	_, err = f.WriteString(doc)
	if err := errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", fmt.Errorf("write temporary file %s: %w", f.Name(), err)
	}
	return f.Name(), nil
}

// edit lets the user edit a document of the daemon's.
type edit struct {
	sh        *shell
	read      func(ctx context.Context) (string, error)   // the document
	store     func(ctx context.Context, doc string) error // and says so
	unchanged func()                                      // says so

	before string // the document that the edit began with
	after  string // as the editor left it
	file   string
}

// The states of an edit.
type editStep int

const (
	stepEdit editStep = iota
	stepStore
	stepDone
)

// run goes from step to step.
func (e *edit) run(ctx context.Context) (err error) {
	if e.before, err = e.read(ctx); err != nil {
		return err
	}
	if e.file, err = writeTemp(e.before); err != nil {
		return err
	}
	defer os.Remove(e.file)
	for step := stepEdit; step != stepDone && err == nil; {
		if step == stepEdit {
			step, err = e.edit(ctx)
		} else {
			step, err = e.storeOnce(ctx)
		}
	}
	return err
}

// edit lets the user edit the file. Text that is unchanged ends it all.
func (e *edit) edit(ctx context.Context) (editStep, error) {
	if err := e.sh.runEditor(ctx, e.file); err != nil {
		return stepDone, err
	}
	after, err := readXMLFile(e.file)
	if err != nil {
		return stepDone, err
	}
	e.after = after
	if after == e.before {
		e.unchanged()
		return stepDone, nil
	}
	return stepStore, nil
}

// storeOnce stores the document, if nobody else did since the edit began, and
// asks what to do when that fails.
func (e *edit) storeOnce(ctx context.Context) (editStep, error) {
	now, err := e.read(ctx)
	if err != nil {
		return stepDone, err
	}
	if now != e.before {
		e.before = now // the next attempt is meant
		return e.ask(ctx, nil, "The XML configuration was changed by another user.")
	}
	err = e.store(ctx, e.after)
	if err != nil && isAnswer(err) {
		return e.ask(ctx, err, "Failed.")
	}
	return stepDone, err
}

// ask asks what to do about a failure. Without a terminal to ask at, the
// failure stands.
func (e *edit) ask(ctx context.Context, cause error, message string) (editStep, error) {
	tty, ok := isTerminal(e.sh.env.Stdin)
	if !ok {
		return stepDone, fail(cause, "%s", message)
	}
	if cause != nil {
		e.sh.report(cause)
	}
	answer, err := e.sh.askKey(ctx, tty, message)
	switch {
	case err != nil:
		return stepDone, err
	case answer == 'y':
		return stepEdit, nil
	case answer == 'f':
		return stepStore, nil
	}
	e.unchanged()
	return stepDone, nil
}

// askKey asks until y, n or f is typed.
func (sh *shell) askKey(ctx context.Context, tty *os.File, message string) (byte, error) {
	restore, err := keyMode(int(tty.Fd()))
	if err != nil {
		return 0, fmt.Errorf("set the terminal up: %w", err)
	}
	defer restore()
	for {
		sh.printf("\r%s %s [y,n,f,?]: ", message, "Try again?")
		key, err := readKey(ctx, tty)
		if err != nil {
			sh.printf("\n")
			return 0, err
		}
		switch key |= 0x20; key { // lower case
		case 'y', 'n', 'f':
			sh.printf("\r\n")
			return key, nil
		case '?':
			sh.printf("\ny - yes, start editor again\nn - no, throw away my changes\n" +
				"f - force, try to redefine again\n? - print this help\n")
		}
	}
}

// runEditor runs the user's editor on a file and waits for it.
func (sh *shell) runEditor(ctx context.Context, file string) error {
	args := sh.editorCommand(file)
	shown := strings.Join(args, " ")
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = sh.env.Stdin, sh.out, sh.errOut
	err := cmd.Run()
	var status *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errInterrupted
	case !errors.As(err, &status):
		return worded(fmt.Sprintf("cannot execute binary %s: %s", args[0], systemText(errors.Unwrap(err))))
	case status.ExitCode() < 0:
		return worded(fmt.Sprintf("internal error: Child process (%s) unexpected %s", shown, status))
	}
	return worded(fmt.Sprintf("internal error: Child process (%s) unexpected exit status %d", shown, status.ExitCode()))
}

// editorCommand is $VISUAL, $EDITOR or the system's editor on a file. An
// editor with characters of the shell's in it is run by the shell.
func (sh *shell) editorCommand(file string) []string {
	editor := sh.env.Getenv("VISUAL")
	if editor == "" {
		editor = sh.env.Getenv("EDITOR")
	}
	if editor == "" {
		editor = "vi"
		if _, err := exec.LookPath("sensible-editor"); err == nil {
			editor = "sensible-editor"
		}
	}
	if strings.ContainsAny(editor, "'\"\\$`|&;<>()*?[]~#") {
		return []string{"sh", "-c", editor + " " + shellQuote(file)}
	}
	return append(strings.Fields(editor), file)
}
