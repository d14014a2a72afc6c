package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// shell runs commands: it has the options, the streams and, from the first
// command that needs one, the connection.
type shell struct {
	env    Env
	opts   globals
	out    io.Writer
	errOut io.Writer
	log    *logFile
	conn   *session
	virt   *session          // to the libvirt that has the domains
	given  map[string]string // of the line that is being completed
}

func newShell(env Env, opts globals) *shell {
	return &shell{env: env, opts: opts, out: env.Stdout, errOut: env.Stderr}
}

// prepare opens the log file and shows what was odd about the options.
func (sh *shell) prepare() error {
	if sh.opts.logFile != "" {
		log, err := openLog(sh.opts.logFile)
		if err != nil {
			return worded("failed to open the log file. check the log file path")
		}
		sh.log = log
	}
	for _, w := range sh.opts.warnings {
		sh.errorLine(w)
	}
	return nil
}

// close ends the connection, if there is one.
func (sh *shell) close() {
	if sh.conn != nil {
		sh.conn.close()
	}
	if sh.virt != nil {
		sh.virt.close()
	}
	sh.log.close()
}

// grammar returns the command table with this shell's debug output.
func (sh *shell) grammar() grammar {
	return grammar{commands: commands(), trace: func(cmd, option, value string, kind optionKind) {
		what := "optdata"
		if kind == flagOption {
			what, value = "bool", "(none)"
		}
		sh.debugf(levelInfo, "%s: %s(%s): %s\n", cmd, option, what, value)
	}}
}

// runAll runs the commands one after the other and returns the status of the
// last; an interrupt ends them all.
func (sh *shell) runAll(ctx context.Context, todo []invocation) int {
	status := exitOK
	for _, in := range todo {
		status = sh.runOne(ctx, in)
		if status == exitInterrupted {
			break
		}
	}
	return status
}

// runOne runs a command, shows its error and ends it with virsh's empty
// line.
func (sh *shell) runOne(ctx context.Context, in invocation) int {
	before := time.Now()
	err := sh.connectFor(ctx, in)
	if err == nil {
		err = in.cmd.run(ctx, sh, in)
	}
	if errors.Is(err, errInterrupted) {
		return exitInterrupted
	}
	if err != nil {
		sh.report(err)
	}
	switch {
	case in.cmd.hidden:
	case sh.opts.timing:
		sh.printf("\n(Time: %.3f ms)\n\n", float64(time.Since(before).Microseconds())/1000)
	default:
		sh.extraf("\n")
	}
	if err != nil {
		return exitFailure
	}
	return exitOK
}

// connectFor connects when the command needs it.
func (sh *shell) connectFor(ctx context.Context, in invocation) error {
	if in.cmd.offline {
		return nil
	}
	return sh.connect(ctx)
}

// connect opens the connection, unless it is open and alive.
func (sh *shell) connect(ctx context.Context) error {
	if sh.conn != nil && sh.conn.alive() {
		return nil
	}
	conn, err := sh.open(ctx)
	if errors.Is(err, errInterrupted) {
		return err
	}
	if err != nil {
		return fail(err, "failed to connect to the hypervisor")
	}
	sh.conn = conn
	return nil
}

// printf writes to standard output.
func (sh *shell) printf(format string, args ...any) {
	fmt.Fprintf(sh.out, format, args...)
}

// extraf writes what -q leaves out.
func (sh *shell) extraf(format string, args ...any) {
	if !sh.opts.quiet {
		sh.printf(format, args...)
	}
}

// debugf writes what -d asks for, to standard output and the log file.
func (sh *shell) debugf(level logLevel, format string, args ...any) {
	if int(level) < sh.opts.debug {
		return
	}
	sh.log.write(level, fmt.Sprintf(format, args...))
	sh.printf(format, args...)
}

// errorLine writes one error.
func (sh *shell) errorLine(line string) {
	sh.log.write(levelError, line+"\n")
	fmt.Fprintf(sh.errOut, "error: %s\n", line)
}

// report writes an error, one line for each part of it.
func (sh *shell) report(err error) {
	var f *failure
	if !errors.As(err, &f) {
		sh.errorLine(err.Error())
		return
	}
	for _, line := range f.lines {
		sh.errorLine(line)
	}
	if f.cause != nil {
		sh.errorLine(f.cause.Error())
	}
}

// failure is an error that is shown as several: what the command says, then
// what the daemon said.
type failure struct {
	lines []string
	cause error // may be nil
}

// fail returns a failure of one line and its cause.
func fail(cause error, format string, args ...any) error {
	return &failure{lines: []string{fmt.Sprintf(format, args...)}, cause: cause}
}

func (f *failure) Error() string {
	text := strings.Join(f.lines, "; ")
	if f.cause == nil {
		return text
	}
	return text + ": " + f.cause.Error()
}

func (f *failure) Unwrap() error { return f.cause }

// programName is what the log file calls us.
const programName = "vnetmgr"

// logLevel orders log lines as virsh does.
type logLevel int

const (
	levelDebug logLevel = 0
	levelInfo  logLevel = 1
	levelError logLevel = 4
)

func (l logLevel) String() string {
	switch l {
	case levelDebug:
		return "DEBUG"
	case levelInfo:
		return "INFO"
	}
	return "ERROR"
}

// logFile is the file of -l; nil writes nothing.
type logFile struct{ file *os.File }

func openLog(path string) (*logFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_SYNC, 0o600)
	if err != nil {
		return nil, err
	}
	return &logFile{file: f}, nil
}

// write appends a line, stamped with local time and process id. A log that
// can't be written does not stop the command.
func (l *logFile) write(level logLevel, line string) {
	if l != nil {
		fmt.Fprintf(l.file, "[%s %s %d] %s %s", time.Now().Format("2006.01.02 15:04:05"), programName, os.Getpid(), level, line)
	}
}

func (l *logFile) close() {
	if l != nil {
		l.file.Close()
	}
}
