// Package cli is vnetmgr's command line: virsh's network commands, word for
// word, as a client of libvirt's remote protocol. It reaches the local
// vnetmgr daemon, which it starts when it runs as root and none answers, or
// any libvirt daemon named by a URI.
//
// One table (commands.go) holds every command with its options; parsing,
// help and completion derive from it.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Env is what the command line takes from the process that runs it.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// Getenv looks up an environment variable, as os.Getenv does.
	Getenv func(string) string

	// Daemon runs the daemon until ctx ends or it fails. args are the words
	// after "daemon", preceded by "--socket PATH" when that global option
	// was given.
	Daemon func(ctx context.Context, args []string) error

	// CNI is the plugin of container runtimes, and returns its exit status.
	CNI func(ctx context.Context) int

	// Version is vnetmgr's own version.
	Version string
}

// Exit statuses of Main, virsh's.
const (
	exitOK          = 0
	exitFailure     = 1
	exitInterrupted = 130 // as a shell reports SIGINT
)

// Main runs the command line args, which do not include the program's name,
// and returns the exit status: 0, 1 after any failure, or 130 when ctx ended
// during a call.
func Main(ctx context.Context, args []string, env Env) int {
	opts, rest, err := parseGlobals(args)
	sh := newShell(env, opts)
	defer sh.close()
	if err == nil {
		err = sh.prepare()
	}
	switch {
	case err != nil:
		sh.report(err)
		return exitFailure
	case opts.show == showVersion:
		fmt.Fprintln(sh.out, env.Version)
		return exitOK
	case opts.show == showLongVersion:
		sh.printVersion()
		return exitOK
	case opts.show == showHelp || len(rest) == 0:
		sh.printUsage()
		return exitOK
	}
	return sh.execute(ctx, rest)
}

// execute parses words, a command with its arguments or, when it is only
// one word, a string of commands, and runs them. The status is that of the
// last command.
func (sh *shell) execute(ctx context.Context, words []string) int {
	if words[0] == daemonCommand {
		return sh.runDaemon(ctx, words[1:])
	}
	if words[0] == cniCommand && len(words) == 1 {
		return sh.runCNI(ctx)
	}
	todo, err := sh.parse(words)
	if err != nil {
		sh.report(err)
		return exitFailure
	}
	if sh.opts.uri != "" && words[0] != completeCommand {
		// A URI that can't be reached is an error before anything is run.
		if err := sh.connect(ctx); err != nil {
			sh.report(err)
			return exitFailure
		}
	}
	return sh.runAll(ctx, todo)
}

// parse turns command-line words into what there is to run.
func (sh *shell) parse(words []string) ([]invocation, error) {
	sentences := [][]string{words}
	if len(words) == 1 {
		if words[0] == "" {
			return nil, &failure{} // as virsh: a failure that says nothing
		}
		var err error
		if sentences, err = splitSentences(words[0]); err != nil {
			return nil, err
		}
	}
	return sh.grammar().parse(sentences)
}

// runDaemon runs the daemon in this process.
func (sh *shell) runDaemon(ctx context.Context, args []string) int {
	if len(args) > 0 && (args[0] == "--help" || args[0] == "-h") {
		return sh.execute(ctx, []string{"help", daemonCommand})
	}
	if sh.opts.socket != "" {
		args = append([]string{"--socket", sh.opts.socket}, args...)
	}
	if sh.env.Daemon == nil {
		sh.report(errors.New("this program was built without the daemon"))
		return exitFailure
	}
	if err := sh.env.Daemon(ctx, args); err != nil {
		sh.report(err)
		return exitFailure
	}
	return exitOK
}

// isTerminal reports whether f, a reader or writer of an Env, is a terminal,
// and its file.
func isTerminal(f any) (*os.File, bool) {
	file, ok := f.(*os.File)
	if !ok {
		return nil, false
	}
	return file, hasTermios(int(file.Fd()))
}
