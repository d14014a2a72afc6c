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
	active, activeErr := sh.conn.isActive(ctx, n)
	persistent, persistentErr := sh.persistentText(ctx, n)
	autostart, autostartErr := sh.autostartText(ctx, n)
	bridge, bridgeErr := sh.conn.bridge(ctx, n)
	for _, l := range []infoLine{
		{"Name", n.Name, nil},
		{"UUID", formatUUID(n.UUID), nil},
		{"Active", choose(active, "yes", "no"), activeErr},
		{"Persistent", persistent, persistentErr},
		{"Autostart", autostart, autostartErr},
		{"Bridge", bridge, bridgeErr},
	} {
		if err := sh.info(l); err != nil {
			return err
		}
	}
	return nil
}

// infoLine is a line of net-info; err says why its value is not known.
type infoLine struct {
	label, value string
	err          error
}

// info prints a line, or leaves it out if the daemon has no answer.
func (sh *shell) info(l infoLine) error {
	if isAnswer(l.err) {
		return nil
	}
	if l.err == nil {
		sh.printf("%-15s %s\n", l.label+":", l.value)
	}
	return l.err
}

func (sh *shell) persistentText(ctx context.Context, n libvirt.Network) (string, error) {
	persistent, err := sh.conn.isPersistent(ctx, n)
	if isAnswer(err) {
		return "unknown", nil
	}
	return choose(persistent, "yes", "no"), err
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
	header := []string{"Expiry Time", "MAC address", "Protocol", "IP address", "Hostname", "Client ID or DUID"}
	var domains map[string]string
	if in.has("domains") {
		header = append(header, "Domain")
		domains = sh.domainsOf(ctx, n)
	}
	t := newTable(header...)
	for _, l := range leases {
		row := leaseRow(l)
		if in.has("domains") {
			row = append(row, orDash(domains[optional(l.Mac, "")]))
		}
		t.add(row...)
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
