package cli

import (
	"context"
	"fmt"
	"strings"
)

// group is a heading of the global help.
type group struct {
	title, keyword string
	holds          func(name string) bool
}

// groups returns the headings in order; each command is under one.
func groups() []group {
	isNetwork := func(name string) bool { return strings.HasPrefix(name, "net-") }
	isDomain := func(name string) bool {
		return strings.HasPrefix(name, "dom") || strings.HasSuffix(name, "tach-interface")
	}
	isPort := func(name string) bool { return strings.HasPrefix(name, "port-") }
	return []group{
		{"Networking", "network", isNetwork},
		{"Interfaces of domains (by libvirt)", "domain", isDomain},
		{"Guests without libvirt", "port", isPort},
		{"vnetmgr itself", programName, func(name string) bool { return !isNetwork(name) && !isDomain(name) && !isPort(name) }},
	}
}

// help runs the command help.
func help(_ context.Context, sh *shell, in invocation) error {
	topic, err := in.text("command")
	if err != nil {
		return err
	}
	if topic == "" {
		sh.printf("Grouped commands:\n\n")
		for _, g := range groups() {
			sh.printGroup(g)
			sh.printf("\n")
		}
		return nil
	}
	if cmd := sh.grammar().command(topic); cmd != nil && !cmd.hidden {
		sh.printf("%s", cmd.manual())
		return nil
	}
	for _, g := range groups() {
		if topic == g.keyword || topic == g.title {
			sh.printGroup(g)
			return nil
		}
	}
	return worded(fmt.Sprintf("command or command group '%s' doesn't exist", topic))
}

// printGroup prints a heading and the commands under it.
func (sh *shell) printGroup(g group) {
	sh.printf(" %s (help keyword '%s'):\n", g.title, g.keyword)
	for _, c := range commands() {
		if !c.hidden && g.holds(c.name) {
			sh.printf("    %-30s %s\n", c.name, c.summary)
		}
	}
}

// manual is the help of one command.
func (c *command) manual() string {
	var out strings.Builder
	fmt.Fprintf(&out, "  NAME\n    %s - %s\n\n  SYNOPSIS\n    %s\n", c.name, c.summary, c.synopsis())
	if c.about != "" {
		fmt.Fprintf(&out, "\n  DESCRIPTION\n    %s\n", strings.ReplaceAll(c.about, "\n", "\n    "))
	}
	if len(c.options) > 0 {
		out.WriteString("\n  OPTIONS\n")
	}
	for _, o := range c.options {
		fmt.Fprintf(&out, "    %-15s  %s\n", o.usage(), o.help)
	}
	out.WriteString("\n")
	return out.String()
}

// synopsis is the command with its options.
func (c *command) synopsis() string {
	words := []string{c.name}
	for _, o := range c.options {
		switch {
		case o.kind == flagOption:
			words = append(words, "[--"+o.name+"]")
		case o.many:
			words = append(words, fmt.Sprintf("[[--%s] <%s>]...", o.name, o.kind))
		case o.required:
			words = append(words, "<"+o.name+">")
		default:
			words = append(words, fmt.Sprintf("[--%s <%s>]", o.name, o.kind))
		}
	}
	if c.rawHelp != "" {
		words = append(words, c.rawHelp)
	}
	return strings.Join(words, " ")
}

// usage is an option as the list of options shows it.
func (o option) usage() string {
	switch {
	case o.kind == flagOption:
		return "--" + o.name
	case o.required, o.many:
		return fmt.Sprintf("[--%s] <%s>", o.name, o.kind)
	}
	return fmt.Sprintf("--%s <%s>", o.name, o.kind)
}

// printUsage prints the help of the program as a whole.
func (sh *shell) printUsage() {
	sh.printf("\n%[1]s [options]... [<command_string>]\n%[1]s [options]... <command> [args...]\n\n  options:\n", programName)
	for _, o := range globalOptions() {
		sh.printf("%s\n", o.usage())
	}
	sh.printf("  commands:\n\n")
	for _, g := range groups() {
		sh.printGroup(g)
		sh.printf("\n")
	}
	sh.printf("  (specify help <command> for details about the command)\n\n")
}

// usage is a global option's line in the help.
func (o globalOption) usage() string {
	short, long := "    ", ""
	if o.short != "" {
		short = "-" + o.short + "  "
	}
	if o.short != "" && o.long != "" {
		short = "-" + o.short + ", "
	}
	if o.long != "" {
		long = "--" + o.long
	}
	switch {
	case o.optional:
		long += "[=" + o.value + "]"
	case o.value != "":
		long += "=" + o.value
	}
	return fmt.Sprintf("    %s%-26s %s", short, long, o.help)
}
