package rpc

import (
	"context"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

func (c *client) define(ctx context.Context, doc string) (wire.Network, error) {
	r, err := c.srv.networks.Define(ctx, []byte(doc), false)
	return ref(r), err
}

func (c *client) defineFlags(ctx context.Context, args wire.XMLFlagsArgs) (wire.Network, error) {
	if err := checkFlags(args.Flags, wire.XMLValidate, wire.FromNetwork, "networkDefineXMLFlags"); err != nil {
		return wire.Network{}, err
	}
	r, err := c.srv.networks.Define(ctx, []byte(args.XML), args.Flags&wire.XMLValidate != 0)
	return ref(r), err
}

func (c *client) create(ctx context.Context, doc string) (wire.Network, error) {
	r, err := c.srv.networks.Create(ctx, []byte(doc), false)
	return ref(r), err
}

func (c *client) createFlags(ctx context.Context, args wire.XMLFlagsArgs) (wire.Network, error) {
	if err := checkFlags(args.Flags, wire.XMLValidate, wire.FromNetwork, "networkCreateXMLFlags"); err != nil {
		return wire.Network{}, err
	}
	r, err := c.srv.networks.Create(ctx, []byte(args.XML), args.Flags&wire.XMLValidate != 0)
	return ref(r), err
}

func (c *client) start(ctx context.Context, n wire.Network) (wire.Empty, error) {
	return wire.Empty{}, onNetwork(n, c.srv.networks.Start(ctx, xmlnet.UUID(n.UUID)))
}

func (c *client) destroy(ctx context.Context, n wire.Network) (wire.Empty, error) {
	return wire.Empty{}, onNetwork(n, c.srv.networks.Destroy(ctx, xmlnet.UUID(n.UUID)))
}

func (c *client) undefine(ctx context.Context, n wire.Network) (wire.Empty, error) {
	return wire.Empty{}, onNetwork(n, c.srv.networks.Undefine(ctx, xmlnet.UUID(n.UUID)))
}

func (c *client) setAutostart(ctx context.Context, args wire.SetAutostartArgs) (wire.Empty, error) {
	err := c.srv.networks.SetAutostart(ctx, xmlnet.UUID(args.Network.UUID), args.Autostart != 0)
	return wire.Empty{}, onNetwork(args.Network, err)
}
