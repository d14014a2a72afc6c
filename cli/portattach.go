package cli

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/digitalocean/go-libvirt"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// portAttach runs port-attach.
func portAttach(ctx context.Context, sh *shell, in invocation) error {
	args, err := attachArgs(in)
	if err != nil {
		return err
	}
	n, given, err := sh.lookup(ctx, in, byEither)
	if err != nil {
		return err
	}
	args.Network = wire.Network{Name: n.Name, UUID: wire.UUID(n.UUID)}
	var got wire.AttachedPort
	err = sh.conn.change(ctx, "PORT_ATTACH", func() error { return sh.conn.link.callOwn(wire.OwnPortAttach, args, &got) })
	if err != nil {
		return fail(ownOnly(err), "Failed to attach a link to network %s", given)
	}
	p := describePort(got)
	if in.has("json") {
		return sh.printJSON(p)
	}
	done := "attached"
	if got.Flags&wire.AttachedBefore != 0 {
		done = "is attached already"
	}
	sh.extraf("Link %s %s to network %s\n\n", got.Link, done, got.Network.Name)
	sh.printf("%s", p.card())
	return nil
}

// ownOnly says why another daemon does not know a call.
func ownOnly(err error) error {
	if hasCode(err, libvirt.ErrRPC) {
		return worded("only vnetmgr's own daemon can")
	}
	return err
}

// attachArgs reads port-attach's options, without the network.
func attachArgs(in invocation) (args wire.PortAttachArgs, err error) {
	for _, o := range []struct {
		option string
		to     *string
	}{
		{"tap", &args.Link}, {"netns", &args.Netns}, {"ifname", &args.GuestLink}, {"mac", &args.MAC}, {"ip", &args.Addr},
		{"ip6", &args.Addr6}, {"name", &args.Name}, {"portgroup", &args.PortGroup},
	} {
		if *o.to, err = in.text(o.option); err != nil {
			return args, err
		}
	}
	for option, flag := range map[string]uint32{
		"existing": wire.AttachExisting, "multiqueue": wire.AttachMultiQueue, "vnet-hdr": wire.AttachVNetHdr,
		"mac-rule": wire.AttachMACRule, "isolated": wire.AttachIsolated,
	} {
		if in.has(option) {
			args.Flags |= flag
		}
	}
	if args.Addr == "none" {
		args.Addr = ""
		args.Flags |= wire.AttachNoAddr
	}
	if err := checkAttach(in); err != nil {
		return args, err
	}
	args.Netns = absoluteNetns(args.Netns)
	if args.User, err = numberOf(in, "user", lookupUser); err != nil {
		return args, err
	}
	if args.Group, err = numberOf(in, "group", lookupGroup); err != nil {
		return args, err
	}
	inbound, outbound, err := rates(in)
	if err == nil && (inbound.given && inbound.average == 0 && inbound.floor == 0 || outbound.given && outbound.average == 0) {
		err = worded("a limit needs an average")
	}
	args.Inbound, args.Outbound = inbound.onPort(), outbound.onPort()
	return args, err
}

// checkAttach refuses options that mean nothing together.
func checkAttach(in invocation) error {
	if in.has("existing") && !in.has("tap") {
		return worded("command 'port-attach' requires <tap> option with --existing")
	}
	pairs := map[string][]string{
		"netns":    {"existing", "user", "group", "multiqueue", "vnet-hdr"},
		"existing": {"user", "group", "multiqueue", "vnet-hdr"},
	}
	for option, others := range pairs {
		for _, other := range others {
			if in.has(option) && in.has(other) {
				return worded(fmt.Sprintf("Options --%s and --%s are mutually exclusive", option, other))
			}
		}
	}
	if in.has("ifname") && !in.has("netns") {
		return worded("Option --netns is required by option --ifname")
	}
	return nil
}

// absoluteNetns has a file mean the same to the daemon: it is elsewhere, and
// another process than we.
func absoluteNetns(netns string) string {
	for _, self := range []string{"/proc/self/", "/proc/thread-self/"} {
		if rest, ok := strings.CutPrefix(netns, self); ok {
			return fmt.Sprintf("/proc/%d/%s", os.Getpid(), rest)
		}
	}
	if !strings.Contains(netns, "/") {
		return netns
	}
	if path, err := filepath.Abs(netns); err == nil {
		return path
	}
	return netns
}

