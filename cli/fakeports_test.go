package cli

import (
	"slices"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

type fakePort struct {
	uuid wire.UUID
	xml  string
}

// answerPort answers calls about network ports.
func (d *fakeDaemon) answerPort(f wire.Frame) (any, error) {
	switch f.Proc {
	case wire.NetworkListAllPorts:
		return decoded(f, func(a wire.ListPortsArgs) (any, error) {
			return d.with(a.Network, func(n *fakeNetwork) (any, error) {
				ret := wire.ListPortsRet{Count: uint32(len(n.ports))}
				for _, p := range n.ports {
					ret.Ports = append(ret.Ports, wire.Port{Network: n.ref(), UUID: p.uuid})
				}
				return ret, nil
			})
		})
	case wire.NetworkPortCreateXML:
		return decoded(f, func(a wire.PortCreateArgs) (any, error) {
			return d.with(a.Network, func(n *fakeNetwork) (any, error) {
				if !n.active {
					return nil, refuse(wire.CodeOperationInvalid, "Requested operation is not valid: network '%s' is not active", n.name)
				}
				return wire.Port{Network: n.ref(), UUID: wire.UUID{15: byte(a.Flags)}}, nil
			})
		})
	case wire.NetworkPortLookupByUUID:
		return decoded(f, func(a wire.Port) (any, error) {
			return d.withPort(a, func(*fakeNetwork, int) (any, error) { return a, nil })
		})
	}
	return decoded(f, func(a wire.PortFlagsArgs) (any, error) {
		return d.withPort(a.Port, func(n *fakeNetwork, i int) (any, error) {
			if f.Proc == wire.NetworkPortGetXMLDesc {
				return n.ports[i].xml, nil
			}
			n.ports = slices.Delete(n.ports, i, i+1)
			return wire.Empty{}, nil
		})
	})
}

func (d *fakeDaemon) withPort(p wire.Port, do func(*fakeNetwork, int) (any, error)) (any, error) {
	return d.with(p.Network, func(n *fakeNetwork) (any, error) {
		i := slices.IndexFunc(n.ports, func(have fakePort) bool { return have.uuid == p.UUID })
		if i < 0 {
			return nil, refuse(wire.CodeNoPort, "network port not found: Network port does not exist")
		}
		return do(n, i)
	})
}
