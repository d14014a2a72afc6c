package plan

import (
	"net/netip"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/nat"
	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// AddAttached plans what the servers know of links that are ports without
// libvirt: their addresses are reserved, and have their names.
func (p *Plan) AddAttached(all []port.Attachment) {
	for _, a := range all {
		if d := p.DHCP4; d != nil && a.Addr.IsValid() && d.Server.Contains(a.Addr) {
			d.Reservations = append(d.Reservations, dhcpd.Reservation{MAC: a.MAC, Name: a.Name, Addr: a.Addr})
		}
		if d := p.DHCP6; d != nil && a.Addr6.IsValid() && d.Server.Contains(a.Addr6) {
			d.Reservations = append(d.Reservations, dhcpd.Reservation{MAC: a.MAC, Name: a.Name, Addr: a.Addr6})
		}
		for _, addr := range []netip.Addr{a.Addr, a.Addr6} {
			if p.DNS != nil && a.Name != "" && addr.IsValid() {
				p.Names = append(p.Names, dns.Name{Addr: addr, Names: []string{a.Name}})
			}
		}
	}
}

// AttachedOn is a as it is on n: without the addresses of subnets that n had
// when it was attached, and has no more.
func AttachedOn(n *xmlnet.Network, a *port.Attachment) port.Attachment {
	on := *a
	for _, addr := range []*netip.Addr{&on.Addr, &on.Addr6} {
		if !Subnet(n, *addr).IsValid() {
			*addr = netip.Addr{}
		}
	}
	return on
}

// PortLink is what the host should have for a; got is its port on n.
func PortLink(n *xmlnet.Network, a *port.Attachment, got *port.Port) bridge.PortLink {
	l := bridge.PortLink{
		Name: a.Link, Bridge: got.Plug.Bridge, Owner: a.UUID.String(), MAC: a.MAC, MTU: int(n.MTU),
		Isolated: got.Isolated == xmlnet.Yes, Bandwidth: portBandwidth(got.Bandwidth),
	}
	if a.Tap != nil {
		l.Tap = &bridge.Tap{User: a.Tap.User, Group: a.Tap.Group, MultiQueue: a.Tap.MultiQueue, VNetHdr: a.Tap.VNetHdr}
	}
	if a.Netns != nil {
		l.Guest = guestLink(n, a)
	}
	return l
}

// portBandwidth leaves out what only promises: the bridge keeps floors.
func portBandwidth(b *xmlnet.Bandwidth) *bridge.Bandwidth {
	limits := makeBandwidth(b)
	if limits == nil {
		return nil
	}
	if limits.Inbound != nil && limits.Inbound.Average == 0 {
		limits.Inbound = nil
	}
	return limits
}

// guestLink is the link in the namespace. With a gateway of ours it has a
// default route; guests of isolated networks have none.
func guestLink(n *xmlnet.Network, a *port.Attachment) bridge.GuestLink {
	g := bridge.GuestLink{Name: a.Netns.Link, MAC: a.MAC, MTU: int(n.MTU)}
	for _, addr := range []netip.Addr{a.Addr, a.Addr6} {
		ip := Subnet(n, addr)
		if !ip.IsValid() {
			continue
		}
		g.Addrs = append(g.Addrs, netip.PrefixFrom(addr, ip.Bits()))
		if n.Forward.Mode != xmlnet.Isolated {
			g.Gateways = append(g.Gateways, ip.Addr())
		}
	}
	return g
}

// Subnet is our address, with its length, in the subnet of n that addr is in;
// the zero value if it is in none.
func Subnet(n *xmlnet.Network, addr netip.Addr) netip.Prefix {
	for _, ip := range n.IPs {
		if addr.IsValid() && ip.Prefix.Contains(addr) {
			return ip.Prefix
		}
	}
	return netip.Prefix{}
}

// GuardPort is what may come in by a's link: without an address of its own in
// IPv6, anything from n's subnets, as guests make their own. An address that
// nobody knows is not checked.
func GuardPort(n *xmlnet.Network, a *port.Attachment) nat.GuardedPort {
	g := nat.GuardedPort{Link: a.Link, MAC: a.MAC}
	if on := AttachedOn(n, a); on.Addr.IsValid() {
		g.Addrs = append(g.Addrs, netip.PrefixFrom(a.Addr, 32))
	}
	if a.Addr6.IsValid() {
		g.Addrs = append(g.Addrs, netip.PrefixFrom(a.Addr6, 128))
	}
	if !a.Addr.IsValid() || a.Addr6.IsValid() {
		return g
	}
	for _, ip := range n.IPs {
		if p := ip.Prefix.Masked(); p.Addr().Is6() {
			// Whole bytes, for one comparison.
			g.Addrs = append(g.Addrs, netip.PrefixFrom(p.Addr(), p.Bits()/8*8).Masked())
		}
	}
	return g
}
