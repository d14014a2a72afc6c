package rpc

import (
	"context"
	"fmt"
	"net/netip"
	"unicode/utf8"

	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Attachments are guests' links that are ports without libvirt;
// *network.Manager keeps some, and says what each method does.
type Attachments interface {
	Attach(ctx context.Context, id xmlnet.UUID, req network.AttachRequest) (network.AttachedLink, error)
	Detach(ctx context.Context, id, portID xmlnet.UUID) error
	AttachedLinks(ctx context.Context, id xmlnet.UUID) ([]network.AttachedLink, error)
}

// attachments are those of the server, or an error if it keeps none.
func (c *client) attachments() (Attachments, error) {
	if c.srv.opts.Attachments == nil {
		return nil, &network.Error{Kind: network.ErrUnsupported, Text: "links cannot be attached"}
	}
	return c.srv.opts.Attachments, nil
}

const attachFlags = wire.AttachedBefore - 1 // all that can be asked for

// portAttach is of our own program. Who asks is who opened the connection.
func (c *client) portAttach(ctx context.Context, args wire.PortAttachArgs) (wire.AttachedPort, error) {
	if err := checkFlags(args.Flags, attachFlags, wire.FromNetwork, "PORT_ATTACH"); err != nil {
		return wire.AttachedPort{}, err
	}
	all, err := c.attachments()
	if err != nil {
		return wire.AttachedPort{}, err
	}
	req, err := attachRequest(args)
	if err != nil {
		return wire.AttachedPort{}, err
	}
	req.Caller = c.peer.UID
	a, err := all.Attach(ctx, xmlnet.UUID(args.Network.UUID), req)
	if err != nil {
		return wire.AttachedPort{}, onNetwork(args.Network, err)
	}
	return wireAttached(a), nil
}

// maxKey bounds a key in bytes: all those of a network are in one reply.
const maxKey = 1024

// attachRequest reads what is text.
func attachRequest(args wire.PortAttachArgs) (network.AttachRequest, error) {
	has := func(flag uint32) bool { return args.Flags&flag != 0 }
	req := network.AttachRequest{
		Link: args.Link, Existing: has(wire.AttachExisting), User: args.User, Group: args.Group,
		MultiQueue: has(wire.AttachMultiQueue), VNetHdr: has(wire.AttachVNetHdr),
		Netns: args.Netns, GuestLink: args.GuestLink, NoAddr: has(wire.AttachNoAddr),
		Name: args.Name, NameIfFree: has(wire.AttachNameIfFree),
		MACRule: has(wire.AttachMACRule), Isolated: has(wire.AttachIsolated), PortGroup: args.PortGroup, Key: args.Key,
	}
	if args.Inbound != nil || args.Outbound != nil {
		req.Bandwidth = &xmlnet.Bandwidth{Inbound: xmlRate(args.Inbound), Outbound: xmlRate(args.Outbound)}
	}
	if args.MAC != "" {
		mac, ok := xmlnet.ParseMAC(args.MAC)
		if !ok {
			return req, &network.Error{Kind: network.ErrInvalidMAC, Text: args.MAC}
		}
		req.MAC = mac
	}
	for _, addr := range []struct {
		text string
		to   *netip.Addr
		six  bool
	}{{args.Addr, &req.Addr, false}, {args.Addr6, &req.Addr6, true}} {
		if addr.text == "" {
			continue
		}
		a, err := netip.ParseAddr(addr.text)
		if err != nil || a.Is6() != addr.six || a.Zone() != "" || a.Is4In6() {
			family := map[bool]string{false: "IPv4", true: "IPv6"}[addr.six]
			return req, &network.Error{Kind: network.ErrInvalidArg, Text: "'" + addr.text + "' is not an " + family + " address"}
		}
		*addr.to = a
	}
	if len(req.Key) > maxKey || !utf8.ValidString(req.Key) {
		return req, &network.Error{Kind: network.ErrInvalidArg, Text: fmt.Sprintf("a key is at most %d bytes of UTF-8", maxKey)}
	}
	if req.Existing && (req.Link == "" || req.Netns != "") {
		return req, &network.Error{Kind: network.ErrInvalidArg, Text: "an existing tap is attached by its name, and to no namespace"}
	}
	return req, nil
}

func xmlRate(r *wire.PortRate) *xmlnet.Rate {
	if r == nil {
		return nil
	}
	return &xmlnet.Rate{Average: r.Average, Peak: r.Peak, Burst: r.Burst, Floor: r.Floor}
}

func wireAttached(a network.AttachedLink) wire.AttachedPort {
	w := wire.AttachedPort{
		UUID: wire.UUID(a.UUID), Network: ref(a.On), Link: a.Link, Bridge: a.Bridge, MAC: a.MAC.String(), MTU: uint32(a.MTU),
		Name: a.Name, Domain: a.Domain, Key: a.Key,
		Addrs: texts(a.Addrs), Gateways: texts(a.Gateways), Resolvers: texts(a.Resolvers),
	}
	flag := func(on bool, f uint32) {
		if on {
			w.Flags |= f
		}
	}
	flag(a.MACRule, wire.AttachMACRule)
	flag(a.Isolated, wire.AttachIsolated)
	flag(a.Known, wire.AttachedBefore)
	flag(a.Tap == nil && a.Netns == nil, wire.AttachExisting)
	if a.Tap != nil {
		w.User, w.Group = a.Tap.User, a.Tap.Group
		flag(a.Tap.MultiQueue, wire.AttachMultiQueue)
		flag(a.Tap.VNetHdr, wire.AttachVNetHdr)
	}
	if a.Netns != nil {
		w.Netns, w.GuestLink = a.Netns.Path, a.Netns.Link
	}
	return w
}

func texts[T interface{ String() string }](all []T) []string {
	var out []string
	for _, one := range all {
		out = append(out, one.String())
	}
	return out
}

// portDetach is of our own program.
func (c *client) portDetach(ctx context.Context, args wire.PortDetachArgs) (wire.Empty, error) {
	all, err := c.attachments()
	if err == nil {
		err = all.Detach(ctx, xmlnet.UUID(args.Network.UUID), xmlnet.UUID(args.UUID))
	}
	return wire.Empty{}, onNetwork(args.Network, err)
}

// portList is of our own program.
func (c *client) portList(ctx context.Context, n wire.Network) (wire.PortListRet, error) {
	var ret wire.PortListRet
	all, err := c.attachments()
	if err != nil {
		return ret, err
	}
	list, err := all.AttachedLinks(ctx, xmlnet.UUID(n.UUID))
	for _, a := range list {
		ret.Ports = append(ret.Ports, wireAttached(a))
	}
	return ret, onNetwork(n, err)
}
