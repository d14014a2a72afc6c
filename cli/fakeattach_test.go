package cli

import (
	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// answerAttached answers calls about attached links: default has two.
func (d *fakeDaemon) answerAttached(f wire.Frame) (any, error) {
	switch f.Proc {
	case wire.OwnPortAttach:
		return decoded(f, func(a wire.PortAttachArgs) (any, error) {
			return d.with(a.Network, func(n *fakeNetwork) (any, error) { return attachFake(n, a) })
		})
	case wire.OwnPortDetach:
		return decoded(f, func(a wire.PortDetachArgs) (any, error) { return wire.Empty{}, nil })
	}
	return decoded(f, func(a wire.Network) (any, error) {
		return d.with(a, func(n *fakeNetwork) (any, error) {
			if n.name != "default" {
				return wire.PortListRet{}, nil
			}
			tap := wire.PortAttachArgs{Network: a, Link: "fc9", Addr: "192.168.122.9", Name: "web", User: new(uint32(7))}
			box := wire.PortAttachArgs{Network: a, Link: "vnm1", Netns: "/run/netns/box", Flags: wire.AttachNoAddr}
			one, _ := attachFake(n, tap)
			two, _ := attachFake(n, box)
			return wire.PortListRet{Ports: []wire.AttachedPort{one.(wire.AttachedPort), two.(wire.AttachedPort)}}, nil
		})
	})
}

func attachFake(n *fakeNetwork, a wire.PortAttachArgs) (any, error) {
	if a.Link == "taken" {
		return nil, refuse(wire.CodeOperationInvalid, "Requested operation is not valid: link 'taken' is attached already, with another address")
	}
	p := wire.AttachedPort{
		UUID: wire.UUID{15: 77}, Network: n.ref(), Link: a.Link, Bridge: "virbr0", Netns: a.Netns, GuestLink: a.GuestLink,
		MAC: "52:54:00:00:00:07", MTU: 1500, Name: a.Name, Domain: "lan", User: a.User, Flags: a.Flags,
	}
	if p.Link == "" {
		p.Link = "vnm0102030405"
	}
	if a.Link == "known" {
		p.Flags |= wire.AttachedBefore
	}
	if a.Flags&wire.AttachNoAddr == 0 {
		addr := a.Addr
		if addr == "" {
			addr = "192.168.122.8"
		}
		p.Addrs = []string{addr + "/24", "fd00::7/64"}
		p.Gateways = []string{"192.168.122.1", "fd00::1"}
		p.Resolvers = p.Gateways
	}
	return p, nil
}
