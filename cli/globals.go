package cli

import (
	"fmt"
	"strconv"
	"strings"
)

// globals are the options before the command.
type globals struct {
	uri      string // -c; "" is the local daemon
	socket   string // --socket; relocates the local daemon's socket
	readOnly bool
	quiet    bool
	timing   bool
	debug    int // 0 (all) to 4 (errors)
	logFile  string
	show     showKind

	// Keepalive of the connection: seconds between pings, 0 for none, and
	// how many may go unanswered.
	keepaliveInterval, keepaliveCount int

	warnings []string
}

// showKind is what is shown instead of running a command.
type showKind int

const (
	showNothing showKind = iota
	showHelp
	showVersion
	showLongVersion
)

// globalOption is one row of the table of global options.
type globalOption struct {
	short string // one letter, may be ""
	long  string // may be ""
	value string // the word that help shows for its value; "" if it takes none
	help  string

	// optional says that the value may be left out; then it is only taken
	// from --long=VALUE.
	optional bool

	complete completer

	// set stores the value; spelled is the option as the user wrote it.
	set func(g *globals, spelled, value string) error
}

// globalOptions returns the table of global options.
func globalOptions() []globalOption {
	return []globalOption{
		{short: "c", long: "connect", value: "URI", help: "libvirt daemon to talk to; the local vnetmgr daemon if absent", complete: uris,
			set: func(g *globals, _, v string) error { g.uri = v; return nil }},
		{long: "socket", value: "PATH", help: "socket of the local vnetmgr daemon (else $VNETMGR_SOCKET)",
			set: func(g *globals, _, v string) error { g.socket = v; return nil }},
		{short: "d", long: "debug", value: "NUM", help: "debug level [0-4]", set: setDebug},
		{short: "e", long: "escape", value: "CHAR", help: "accepted as virsh does; there is no console", set: checkEscape},
		{short: "h", long: "help", help: "this help",
			set: func(g *globals, _, _ string) error { g.show = showHelp; return nil }},
		{short: "k", long: "keepalive-interval", value: "NUM", help: "keepalive interval in seconds, 0 for disable",
			set: func(g *globals, s, v string) error { return setNumber(&g.keepaliveInterval, s, v) }},
		{short: "K", long: "keepalive-count", value: "NUM", help: "number of possible missed keepalive messages",
			set: func(g *globals, s, v string) error { return setNumber(&g.keepaliveCount, s, v) }},
		{short: "l", long: "log", value: "FILE", help: "output logging to file", complete: files,
			set: func(g *globals, _, v string) error { g.logFile = v; return nil }},
		{short: "q", long: "quiet", help: "quiet mode",
			set: func(g *globals, _, _ string) error { g.quiet = true; return nil }},
		{short: "r", long: "readonly", help: "connect readonly",
			set: func(g *globals, _, _ string) error { g.readOnly = true; return nil }},
		{short: "t", long: "timing", help: "print timing information",
			set: func(g *globals, _, _ string) error { g.timing = true; return nil }},
		{short: "v", help: "short version",
			set: func(g *globals, _, _ string) error { g.show = showVersion; return nil }},
		{short: "V", help: "long version",
			set: func(g *globals, _, _ string) error { g.show = showLongVersion; return nil }},
		{long: "version", value: "TYPE", optional: true, help: "version, TYPE is short or long (default short)", set: setVersion},
	}
}

// parseGlobals reads the global options in front of the command and returns
// them with the words that follow.
func parseGlobals(args []string) (globals, []string, error) {
	g := globals{debug: 4, keepaliveInterval: 5, keepaliveCount: 6}
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		word := args[0]
		args = args[1:]
		if word == "--" {
			break
		}
		var err error
		if strings.HasPrefix(word, "--") {
			args, err = g.long(word, args)
		} else {
			args, err = g.shorts(word[1:], args)
		}
		if err != nil {
			return g, nil, err
		}
		if g.show == showVersion || g.show == showLongVersion {
			return g, nil, nil // what follows is not even looked at
		}
	}
	if g.uri != "" && g.socket != "" {
		return g, nil, worded("Options --connect and --socket are mutually exclusive")
	}
	return g, args, nil
}

// long reads --NAME, --NAME=VALUE or --NAME VALUE. As for getopt_long, a
// beginning of NAME that only one option has will do.
func (g *globals) long(word string, args []string) ([]string, error) {
	name, value, inline := strings.Cut(word[2:], "=")
	o := matchLong(name)
	switch {
	case o == nil:
		return nil, worded(fmt.Sprintf("unsupported option '%s'. See --help.", word))
	case inline && o.value == "":
		return nil, worded(fmt.Sprintf("unsupported option '-%s'. See --help.", o.short))
	}
	if o.value != "" && !o.optional && !inline {
		if len(args) == 0 {
			return nil, requiresArgument(o)
		}
		value, args = args[0], args[1:]
	}
	return args, o.set(g, "--"+o.long, value)
}

func requiresArgument(o *globalOption) error {
	if o.short == "" {
		return worded(fmt.Sprintf("option '--%s' requires an argument", o.long))
	}
	return worded(fmt.Sprintf("option '-%s'/'--%s' requires an argument", o.short, o.long))
}

// matchLong returns the option with that long name or that only beginning.
func matchLong(name string) *globalOption {
	var found []globalOption
	for _, o := range globalOptions() {
		if o.long == name && name != "" {
			return &o
		}
		if name != "" && strings.HasPrefix(o.long, name) {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		return nil
	}
	return &found[0]
}

// shorts reads the letters of one word; the value of a letter is the rest
// of the word or the next one.
func (g *globals) shorts(letters string, args []string) ([]string, error) {
	for letters != "" {
		letter := letters[:1]
		letters = letters[1:]
		o := matchShort(letter)
		if o == nil {
			return nil, worded(fmt.Sprintf("unsupported option '-%s'. See --help.", letter))
		}
		value := ""
		if o.value != "" {
			if letters == "" && len(args) == 0 {
				return nil, requiresArgument(o)
			}
			if letters == "" {
				letters, args = args[0], args[1:]
			}
			value, letters = letters, ""
		}
		if err := o.set(g, "-"+letter, value); err != nil {
			return nil, err
		}
	}
	return args, nil
}

// matchShort returns the option with that letter.
func matchShort(letter string) *globalOption {
	for _, o := range globalOptions() {
		if o.short == letter {
			return &o
		}
	}
	return nil
}

func setDebug(g *globals, spelled, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil {
		return worded(fmt.Sprintf("option %s takes a numeric argument", spelled))
	}
	if n < 0 || n > 4 {
		g.warnings = append(g.warnings, fmt.Sprintf("ignoring debug level %d out of range [0-4]", n))
		return nil
	}
	g.debug = n
	return nil
}

func setNumber(to *int, spelled, value string) error {
	n, err := strconv.ParseInt(value, 0, 32)
	if err != nil {
		return worded("Invalid value for option " + spelled)
	}
	*to = int(n)
	return nil
}

// checkEscape accepts one character, or ^ and one.
func checkEscape(_ *globals, _, value string) error {
	if len(value) == 1 && value != "^" || len(value) == 2 && value[0] == '^' {
		return nil
	}
	return worded(fmt.Sprintf("Invalid string '%s' for escape sequence", value))
}

func setVersion(g *globals, _, value string) error {
	g.show = showVersion
	if value == "long" {
		g.show = showLongVersion
	}
	return nil
}
