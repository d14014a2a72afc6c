package cli

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/digitalocean/go-libvirt"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// netList runs net-list.
func netList(ctx context.Context, sh *shell, in invocation) error {
	if countGiven(in, "table", "name", "uuid") > 1 {
		return worded("Only one argument from --table, --name and --uuid may be specified.")
	}
	list, err := sh.conn.listNetworks(ctx, listFlags(in))
	if err != nil {
		return fail(err, "Failed to list networks")
	}
	sortNetworks(list)
	switch {
	case in.has("name"):
		for _, n := range list {
			sh.printf("%s\n", n.Name)
		}
		return nil
	case in.has("uuid"):
		for _, n := range list {
			sh.printf("%s\n", formatUUID(n.UUID))
		}
		return nil
	}
	return sh.listTable(ctx, list, in.has("title"))
}

// countGiven returns how many of the options were given.
func countGiven(in invocation, names ...string) int {
	count := 0
	for _, name := range names {
		if in.has(name) {
			count++
		}
	}
	return count
}

// listFlags turns net-list's options into the call's filter: only active
// networks, unless --inactive or --all is given.
func listFlags(in invocation) libvirt.ConnectListAllNetworksFlags {
	flags := libvirt.ConnectListNetworksActive
	if in.has("inactive") {
		flags = libvirt.ConnectListNetworksInactive
	}
	if in.has("all") {
		flags = libvirt.ConnectListNetworksActive | libvirt.ConnectListNetworksInactive
	}
	for name, flag := range map[string]libvirt.ConnectListAllNetworksFlags{
		"persistent": libvirt.ConnectListNetworksPersistent, "transient": libvirt.ConnectListNetworksTransient,
		"autostart": libvirt.ConnectListNetworksAutostart, "no-autostart": libvirt.ConnectListNetworksNoAutostart,
	} {
		if in.has(name) {
			flags |= flag
		}
	}
	return flags
}

// sortNetworks sorts by name without regard to case.
func sortNetworks(list []libvirt.Network) {
	slices.SortStableFunc(list, func(a, b libvirt.Network) int {
		return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
}

// listTable prints the table of networks.
func (sh *shell) listTable(ctx context.Context, list []libvirt.Network, titles bool) error {
	header := []string{"Name", "State", "Autostart", "Persistent"}
	if titles {
		header = append(header, "Title")
	}
	t := newTable(header...)
	for _, n := range list {
		row, err := sh.listRow(ctx, n, titles)
		if err != nil {
			return err
		}
		t.add(row...)
	}
	sh.printf("%s", t.format(sh.opts.quiet))
	return nil
}

// listRow asks for one network's columns. A network that vanished since it
// was listed shows as inactive, as in virsh.
func (sh *shell) listRow(ctx context.Context, n libvirt.Network, title bool) ([]string, error) {
	autostart, err := sh.autostartText(ctx, n)
	if err != nil {
		return nil, err
	}
	persistent, err := tolerate(sh.conn.isPersistent(ctx, n))
	if err != nil {
		return nil, err
	}
	active, err := tolerate(sh.conn.isActive(ctx, n))
	if err != nil {
		return nil, err
	}
	row := []string{n.Name, choose(active, "active", "inactive"), autostart, choose(persistent, "yes", "no")}
	if !title {
		return row, nil
	}
	d := description{sh: sh, network: n, kind: wire.MetadataTitle, word: "title"}
	text, err := d.read(ctx)
	return append(row, text), err
}

// autostartText is the autostart column, also of net-info.
func (sh *shell) autostartText(ctx context.Context, n libvirt.Network) (string, error) {
	on, err := sh.conn.autostart(ctx, n)
	if isAnswer(err) {
		return "no autostart", nil
	}
	return choose(on, "yes", "no"), err
}

// tolerate turns the daemon's refusal to answer a question into a no.
func tolerate(answer bool, err error) (bool, error) {
	if isAnswer(err) {
		return false, nil
	}
	return answer, err
}

// isAnswer reports whether err came from the daemon, not from the lack of
// one.
func isAnswer(err error) bool {
	var (
		remote      libvirt.Error
		unsupported unsupportedError
	)
	return errors.As(err, &remote) || errors.As(err, &unsupported)
}

// choose returns yes if cond holds, else no.
func choose(cond bool, yes, no string) string {
	if cond {
		return yes
	}
	return no
}