// numberOf is the number of a user or group, which may be given by name, nil if
// it is not given.
func numberOf(in invocation, option string, lookup func(name string) (string, error)) (*uint32, error) {
	given, err := in.text(option)
	if err != nil || given == "" {
		return nil, err
	}
	number := given
	if _, err := strconv.ParseUint(given, 10, 32); err != nil {
		if number, err = lookup(given); err != nil {
			return nil, worded(fmt.Sprintf("there is no %s '%s'", option, given))
		}
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return nil, err
	}
	return new(uint32(n)), nil
}

func lookupUser(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func lookupGroup(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}

// onPort is the limit as it is asked for, nil if it was not given.
func (r rate) onPort() *wire.PortRate {
	if !r.given {
		return nil
	}
	return &wire.PortRate{Average: uint64(r.average), Peak: uint64(r.peak), Burst: uint64(r.burst), Floor: uint64(r.floor)}
}

// portDetach runs port-detach.
func portDetach(ctx context.Context, sh *shell, in invocation) error {
	n, _, err := sh.lookup(ctx, in, byEither)
	if err != nil {
		return err
	}
	given, err := in.text("port")
	if err != nil {
		return err
	}
	ports, err := sh.conn.attached(ctx, n)
	if err != nil {
		return fail(err, "Failed to detach %s", given)
	}
	p := findPort(ports, given)
	if p == nil {
		return worded(fmt.Sprintf("network '%s' has no link '%s' that port-attach attached", n.Name, given))
	}
	args := wire.PortDetachArgs{Network: p.Network, UUID: p.UUID}
	err = sh.conn.change(ctx, "PORT_DETACH", func() error { return sh.conn.link.callOwn(wire.OwnPortDetach, args, &wire.Empty{}) })
	if err != nil {
		return fail(err, "Failed to detach %s", given)
	}
	sh.extraf("Link %s detached from network %s\n", p.Link, n.Name)
	return nil
}

// findPort finds a port by its UUID, its link or its guest's name.
func findPort(ports []wire.AttachedPort, given string) *wire.AttachedPort {
	for _, is := range []func(p *wire.AttachedPort) bool{
		func(p *wire.AttachedPort) bool { return formatUUID(libvirt.UUID(p.UUID)) == strings.ToLower(given) },
		func(p *wire.AttachedPort) bool { return p.Link == given },
		func(p *wire.AttachedPort) bool { return p.Name != "" && strings.EqualFold(p.Name, given) },
	} {
		for i := range ports {
			if is(&ports[i]) {
				return &ports[i]
			}
		}
	}
	return nil
}

// attached lists what is attached to a network.
func (s *session) attached(ctx context.Context, n libvirt.Network) ([]wire.AttachedPort, error) {
	var ret wire.PortListRet
	err := s.do(ctx, "PORT_LIST", func() error {
		return s.link.callOwn(wire.OwnPortList, wire.Network{Name: n.Name, UUID: wire.UUID(n.UUID)}, &ret)
	})
	return ret.Ports, ownOnly(err)
}

// portList runs port-list.
func portList(ctx context.Context, sh *shell, in invocation) error {
	n, _, err := sh.lookup(ctx, in, byEither)
	if err != nil {
		return err
	}
	ports, err := sh.conn.attached(ctx, n)
	if err != nil {
		return fail(err, "Failed to list the attached links")
	}
	all := make([]portText, 0, len(ports))
	t := newTable("Link", "MAC address", "IP address", "Name", "Kind", "Port")
	for _, p := range ports {
		d := describePort(p)
		all = append(all, d)
		t.add(d.Link, d.MAC, orDash(strings.Join(p.Addrs, " ")), orDash(d.Name), d.kind(), d.Port)
	}
	if in.has("json") {
		return sh.printJSON(all)
	}
	sh.printf("%s", t.format(sh.opts.quiet))
	return nil
}

// attachedLinks completes a link of any network.
func attachedLinks(ctx context.Context, sh *shell) []string {
	var words []string
	for _, n := range sh.runningNetworks(ctx, 0) {
		ports, err := sh.conn.attached(ctx, n)
		if err != nil {
			return nil
		}
		for _, p := range ports {
			words = append(words, p.Link)
		}
	}
	return words
}
