package rpc

import (
	"context"

	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// affected are the flags of calls that change or read one definition of two.
const affected = uint32(network.AffectLive | network.AffectConfig)

func (c *client) update(ctx context.Context, args wire.UpdateArgs) (wire.Empty, error) {
	if err := checkFlags(args.Flags, affected, wire.FromNetwork, "networkUpdate"); err != nil {
		return wire.Empty{}, err
	}
	err := c.srv.networks.Update(ctx, xmlnet.UUID(args.Network.UUID), xmlnet.Update{
		Command:     xmlnet.Command(args.Command),
		Section:     xmlnet.Section(args.Section),
		ParentIndex: int(args.ParentIndex),
		XML:         []byte(args.XML),
	}, network.Affect(args.Flags))
	return wire.Empty{}, onNetwork(args.Network, err)
}

func (c *client) setMetadata(_ context.Context, args wire.SetMetadataArgs) (wire.Empty, error) {
	if err := checkFlags(args.Flags, affected, wire.FromNetwork, "networkSetMetadata"); err != nil {
		return wire.Empty{}, err
	}
	err := c.srv.networks.SetMetadata(xmlnet.UUID(args.Network.UUID), network.Metadata{
		Type: network.MetadataType(args.Type),
		Text: args.Metadata,
		Key:  args.Key,
		URI:  args.URI,
	}, network.Affect(args.Flags))
	return wire.Empty{}, onNetwork(args.Network, err)
}

func (c *client) getMetadata(_ context.Context, args wire.GetMetadataArgs) (string, error) {
	if err := checkFlags(args.Flags, affected, wire.FromNetwork, "networkGetMetadata"); err != nil {
		return "", err
	}
	if args.Flags == affected {
		return "", failure(wire.FromNetwork, wire.CodeInvalidArg, "Flags 'VIR_NETWORK_UPDATE_AFFECT_LIVE' and 'VIR_NETWORK_UPDATE_AFFECT_CONFIG' are mutually exclusive")
	}
	kind, uri := network.MetadataType(args.Type), ""
	if args.URI != nil {
		uri = *args.URI
	}
	if (kind == network.Element) != (args.URI != nil) {
		return "", failure(wire.FromNetwork, wire.CodeInvalidArg, "uri in virNetworkGetMetadata is for elements, which need one")
	}
	text, err := c.srv.networks.Metadata(xmlnet.UUID(args.Network.UUID), kind, uri, network.Affect(args.Flags))
	return text, onNetwork(args.Network, err)
}

// defineLive is of our own program.
func (c *client) defineLive(ctx context.Context, args wire.XMLFlagsArgs) (wire.Network, error) {
	if err := checkFlags(args.Flags, wire.XMLValidate, wire.FromNetwork, "DEFINE_LIVE"); err != nil {
		return wire.Network{}, err
	}
	r, err := c.srv.networks.DefineLive(ctx, []byte(args.XML), args.Flags&wire.XMLValidate != 0)
	return ref(r), err
}
