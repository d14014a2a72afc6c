package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/digitalocean/go-libvirt"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// affected turns the options that say which of a network's definitions is meant
// into a call's flags.
func (in invocation) affected() (uint32, error) {
	for _, other := range []string{"live", "config"} {
		if err := in.exclusive("current", other); err != nil {
			return 0, err
		}
	}
	var flags uint32
	if in.has("live") {
		flags |= wire.AffectLive
	}
	if in.has("config") {
		flags |= wire.AffectConfig
	}
	return flags, nil
}

// exclusive refuses two options together.
func (in invocation) exclusive(a, b string) error {
	if in.has(a) && in.has(b) {
		return worded(fmt.Sprintf("Options --%s and --%s are mutually exclusive", a, b))
	}
	return nil
}

// updateCommands are net-update's, with their numbers.
var updateCommands = []struct {
	name   string
	number libvirt.NetworkUpdateCommand
}{
	{"add", libvirt.NetworkUpdateCommandAddLast},
	{"add-first", libvirt.NetworkUpdateCommandAddFirst},
	{"add-last", libvirt.NetworkUpdateCommandAddLast},
	{"delete", libvirt.NetworkUpdateCommandDelete},
	{"modify", libvirt.NetworkUpdateCommandModify},
}

// updateSections are net-update's, each in the place of its number, from 1.
var updateSections = []string{
	"bridge", "domain", "ip", "ip-dhcp-host", "ip-dhcp-range", "forward", "forward-interface",
	"forward-pf", "portgroup", "dns-host", "dns-txt", "dns-srv",
}

func netUpdateCommand() *command {
	return &command{
		name: "net-update", summary: "update parts of an existing network's configuration", run: netUpdate,
		options: []option{
			networkOption("network name or uuid", allNetworks),
			{name: "command", kind: textOption, required: true, complete: updateCommandNames,
				help: "type of update (add-first, add-last (add), delete, or modify)"},
			{name: "section", kind: textOption, required: true, complete: updateSectionNames,
				help: "which section of network configuration to update"},
			{name: "xml", kind: textOption, required: true, complete: files,
				help: "name of file containing xml (or, if it starts with '<', the complete xml element itself) to add/modify, or to be matched for search"},
			{name: "parent-index", kind: numberOption, help: "which parent object to search through"},
			{name: "config", help: "affect next network startup"},
			{name: "live", help: "affect running network"},
			{name: "current", help: "affect current state of network"},
		},
	}
}

func updateCommandNames(context.Context, *shell) []string {
	var names []string
	for _, c := range updateCommands {
		names = append(names, c.name)
	}
	return names
}

func updateSectionNames(context.Context, *shell) []string { return updateSections }

// updateArgs are the arguments of one update.
type updateArgs struct {
	command uint32
	section uint32
	parent  int32
	xml     string
	flags   uint32
}

// netUpdate runs net-update.
func netUpdate(ctx context.Context, sh *shell, in invocation) error {
	flags, err := in.affected()
	if err != nil {
		return err
	}
	n, _, err := sh.lookup(ctx, in, byEither)
	if err != nil {
		return err
	}
	u, err := readUpdate(in)
	if err != nil {
		return err
	}
	u.flags = flags
	what, err := sh.updates(ctx, n, flags)
	if err != nil {
		return err
	}
	if err := sh.conn.update(ctx, n, u); err != nil {
		return fail(err, "Failed to update network %s", n.Name)
	}
	sh.extraf("Updated network %s %s", n.Name, what)
	return nil
}

// readUpdate reads net-update's options, in virsh's order.
func readUpdate(in invocation) (updateArgs, error) {
	var u updateArgs
	parent, err := in.integer("parent-index", -1)
	if err != nil {
		return u, err
	}
	u.parent = int32(parent)
	name, err := in.text("command")
	if err != nil {
		return u, err
	}
	for _, c := range updateCommands {
		if c.name == name {
			u.command = uint32(c.number)
		}
	}
	if u.command == 0 {
		return u, worded(fmt.Sprintf("unrecognized command name '%s'", name))
	}
	if name, err = in.text("section"); err != nil {
		return u, err
	}
	for i, s := range updateSections {
		if s == name {
			u.section = uint32(i + 1)
		}
	}
	if u.section == 0 {
		return u, worded(fmt.Sprintf("unrecognized section name '%s'", name))
	}
	u.xml, err = in.text("xml")
	if err == nil && !strings.HasPrefix(u.xml, "<") {
		u.xml, err = readXMLFile(u.xml)
	}
	return u, err
}

// updates says what an update with these flags changes.
func (sh *shell) updates(ctx context.Context, n libvirt.Network, flags uint32) (string, error) {
	if flags == 0 {
		active, err := sh.conn.isActive(ctx, n)
		if err != nil {
			return "", err
		}
		flags = wire.AffectConfig
		if active {
			flags = wire.AffectLive
		}
	}
	return [...]string{
		wire.AffectLive:                     "live state",
		wire.AffectConfig:                   "persistent config",
		wire.AffectLive | wire.AffectConfig: "persistent config and live state",
	}[flags], nil
}

func (s *session) update(ctx context.Context, n libvirt.Network, u updateArgs) error {
	return s.change(ctx, "virNetworkUpdate", func() error {
		return s.virt.NetworkUpdate(n, u.command, u.section, u.parent, u.xml, libvirt.NetworkUpdateFlags(u.flags))
	})
}
