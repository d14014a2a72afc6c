package cni

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// add makes the container a port.
func (p *plugin) add(ctx context.Context) (any, error) {
	d, err := p.connect(ctx, true)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	n, err := d.active(ctx, p.conf.Network)
	if err != nil {
		return nil, err
	}
	args, err := p.request(n)
	if err != nil {
		return nil, err
	}
	var got wire.AttachedPort
	if err := d.call(ctx, wire.OwnPortAttach, args, &got); err != nil {
		return nil, err
	}
	if got.Flags&wire.AttachedBefore != 0 && (got.Netns != p.netns || p.lacks(ctx, got)) {
		// Of another life of the container, which was not deleted.
		if err := d.detach(ctx, got); err != nil {
			return nil, err
		}
		if err := d.call(ctx, wire.OwnPortAttach, args, &got); err != nil {
			return nil, err
		}
	}
	return makeResult(p.conf.Version, p.netns, got), nil
}

// lacks tells that the container's namespace does not have the link that was
// attached before: the namespace is another one in the same place.
func (p *plugin) lacks(ctx context.Context, attached wire.AttachedPort) bool {
	ns, err := bridge.OpenNamespace(p.netns)
	if err != nil {
		return false // who may not look has to believe the daemon
	}
	defer ns.Close()
	link, err := bridge.ObserveGuest(ctx, ns, p.link)
	return errors.Is(err, bridge.ErrLinkNotFound) || err == nil && link.MAC.String() != attached.MAC
}

// request is what ADD asks the daemon for.
func (p *plugin) request(n wire.Network) (args wire.PortAttachArgs, err error) {
	args = wire.PortAttachArgs{
		Network: n, Netns: p.netns, GuestLink: p.link, Name: p.name(), PortGroup: p.conf.PortGroup, Key: p.key(),
		// Pods of one name are no reason to have no network.
		Flags: wire.AttachNameIfFree,
	}
	if p.conf.MACRule {
		args.Flags |= wire.AttachMACRule
	}
	if p.conf.Isolated {
		args.Flags |= wire.AttachIsolated
	}
	b := p.conf.RuntimeConfig.Bandwidth
	args.Inbound, args.Outbound = limit(b.IngressRate, b.IngressBurst), limit(b.EgressRate, b.EgressBurst)
	if args.MAC, err = p.mac(); err != nil {
		return args, err
	}
	args.Addr, args.Addr6, err = p.addrs()
	return args, err
}

// limit is a limit in libvirt's units, of 1000 bytes per second and 1024 bytes;
// nil for none.
func limit(rate, burst uint64) *wire.PortRate {
	if rate == 0 {
		return nil
	}
	return &wire.PortRate{Average: max(rate/8/1000, 1), Burst: burst / 8 / 1024}
}

// del undoes add, as often as it is called. Without a daemon it deletes the
// container's link itself: the daemon forgets the rest when it sees that, now or
// when it starts.
func (p *plugin) del(ctx context.Context) (any, error) {
	d, err := p.connect(ctx, false)
	if err != nil {
		return nil, p.deleteLink(ctx)
	}
	defer d.Close()
	ports, err := d.list(ctx, p.conf.Network)
	if err != nil {
		return nil, err
	}
	for _, one := range ports {
		if one.Key == p.key() {
			return nil, d.detach(ctx, one)
		}
	}
	return nil, nil
}

// deleteLink deletes the container's link, if it is there.
func (p *plugin) deleteLink(ctx context.Context) error {
	if p.netns == "" {
		return nil
	}
	ns, err := bridge.OpenNamespace(p.netns)
	if err != nil {
		return nil // it is gone, and all in it
	}
	defer ns.Close()
	if err := bridge.RemoveGuest(ctx, ns, p.link); err != nil {
		return because(tryAgainLater, err, "the vnetmgr daemon does not run, and %s stays", p.link)
	}
	return nil
}

// check tells whether the container has what add gave it.
func (p *plugin) check(ctx context.Context) (any, error) {
	before, err := parseResult(p.conf.PrevResult)
	if err != nil {
		return nil, err
	}
	d, err := p.connect(ctx, true)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if _, err := d.active(ctx, p.conf.Network); err != nil {
		return nil, err
	}
	ports, err := d.list(ctx, p.conf.Network)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(ports, func(one wire.AttachedPort) bool { return one.Key == p.key() })
	if i < 0 {
		return nil, failf(notAsAdded, "container %s is not attached to network %s", p.container, p.conf.Network)
	}
	return nil, p.compare(ctx, ports[i], before)
}

