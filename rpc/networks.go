package rpc

import (
	"context"
	"errors"

	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// find looks a network up by its UUID; the name a client sends along is only
// repeated to it in the error.
func (c *client) find(n wire.Network) (network.Info, error) {
	info, err := c.srv.networks.LookupUUID(xmlnet.UUID(n.UUID))
	return info, onNetwork(n, err)
}

// onNetwork words the error of a call on n that no longer exists.
func onNetwork(n wire.Network, err error) error {
	if errors.Is(err, network.ErrNotFound) {
		return failuref(wire.FromNetwork, wire.CodeNoNetwork, "no network with matching uuid '%s' (%s)", xmlnet.UUID(n.UUID), n.Name)
	}
	return err
}

func ref(r network.Ref) wire.Network {
	return wire.Network{Name: r.Name, UUID: wire.UUID(r.UUID)}
}

func (c *client) lookupByName(_ context.Context, name string) (wire.Network, error) {
	info, err := c.srv.networks.LookupName(name)
	if errors.Is(err, network.ErrNotFound) {
		err = failuref(wire.FromNetwork, wire.CodeNoNetwork, "no network with matching name '%s'", name)
	}
	return ref(info.Ref), err
}

func (c *client) lookupByUUID(_ context.Context, id wire.UUID) (wire.Network, error) {
	info, err := c.srv.networks.LookupUUID(xmlnet.UUID(id))
	if errors.Is(err, network.ErrNotFound) {
		err = failuref(wire.FromNetwork, wire.CodeNoNetwork, "no network with matching uuid '%s'", xmlnet.UUID(id))
	}
	return ref(info.Ref), err
}

func (c *client) getXML(_ context.Context, args wire.GetXMLArgs) (string, error) {
	if err := checkFlags(args.Flags, wire.XMLInactive, wire.FromNetwork, "networkGetXMLDesc"); err != nil {
		return "", err
	}
	doc, err := c.srv.networks.XML(xmlnet.UUID(args.Network.UUID), args.Flags&wire.XMLInactive != 0)
	return doc, onNetwork(args.Network, err)
}

func (c *client) getAutostart(_ context.Context, n wire.Network) (int32, error) {
	info, err := c.find(n)
	return number(info.Autostart), err
}

func (c *client) isActive(_ context.Context, n wire.Network) (int32, error) {
	info, err := c.find(n)
	return number(info.Active), err
}

func (c *client) isPersistent(_ context.Context, n wire.Network) (int32, error) {
	info, err := c.find(n)
	return number(info.Persistent), err
}

func (c *client) getBridgeName(_ context.Context, n wire.Network) (string, error) {
	info, err := c.find(n)
	if err == nil && info.Bridge == "" {
		err = failuref(wire.FromNetwork, wire.CodeInternal, "network '%s' does not have a bridge name.", info.Name)
	}
	return info.Bridge, err
}
