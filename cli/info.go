package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/digitalocean/go-libvirt"
)

// netInfo runs net-info.
func netInfo(ctx context.Context, sh *shell, in invocation) error {
	n, _, err := sh.lookup(ctx, in, byEither)
	if err != nil {
		return err
	}
	line := func(label, value string) { sh.printf("%-15s %s\n", label+":", value) }
	line("Name", n.Name)
	line("UUID", formatUUID(n.UUID))
	active, err := sh.conn.isActive(ctx, n)
	switch {
	case err == nil:
		line("Active", choose(active, "yes", "no"))
	case !isAnswer(err):
		return err
	}
	persistent, err := sh.conn.isPersistent(ctx, n)
	switch {
	case err == nil:
		line("Persistent", choose(persistent, "yes", "no"))
	case isAnswer(err):
		line("Persistent", "unknown")
	default:
		return err
	}
	autostart, err := sh.autostartText(ctx, n)
	if err != nil {
		return err
	}
	line("Autostart", autostart)
	bridge, err := sh.conn.bridge(ctx, n)
	if err == nil {
		line("Bridge", bridge)
	} else if !isAnswer(err) {
		return err
	}
	return nil
}

// bridge returns the name of a network's bridge; a network without one is an
// error of the daemon's.
func (s *session) bridge(ctx context.Context, n libvirt.Network) (name string, err error) {
	err = s.do(ctx, "virNetworkGetBridgeName", func() (err error) {
		name, err = s.virt.NetworkGetBridgeName(n)
		return err
	})
	return name, err
}

// netName runs net-name.
func netName(ctx context.Context, sh *shell, in invocation) error {
	n, _, err := sh.lookup(ctx, in, byUUID)
	if err != nil {
		return err
	}
	sh.printf("%s\n", n.Name)
	return nil
}

// netUUID runs net-uuid.
func netUUID(ctx context.Context, sh *shell, in invocation) error {
	n, _, err := sh.lookup(ctx, in, byName)
	if err != nil {
		return err
	}
	sh.printf("%s\n", formatUUID(n.UUID))
	return nil
}

// netDHCPLeases runs net-dhcp-leases.
func netDHCPLeases(ctx context.Context, sh *shell, in invocation) error {
	mac, err := in.text("mac")
	if err != nil {
		return err
	}
	n, given, err := sh.lookup(ctx, in, byEither)
	if err != nil {
		return err
	}
	leases, err := sh.conn.leases(ctx, n, mac)
	if err != nil {
		return fail(err, "Failed to get leases info for %s", given)
	}
	slices.SortStableFunc(leases, compareLeases)
	t := newTable("Expiry Time", "MAC address", "Protocol", "IP address", "Hostname", "Client ID or DUID")
	for _, l := range leases {
		t.add(leaseRow(l)...)
	}
	sh.printf("%s", t.format(sh.opts.quiet))
	return nil
}

// leases returns the leases of a network, or those of one client; mac "" is
// all.
func (s *session) leases(ctx context.Context, n libvirt.Network, mac string) (list []libvirt.NetworkDhcpLease, err error) {
	err = s.do(ctx, "virNetworkGetDHCPLeases", func() (err error) {
		list, _, err = s.virt.NetworkGetDhcpLeases(n, when(mac != "", mac), 1, 0)
		return err
	})
	return list, err
}

// compareLeases orders by MAC, then by identity association.
func compareLeases(a, b libvirt.NetworkDhcpLease) int {
	return cmp.Or(
		cmp.Compare(strings.ToLower(optional(a.Mac, "")), strings.ToLower(optional(b.Mac, ""))),
		cmp.Compare(optional(a.Iaid, ""), optional(b.Iaid, "")),
	)
}

// leaseRow is a lease's line. A lease without an end shows the beginning of
// 1970, as in virsh.
func leaseRow(l libvirt.NetworkDhcpLease) []string {
	protocol := ""
	switch l.Type {
	case int32(libvirt.IPAddrTypeIpv4):
		protocol = "ipv4"
	case int32(libvirt.IPAddrTypeIpv6):
		protocol = "ipv6"
	}
	return []string{
		time.Unix(l.Expirytime, 0).Local().Format(time.DateTime), optional(l.Mac, "-"), protocol,
		fmt.Sprintf("%s/%d", l.Ipaddr, l.Prefix), optional(l.Hostname, "-"), optional(l.Clientid, "-"),
	}
}

// optional returns the value of an optional string, or instead.
func optional(s libvirt.OptString, instead string) string {
	if len(s) == 0 {
		return instead
	}
	return s[0]
}
