// Package cni is vnetmgr as a plugin of container runtimes, by the Container
// Network Interface specification 1.1.0: a container becomes a port of a
// network, as port-attach --netns makes one. All is done by the daemon.
package cni

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
)

// Env is what the plugin takes from the process that runs it.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Getenv looks up an environment variable, as os.Getenv does.
	Getenv func(string) string
	// Dial connects to the daemon, by another socket than the usual one if path
	// is not "". With start it is started if it does not run and we may.
	Dial func(ctx context.Context, path string, start bool) (net.Conn, error)
}

// Called tells whether a runtime called this program as a plugin: with the
// command in the environment and no arguments (specification, section 2).
func Called(args []string, getenv func(string) string) bool {
	return len(args) == 0 && getenv("CNI_COMMAND") != ""
}

// versions are those of the specification that we do.
var versions = []string{"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}

// code says what went wrong, as the specification numbers it (section 5); those
// from 100 on are our own.
type code uint

const (
	incompatibleVersion code = 1
	invalidEnvironment  code = 4
	ioFailure           code = 5
	undecodable         code = 6
	invalidConfig       code = 7
	tryAgainLater       code = 11
	notAvailable        code = 50
	refused             code = 100 // by the daemon
	notAsAdded          code = 101 // CHECK
)

// failure is an error for the runtime.
type failure struct {
	code    code
	text    string
	details string
}

func (f *failure) Error() string {
	if f.details == "" {
		return f.text
	}
	return f.text + ": " + f.details
}

func failf(c code, format string, args ...any) error {
	return &failure{code: c, text: fmt.Sprintf(format, args...)}
}

// because is a failure with its cause.
func because(c code, err error, format string, args ...any) error {
	return &failure{code: c, text: fmt.Sprintf(format, args...), details: err.Error()}
}

// Main does what the runtime asks for and returns the exit status. Errors are
// JSON on standard output, as results are.
func Main(ctx context.Context, env Env) int {
	version := versions[len(versions)-1]
	result, err := run(ctx, env, &version)
	if err != nil {
		f, ok := errors.AsType[*failure](err)
		if !ok {
			f = &failure{code: refused, text: err.Error()}
		}
		result = errorText{Version: version, Code: f.code, Message: f.text, Details: f.details}
	}
	if result != nil {
		encoder := json.NewEncoder(env.Stdout)
		encoder.SetIndent("", "  ")
		if encodeErr := encoder.Encode(result); encodeErr != nil {
			fmt.Fprintf(env.Stderr, "write the result: %v\n", encodeErr)
			return 1
		}
	}
	if err != nil {
		return 1
	}
	return 0
}

// errorText is an error as the runtime reads it.
type errorText struct {
	Version string `json:"cniVersion"`
	Code    code   `json:"code"`
	Message string `json:"msg"`
	Details string `json:"details,omitempty"`
}

// commands are what a runtime can ask for, with the first version that has it.
var commands = map[string]struct {
	since string
	run   func(p *plugin, ctx context.Context) (any, error)
}{
	"ADD":    {"0.3.0", (*plugin).add},
	"DEL":    {"0.3.0", (*plugin).del},
	"CHECK":  {"0.4.0", (*plugin).check},
	"GC":     {"1.1.0", (*plugin).gc},
	"STATUS": {"1.1.0", (*plugin).status},
}

// run reads the configuration and does the command. version becomes that of the
// configuration, once it is known.
func run(ctx context.Context, env Env, version *string) (any, error) {
	text, err := io.ReadAll(io.LimitReader(env.Stdin, maxConfig+1))
	if err != nil {
		return nil, because(ioFailure, err, "read the configuration")
	}
	name := env.Getenv("CNI_COMMAND")
	if name == "VERSION" {
		return versionText(text, version)
	}
	command, known := commands[name]
	if !known {
		return nil, failf(invalidEnvironment, "CNI_COMMAND is %q", name)
	}
	conf, err := parseConfig(text)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(versions, conf.Version) {
		return nil, failf(incompatibleVersion, "version %q of the specification is not one of %q", conf.Version, versions)
	}
	*version = conf.Version
	if slices.Index(versions, conf.Version) < slices.Index(versions, command.since) {
		return nil, failf(incompatibleVersion, "%s is of version %s of the specification, the configuration of %s", name, command.since, conf.Version)
	}
	p := &plugin{env: env, conf: conf}
	if err := p.readEnvironment(name); err != nil {
		return nil, err
	}
	return command.run(p, ctx)
}

// versionText answers VERSION.
func versionText(text []byte, version *string) (any, error) {
	var asked struct {
		Version string `json:"cniVersion"`
	}
	// Those before 0.4.0 send nothing.
	if len(text) > 0 {
		if err := json.Unmarshal(text, &asked); err != nil {
			return nil, because(undecodable, err, "read the configuration")
		}
	}
	if asked.Version == "" {
		asked.Version = *version
	}
	return struct {
		Version   string   `json:"cniVersion"`
		Supported []string `json:"supportedVersions"`
	}{asked.Version, versions}, nil
}
