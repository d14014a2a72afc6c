package cli

import (
	"context"
	"strings"
	"time"

	"github.com/digitalocean/go-libvirt"
)

// completeTimeout bounds what a key press may wait for.
const completeTimeout = 2 * time.Second

// fileMark is printed when a file name may stand at the end.
const fileMark = ":file"

// completer returns the words that may stand in a place.
type completer func(ctx context.Context, sh *shell) []string

// complete runs the hidden command complete: its arguments are the words
// after the program's name up to the one being typed, which may be empty.
// It prints the words that may stand there, each on a line; fileMark stands
// for file names.
func complete(ctx context.Context, sh *shell, in invocation) error {
	if len(in.raw) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	before, typed := in.raw[:len(in.raw)-1], in.raw[len(in.raw)-1]
	for _, word := range sh.candidates(ctx, before, typed) {
		if word == fileMark || strings.HasPrefix(word, typed) {
			sh.printf("%s\n", word)
		}
	}
	return nil
}

// candidates returns what may stand after the words before.
func (sh *shell) candidates(ctx context.Context, before []string, typed string) []string {
	opts, rest, err := parseGlobals(before)
	if err != nil {
		return sh.globalValue(ctx, before)
	}
	sh.adopt(opts)
	if len(rest) == 0 {
		if strings.HasPrefix(typed, "-") {
			return globalNames()
		}
		return commandNames(ctx, sh)
	}
	cmd := sh.grammar().command(rest[0])
	if cmd == nil || cmd.raw {
		return nil
	}
	return sh.argument(ctx, cmd, rest[1:], typed)
}

// adopt takes over the options of the line that is being completed.
func (sh *shell) adopt(opts globals) {
	opts.quiet, opts.debug = true, int(levelError)
	sh.opts = opts
}

// globalValue completes the value of the global option that before ends
// with.
func (sh *shell) globalValue(ctx context.Context, before []string) []string {
	last := before[len(before)-1]
	for _, o := range globalOptions() {
		if o.complete != nil && (last == "-"+o.short || last == "--"+o.long) {
			return o.complete(ctx, sh)
		}
	}
	return nil
}

// argument completes an argument of a command after the arguments before.
func (sh *shell) argument(ctx context.Context, cmd *command, before []string, typed string) []string {
	p := argumentParser{grammar: grammar{commands: commands()}, cmd: cmd, values: map[string]string{}}
	if n := len(before); n > 0 {
		// An option that waits for its value is completed by that.
		if o := cmd.option(strings.TrimPrefix(before[n-1], "--")); o != nil && o.kind != flagOption && isOptionWord(before[n-1]) {
			p.words = before[:n-1]
			_ = p.parse() // what is wrong there does not matter here
			sh.given = p.values
			return o.values(ctx, sh)
		}
	}
	p.words = before
	if p.parse() != nil {
		return nil
	}
	sh.given = p.values
	if name, _, inline := strings.Cut(typed, "="); inline && isOptionWord(name) {
		return inlineValues(ctx, sh, cmd, name)
	}
	if strings.HasPrefix(typed, "-") {
		return unusedOptions(cmd, p.values)
	}
	for i := range cmd.options {
		o := &cmd.options[i]
		if _, seen := p.values[o.name]; !seen && o.kind != flagOption && !o.named {
			if words := o.values(ctx, sh); len(words) > 0 || o.required {
				return words
			}
			break
		}
	}
	return unusedOptions(cmd, p.values)
}

// values returns what may be an option's value.
func (o *option) values(ctx context.Context, sh *shell) []string {
	if o.complete == nil {
		return nil
	}
	return o.complete(ctx, sh)
}

// inlineValues completes --name=.
func inlineValues(ctx context.Context, sh *shell, cmd *command, name string) []string {
	o := cmd.option(name[2:])
	if o == nil {
		return nil
	}
	var words []string
	for _, v := range o.values(ctx, sh) {
		if v != fileMark {
			v = name + "=" + v
		}
		words = append(words, v)
	}
	return words
}

// unusedOptions returns the options that were not given yet.
func unusedOptions(cmd *command, values map[string]string) []string {
	var words []string
	for _, o := range cmd.options {
		if _, seen := values[o.name]; !seen {
			words = append(words, "--"+o.name)
		}
	}
	return words
}

// globalNames returns the long names of the global options.
func globalNames() []string {
	var words []string
	for _, o := range globalOptions() {
		if o.long != "" {
			words = append(words, "--"+o.long)
		}
	}
	return words
}

func commandNames(context.Context, *shell) []string {
	var words []string
	for _, c := range commands() {
		if !c.hidden {
			words = append(words, c.name)
		}
	}
	return words
}

func files(context.Context, *shell) []string { return []string{fileMark} }

func uris(context.Context, *shell) []string {
	return []string{"network:///system", "qemu:///system", "qemu:///session"}
}

func shellNames(context.Context, *shell) []string { return []string{"bash", "zsh", "fish"} }

func interfaceTypes(context.Context, *shell) []string {
	return []string{"network", "bridge", "direct", "hostdev"}
}

func eventNames(context.Context, *shell) []string {
	var words []string
	for _, t := range eventTypes() {
		words = append(words, t.name)
	}
	return words
}

func allNetworks(ctx context.Context, sh *shell) []string { return sh.networkNames(ctx, 0) }

func activeNetworks(ctx context.Context, sh *shell) []string {
	return sh.networkNames(ctx, libvirt.ConnectListNetworksActive)
}

func inactiveNetworks(ctx context.Context, sh *shell) []string {
	return sh.networkNames(ctx, libvirt.ConnectListNetworksInactive)
}

func persistentNetworks(ctx context.Context, sh *shell) []string {
	return sh.networkNames(ctx, libvirt.ConnectListNetworksPersistent)
}

// networkNames asks the daemon, if one runs, for the names of networks.
func (sh *shell) networkNames(ctx context.Context, flags libvirt.ConnectListAllNetworksFlags) []string {
	var words []string
	for _, n := range sh.runningNetworks(ctx, flags) {
		words = append(words, n.Name)
	}
	return words
}

func networkUUIDs(ctx context.Context, sh *shell) []string {
	var words []string
	for _, n := range sh.runningNetworks(ctx, 0) {
		words = append(words, formatUUID(n.UUID))
	}
	return words
}

// runningNetworks lists networks; without an answer it is empty, since a
// completion has no place for an error.
func (sh *shell) runningNetworks(ctx context.Context, flags libvirt.ConnectListAllNetworksFlags) []libvirt.Network {
	if sh.connectIfRunning(ctx) != nil {
		return nil
	}
	list, err := sh.conn.listNetworks(ctx, flags)
	if err != nil {
		return nil
	}
	sortNetworks(list)
	return list
}
