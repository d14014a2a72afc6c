package cli

import (
	"context"
	"fmt"

	"github.com/digitalocean/go-libvirt"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// portDetails prints the ports of a network with who is behind them. Only
// vnetmgr's daemon can tell.
func (sh *shell) portDetails(ctx context.Context, n libvirt.Network) error {
	var ret wire.AttachedRet
	if err := sh.attached(ctx, n, "LIST_ATTACHED", wire.OwnListAttached, &ret); err != nil {
		return fail(err, "Failed to list ports of network %s", n.Name)
	}
	t := newTable("UUID", "Domain", "Interface", "MAC", "Address", "Name")
	for _, p := range ret.Ports {
		t.add(formatUUID(libvirt.UUID(p.UUID)), orDash(p.Domain), orDash(p.Link), p.MAC, orDash(p.Addrs), orDash(p.Hostname))
	}
	sh.printf("%s", t.format(sh.opts.quiet))
	return nil
}

// netFDB runs net-fdb.
func netFDB(ctx context.Context, sh *shell, in invocation) error {
	n, _, err := sh.lookup(ctx, in, byEither)
	if err != nil {
		return err
	}
	var ret wire.NeighboursRet
	if err := sh.attached(ctx, n, "LIST_NEIGHBOURS", wire.OwnListNeighbours, &ret); err != nil {
		return fail(err, "Failed to list the forwarding database of network %s", n.Name)
	}
	t := newTable("MAC", "Interface", "VLAN", "Age", "Domain", "Address", "Name")
	for _, e := range ret.Neighbours {
		vlan, age := "", "static"
		if e.VLAN != 0 {
			vlan = fmt.Sprint(e.VLAN)
		}
		if e.Static == 0 {
			age = fmt.Sprintf("%ds", e.Age)
		}
		t.add(e.MAC, e.Link, orDash(vlan), age, orDash(e.Domain), orDash(e.Addrs), orDash(e.Hostname))
	}
	sh.printf("%s", t.format(sh.opts.quiet))
	return nil
}

// domainsOf returns the domains on a network by MAC address: none if it is not
// active, or if the daemon is not vnetmgr's.
func (sh *shell) domainsOf(ctx context.Context, n libvirt.Network) map[string]string {
	var ret wire.AttachedRet
	if err := sh.attached(ctx, n, "LIST_ATTACHED", wire.OwnListAttached, &ret); err != nil {
		sh.debugf(levelInfo, "domains of %s: %v\n", n.Name, err)
	}
	byMAC := make(map[string]string, len(ret.Ports))
	for _, p := range ret.Ports {
		byMAC[p.MAC] = p.Domain
	}
	return byMAC
}

func (sh *shell) attached(ctx context.Context, n libvirt.Network, fn string, p wire.Proc, ret any) error {
	args := wire.AttachedArgs{Network: wire.Network{Name: n.Name, UUID: wire.UUID(n.UUID)}}
	err := sh.conn.do(ctx, fn, func() error { return sh.conn.link.callOwn(p, args, ret) })
	if hasCode(err, libvirt.ErrRPC) {
		return worded("only vnetmgr's own daemon can")
	}
	return err
}
