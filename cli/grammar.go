package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// optionKind says what follows an option's name.
type optionKind int

const (
	flagOption   optionKind = iota // takes no value
	textOption                     // takes a string
	numberOption                   // takes a number
)

// option is one option of a command. An option that takes a value may also
// be given without its name, unless it is named: such words fill the options
// in the order of the table.
type option struct {
	name     string
	kind     optionKind
	required bool
	named    bool
	many     bool // takes all the words that are left, joined by blanks
	help     string

	// complete returns the values that may stand here; nil if unknown.
	complete completer
}

// command is one row of the command table.
type command struct {
	name    string
	summary string // one line
	about   string // a paragraph, may be empty
	options []option

	offline bool   // runs without a connection
	hidden  bool   // not in help or completion
	raw     bool   // takes all its words as they are, options too
	rawHelp string // the words of a raw command, for its synopsis

	run func(ctx context.Context, sh *shell, in invocation) error
}

// option returns the option of that name, or nil.
func (c *command) option(name string) *option {
	for i := range c.options {
		if c.options[i].name == name {
			return &c.options[i]
		}
	}
	return nil
}

// invocation is a command with the options it was given.
type invocation struct {
	cmd    *command
	values map[string]string
	raw    []string // the words of a raw command
}

// has reports whether the option was given.
func (in invocation) has(name string) bool {
	_, ok := in.values[name]
	return ok
}

// text returns the value of a string option, "" if it was not given. A value
// that is empty is an error.
func (in invocation) text(name string) (string, error) {
	value, ok := in.values[name]
	if ok && value == "" {
		return "", worded(fmt.Sprintf("Failed to get option '%s': Option argument is empty", name))
	}
	return value, nil
}

// number returns the value of a number option that must be from 1 to most,
// 0 if it was not given.
func (in invocation) number(name string, most int) (int, error) {
	value, ok := in.values[name]
	if !ok {
		return 0, nil
	}
	n, err := strconv.Atoi(strings.TrimLeft(value, " \t\n"))
	if err != nil || n < 1 || n > most {
		return 0, worded(fmt.Sprintf("Numeric value '%s' for <%s> option is malformed or out of range", value, name))
	}
	return n, nil
}

// integer returns the value of a number option, def if it was not given.
func (in invocation) integer(name string, def int) (int, error) {
	value, ok := in.values[name]
	if !ok {
		return def, nil
	}
	n, err := strconv.ParseInt(strings.TrimLeft(value, " \t\n"), 10, 32)
	if err != nil {
		return 0, worded(fmt.Sprintf("Numeric value '%s' for <%s> option is malformed or out of range", value, name))
	}
	return int(n), nil
}

// worded is an error in the words of virsh or libvirt, which are not in the
// style of Go's errors.
type worded string

func (e worded) Error() string { return string(e) }

// grammar parses words against the command table.
type grammar struct {
	commands []*command

	// trace is told of every option that was understood.
	trace func(command, option, value string, kind optionKind)
}

// command returns the command of that name, or nil.
func (g grammar) command(name string) *command {
	for _, c := range g.commands {
		if c.name == name {
			return c
		}
	}
	return nil
}

// parse parses every sentence; nothing is run when one of them is wrong.
func (g grammar) parse(sentences [][]string) ([]invocation, error) {
	var all []invocation
	for _, words := range sentences {
		in, err := g.parseOne(words)
		if err != nil {
			return nil, err
		}
		all = append(all, in)
	}
	return all, nil
}

// parseOne parses one command and its arguments.
func (g grammar) parseOne(words []string) (invocation, error) {
	cmd := g.command(words[0])
	if cmd == nil {
		return invocation{}, worded(fmt.Sprintf("unknown command: '%s'", words[0]))
	}
	if cmd.raw {
		return invocation{cmd: cmd, raw: words[1:]}, nil
	}
	p := argumentParser{grammar: g, cmd: cmd, words: words[1:], values: map[string]string{}}
	if err := p.parse(); err != nil {
		return invocation{}, err
	}
	if p.help {
		return invocation{cmd: g.command("help"), values: map[string]string{"command": cmd.name}}, nil
	}
	return invocation{cmd: cmd, values: p.values}, missingOptions(cmd, p.values)
}

// missingOptions says which required options were not given.
func missingOptions(cmd *command, values map[string]string) error {
	var lines []string
	for _, o := range cmd.options {
		if _, ok := values[o.name]; o.required && !ok {
			lines = append(lines, fmt.Sprintf("command '%s' requires <%s> option", cmd.name, o.name))
		}
	}
	if lines == nil {
		return nil
	}
	return &failure{lines: lines}
}

// argumentParser parses the arguments of one command.
type argumentParser struct {
	grammar
	cmd    *command
	words  []string
	values map[string]string
	help   bool // --help was among them
}

// parse reads all words.
func (p *argumentParser) parse() error {
	dataOnly := false
	for len(p.words) > 0 {
		word := p.words[0]
		p.words = p.words[1:]
		var err error
		switch {
		case dataOnly || !isOptionWord(word) && word != "--":
			err = p.data(word)
		case word == "--":
			dataOnly = true
		default:
			err = p.named(word[2:])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// isOptionWord reports whether word begins an option: two dashes and a
// letter or digit. Anything else that begins with a dash is data.
func isOptionWord(word string) bool {
	if len(word) < 3 || word[:2] != "--" {
		return false
	}
	c := word[2]
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// named takes an option, NAME or NAME=VALUE, and the word after it when that
// is its value.
func (p *argumentParser) named(word string) error {
	name, value, inline := strings.Cut(word, "=")
	o := p.cmd.option(name)
	if name == "help" && o == nil {
		o = &option{name: "help"}
		p.help = true
	}
	if o == nil {
		if p.cmd.name == "help" {
			return nil // help ignores what it does not know
		}
		return worded(fmt.Sprintf("command '%s' doesn't support option --%s", p.cmd.name, name))
	}
	if _, seen := p.values[name]; seen {
		return worded(fmt.Sprintf("option --%s already seen", name))
	}
	if o.kind == flagOption {
		if inline {
			return worded(fmt.Sprintf("invalid '=' after option --%s", name))
		}
		p.set(o, "")
		return nil
	}
	if !inline {
		if len(p.words) == 0 {
			return worded(fmt.Sprintf("expected syntax: --%s <%s>", name, o.kind))
		}
		value, p.words = p.words[0], p.words[1:]
	}
	p.set(o, value)
	return nil
}

// data gives word to the first option that still wants a value.
func (p *argumentParser) data(word string) error {
	for i := range p.cmd.options {
		o := &p.cmd.options[i]
		value, seen := p.values[o.name]
		if o.kind == flagOption || o.named || seen && !o.many {
			continue
		}
		if seen {
			word = value + " " + word
		}
		p.set(o, word)
		return nil
	}
	if p.cmd.name == "help" {
		return nil
	}
	return worded(fmt.Sprintf("unexpected data '%s'", word))
}

func (p *argumentParser) set(o *option, value string) {
	p.values[o.name] = value
	if p.trace != nil {
		p.trace(p.cmd.name, o.name, value, o.kind)
	}
}

// String is the word that help shows for a value of this kind.
func (k optionKind) String() string {
	if k == numberOption {
		return "number"
	}
	return "string"
}
