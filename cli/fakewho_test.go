package cli

import "github.com/vnetmgr/vnetmgr/rpc/wire"

// answerWho tells who is on a network.
func (d *fakeDaemon) answerWho(f wire.Frame) (any, error) {
	return decoded(f, func(a wire.AttachedArgs) (any, error) {
		if a.Network.Name != "default" {
			return nil, refuse(wire.CodeOperationInvalid, "Requested operation is not valid: network '%s' is not active", a.Network.Name)
		}
		if f.Proc == wire.OwnListAttached {
			return wire.AttachedRet{Ports: []wire.Attached{
				{UUID: wire.UUID{15: 8}, Domain: "web", MAC: "52:54:00:00:00:01", Link: "vnet0", Addrs: "192.168.122.5", Hostname: "guest"},
				{UUID: wire.UUID{15: 9}, Domain: "new", MAC: "52:54:00:00:00:09"},
			}}, nil
		}
		return wire.NeighboursRet{Neighbours: []wire.Neighbour{
			{MAC: "52:54:00:00:00:01", Link: "vnet0", Age: 12, Domain: "web", Addrs: "192.168.122.5,fd00::5", Hostname: "guest"},
			{MAC: "52:54:00:00:00:09", Link: "tap9", VLAN: 20, Static: 1},
		}}, nil
	})
}
