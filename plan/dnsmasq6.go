package plan

import (
	"net/netip"

	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dnsmasq"
)

// addToDHCP6 puts into a DHCPv6 service what options of the dnsmasq namespace
// say.
func addToDHCP6(o *dnsmasq.Options, c *dhcpd.Config6) {
	c.Rules = o.Rules6
	for _, r := range o.Reservations6 {
		if r.Addr.IsValid() {
			r.Addr = inSubnet(r.Addr, c.Server)
		}
		c.Reservations = append(c.Reservations, r)
	}
	c.NoProbe, c.LogRequests = o.NoProbe, o.LogRequests
	if o.DNS.Domain != "" {
		c.Domain = o.DNS.Domain
	}
	if o.NoDNS {
		c.DNS = false
	}
}

// inSubnet completes an address of which only the host's part is given, as
// dnsmasq's [::56], with the subnet.
func inSubnet(a netip.Addr, subnet netip.Prefix) netip.Addr {
	if !netip.PrefixFrom(netip.IPv6Unspecified(), subnet.Bits()).Contains(a) {
		return a
	}
	b, net := a.As16(), subnet.Masked().Addr().As16()
	for i := range b {
		b[i] |= net[i]
	}
	return netip.AddrFrom16(b)
}
