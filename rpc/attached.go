package rpc

import (
	"context"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// listAttached is of our own program.
func (c *client) listAttached(_ context.Context, args wire.AttachedArgs) (ret wire.AttachedRet, err error) {
	if err := checkFlags(args.Flags, 0, wire.FromNetwork, "LIST_ATTACHED"); err != nil {
		return ret, err
	}
	all, err := c.srv.networks.Attached(xmlnet.UUID(args.Network.UUID))
	if err != nil {
		return ret, onNetwork(args.Network, err)
	}
	for _, a := range all {
		ret.Ports = append(ret.Ports, wire.Attached{
			UUID: wire.UUID(a.Port), Domain: a.Domain, MAC: a.MAC.String(), Link: a.Link,
			Addrs: a.AddrText(), Hostname: a.Hostname,
		})
	}
	return ret, nil
}

// listNeighbours is of our own program.
func (c *client) listNeighbours(ctx context.Context, args wire.AttachedArgs) (ret wire.NeighboursRet, err error) {
	if err := checkFlags(args.Flags, 0, wire.FromNetwork, "LIST_NEIGHBOURS"); err != nil {
		return ret, err
	}
	all, err := c.srv.networks.Neighbours(ctx, xmlnet.UUID(args.Network.UUID))
	if err != nil {
		return ret, onNetwork(args.Network, err)
	}
	for _, n := range all {
		one := wire.Neighbour{
			MAC: n.MAC.String(), Link: n.Port, VLAN: uint32(n.VLAN), Age: n.AgeSeconds(),
			Domain: n.Domain, Addrs: n.AddrText(), Hostname: n.Hostname,
		}
		if n.Static {
			one.Static, one.Age = 1, 0
		}
		ret.Neighbours = append(ret.Neighbours, one)
	}
	return ret, nil
}