// compare finds what the container lacks.
func (p *plugin) compare(ctx context.Context, have wire.AttachedPort, before result) error {
	ns, err := bridge.OpenNamespace(p.netns)
	if err != nil {
		return because(notAsAdded, err, "open the container's namespace")
	}
	defer ns.Close()
	link, err := bridge.ObserveGuest(ctx, ns, p.link)
	if err != nil {
		return because(notAsAdded, err, "look at %s in the container", p.link)
	}
	if link.MAC.String() != have.MAC {
		return failf(notAsAdded, "%s has the MAC address %s, not %s", p.link, link.MAC, have.MAC)
	}
	for _, text := range have.Addrs {
		if addr, err := netip.ParsePrefix(text); err == nil && !slices.Contains(link.Addrs, addr) {
			return failf(notAsAdded, "%s has no address %s", p.link, text)
		}
		ours := func(ip ipText) bool { return ip.Address == text }
		if !slices.ContainsFunc(before.IPs, ours) {
			return failf(notAsAdded, "prevResult has no address %s, which the container got", text)
		}
	}
	return nil
}

// gc detaches all that the runtime does not know of any more.
func (p *plugin) gc(ctx context.Context) (any, error) {
	d, err := p.connect(ctx, false)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	ports, err := d.list(ctx, p.conf.Network)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, one := range ports {
		rest, ours := strings.CutPrefix(one.Key, p.prefix())
		valid := func(a attachment) bool { return rest == a.Container+"/"+a.Link }
		if ours && !slices.ContainsFunc(p.conf.Valid, valid) {
			errs = append(errs, d.detach(ctx, one))
		}
	}
	return nil, errors.Join(errs...)
}

// status tells whether containers can be added.
func (p *plugin) status(ctx context.Context) (any, error) {
	d, err := p.connect(ctx, true)
	if err != nil {
		return nil, failf(notAvailable, "%v", err)
	}
	defer d.Close()
	if _, err := d.active(ctx, p.conf.Network); err != nil {
		return nil, failf(notAvailable, "%v", err)
	}
	return nil, nil
}

// daemon is a connection to it.
type daemon struct{ *wire.Conn }

func (p *plugin) connect(ctx context.Context, start bool) (daemon, error) {
	conn, err := p.env.Dial(ctx, p.conf.Socket, start)
	if err != nil {
		return daemon{}, because(tryAgainLater, err, "reach the vnetmgr daemon")
	}
	c := wire.NewConn(conn)
	if err := c.Open(ctx, "network:///system", false); err != nil {
		return daemon{}, errors.Join(because(tryAgainLater, err, "reach the vnetmgr daemon"), c.Close())
	}
	return daemon{c}, nil
}

// call calls a procedure of our own.
func (d daemon) call(ctx context.Context, proc wire.Proc, args, ret any) error {
	return reason(d.CallOwn(ctx, proc, args, ret))
}

// reason tells the daemon's refusals from failures to ask.
func reason(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return &failure{code: refused, text: fmt.Sprintf("%v (libvirt's code %d)", e, e.Code)}
	}
	return because(tryAgainLater, err, "ask the vnetmgr daemon")
}

// active finds a network that is active.
func (d daemon) active(ctx context.Context, name string) (wire.Network, error) {
	n, err := d.find(ctx, name)
	if err != nil {
		return n, err
	}
	var on int32
	if err := d.Call(ctx, wire.NetworkIsActive, n, &on); err != nil {
		return n, reason(err)
	}
	if on == 0 {
		return n, failf(tryAgainLater, "network %s is not active", name)
	}
	return n, nil
}

func (d daemon) find(ctx context.Context, name string) (n wire.Network, err error) {
	err = d.Call(ctx, wire.NetworkLookupByName, name, &n)
	if e, ok := errors.AsType[*wire.Error](err); ok && e.Code == wire.CodeNoNetwork {
		return n, failf(invalidConfig, "vnetmgr has no network %s", name)
	}
	return n, reason(err)
}

// list lists what is attached to a network; one that is not there has nothing.
func (d daemon) list(ctx context.Context, name string) ([]wire.AttachedPort, error) {
	n, err := d.find(ctx, name)
	if f, ok := errors.AsType[*failure](err); ok && f.code == invalidConfig {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ret wire.PortListRet
	err = d.call(ctx, wire.OwnPortList, n, &ret)
	return ret.Ports, err
}

// detach detaches a port; one that is gone meanwhile is detached already.
func (d daemon) detach(ctx context.Context, one wire.AttachedPort) error {
	err := d.CallOwn(ctx, wire.OwnPortDetach, wire.PortDetachArgs{Network: one.Network, UUID: one.UUID}, &wire.Empty{})
	if e, ok := errors.AsType[*wire.Error](err); ok && (e.Code == wire.CodeNoPort || e.Code == wire.CodeNoNetwork) {
		return nil
	}
	return reason(err)
}
