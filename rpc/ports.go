package rpc

import (
	"context"

	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

func (c *client) listPorts(_ context.Context, args wire.ListPortsArgs) (wire.ListPortsRet, error) {
	var ret wire.ListPortsRet
	if err := checkFlags(args.Flags, 0, wire.FromNetwork, "networkListAllPorts"); err != nil {
		return ret, err
	}
	info, err := c.find(args.Network)
	if err != nil {
		return ret, err
	}
	ports, err := c.srv.networks.ListPorts(info.UUID)
	if err != nil {
		return ret, onNetwork(args.Network, err)
	}
	ret.Count = uint32(len(ports))
	if args.NeedResults == 0 {
		return ret, nil
	}
	for _, p := range ports {
		ret.Ports = append(ret.Ports, wire.Port{Network: ref(info.Ref), UUID: wire.UUID(p.UUID)})
	}
	return ret, nil
}

// findPort looks a port up.
func (c *client) findPort(p wire.Port) (port.Port, error) {
	found, err := c.srv.networks.Port(xmlnet.UUID(p.Network.UUID), xmlnet.UUID(p.UUID))
	return found, onNetwork(p.Network, err)
}

// lookupPort has the reply name the network as it is called, whatever the
// client called it.
func (c *client) lookupPort(_ context.Context, args wire.Port) (wire.Port, error) {
	info, err := c.find(args.Network)
	if err != nil {
		return args, err
	}
	args.Network = ref(info.Ref)
	_, err = c.findPort(args)
	return args, err
}

func (c *client) createPort(_ context.Context, args wire.PortCreateArgs) (wire.Port, error) {
	if err := checkFlags(args.Flags, wire.PortReclaim|wire.PortValidate, wire.FromNetwork, "networkPortCreateXML"); err != nil {
		return wire.Port{}, err
	}
	on, id, err := c.srv.networks.CreatePort(xmlnet.UUID(args.Network.UUID), []byte(args.XML), network.PortOptions{
		Reclaim:  args.Flags&wire.PortReclaim != 0,
		Validate: args.Flags&wire.PortValidate != 0,
	})
	return wire.Port{Network: ref(on), UUID: wire.UUID(id)}, onNetwork(args.Network, err)
}

func (c *client) getPortXML(_ context.Context, args wire.PortFlagsArgs) (string, error) {
	if err := checkFlags(args.Flags, 0, wire.FromNetwork, "networkPortGetXMLDesc"); err != nil {
		return "", err
	}
	p, err := c.findPort(args.Port)
	if err != nil {
		return "", err
	}
	return string(p.Format()), nil
}

func (c *client) deletePort(_ context.Context, args wire.PortFlagsArgs) (wire.Empty, error) {
	if err := checkFlags(args.Flags, 0, wire.FromNetwork, "networkPortDelete"); err != nil {
		return wire.Empty{}, err
	}
	err := c.srv.networks.DeletePort(xmlnet.UUID(args.Port.Network.UUID), xmlnet.UUID(args.Port.UUID))
	return wire.Empty{}, onNetwork(args.Port.Network, err)
}

func (c *client) getPortParams(_ context.Context, args wire.PortGetParamsArgs) (wire.PortGetParamsRet, error) {
	var ret wire.PortGetParamsRet
	if err := checkFlags(args.Flags, 0, wire.FromNetwork, "networkPortGetParameters"); err != nil {
		return ret, err
	}
	p, err := c.findPort(args.Port)
	if err != nil {
		return ret, err
	}
	ret.Params = portParams(p.Bandwidth)
	ret.Count = int32(len(ret.Params))
	return ret, nil
}

func (c *client) setPortParams(_ context.Context, args wire.PortSetParamsArgs) (wire.Empty, error) {
	if err := checkFlags(args.Flags, 0, wire.FromNetwork, "networkPortSetParameters"); err != nil {
		return wire.Empty{}, err
	}
	if _, err := c.findPort(args.Port); err != nil {
		return wire.Empty{}, err
	}
	to, err := portBandwidth(args.Params)
	if err != nil {
		return wire.Empty{}, err
	}
	err = c.srv.networks.SetPortBandwidth(xmlnet.UUID(args.Port.Network.UUID), xmlnet.UUID(args.Port.UUID), to)
	return wire.Empty{}, onNetwork(args.Port.Network, err)
}
