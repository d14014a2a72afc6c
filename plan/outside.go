package plan

import (
	"net/netip"

	"github.com/vnetmgr/vnetmgr/firewalld"
	"github.com/vnetmgr/vnetmgr/resolved"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// makeZone plans the firewalld zone of the network's bridge. Like its rules,
// an open network's zone is for others to choose, unless it names one.
func makeZone(n *xmlnet.Network) *firewalld.Binding {
	if n.Forward.Mode == xmlnet.Open && n.Bridge.Zone == "" {
		return nil
	}
	return &firewalld.Binding{Link: n.Bridge.Name, Zone: n.Bridge.Zone, Routed: n.Forward.Mode == xmlnet.RouteMode}
}

// makeRegistration plans what the host's resolver is told; without a resolver
// of the network's own there is nothing to tell.
func makeRegistration(n *xmlnet.Network) *resolved.Registration {
	if n.Domain.Register != xmlnet.Yes || n.DNS.Enable == xmlnet.No || len(n.IPs) == 0 {
		return nil
	}
	r := &resolved.Registration{Link: n.Bridge.Name, Servers: addrs(n)}
	if n.Domain.Name != "" {
		r.Domains = append(r.Domains, n.Domain.Name)
	}
	for _, ip := range n.IPs {
		r.Domains = append(r.Domains, reverseZones(ip.Prefix)...)
	}
	return r
}

// maxReverseZones is how many zones a subnet may be cut into. Only IPv4 ones
// longer than /24 are cut into more.
const maxReverseZones = 128

// reverseZones name the zones that p consists of; none if there are too many.
func reverseZones(p netip.Prefix) []string {
	label := 8
	if p.Addr().Is6() {
		label = 4
	}
	bits := (p.Bits() + label - 1) / label * label
	if 1<<(bits-p.Bits()) > maxReverseZones {
		return nil
	}
	var zones []string
	for zone := netip.PrefixFrom(p.Masked().Addr(), bits); p.Contains(zone.Addr()); zone = next(zone) {
		zones = append(zones, reverseZone(zone))
		if next(zone).Addr().Compare(zone.Addr()) < 0 {
			break // the last of all addresses
		}
	}
	return zones
}

// next is the prefix behind p, as long as it.
func next(p netip.Prefix) netip.Prefix {
	b := p.Addr().AsSlice()
	carry := 1 << ((8 - p.Bits()%8) % 8)
	for i := (p.Bits() - 1) / 8; i >= 0 && carry > 0; i-- {
		carry += int(b[i])
		b[i] = byte(carry)
		carry >>= 8
	}
	addr, _ := netip.AddrFromSlice(b) // as long as it was
	return netip.PrefixFrom(addr, p.Bits())
}
