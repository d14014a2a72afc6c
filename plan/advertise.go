package plan

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/radv"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

const (
	// routerLifetime is how long guests keep the host as router after each
	// advertisement, and the least that they keep a prefix.
	routerLifetime = 1800 * time.Second
	slaacBits      = 64 // the length of prefix that guests make addresses of (RFC 4862 §5.5.3)
)

// makeRA plans what libvirt has dnsmasq advertise: with DHCPv6 the one prefix
// that it serves, and that addresses come from there; else every IPv6 prefix,
// for guests to make themselves addresses. nil: nothing is advertised.
func makeRA(n *xmlnet.Network) *radv.Config {
	six := slices.DeleteFunc(slices.Clone(n.IPs), func(ip xmlnet.IP) bool { return ip.Prefix.Addr().Is4() })
	if len(six) == 0 || !hasService(n) {
		return nil
	}
	c := &radv.Config{Link: n.Bridge.Name, MTU: int(n.MTU), DNS: n.DNS.Enable != xmlnet.No}
	if c.DNS {
		c.Search = searchList(n.Domain.Name)
	}
	if n.Forward.Mode != xmlnet.Isolated {
		c.Lifetime = routerLifetime
	}
	if i := slices.IndexFunc(six, func(ip xmlnet.IP) bool { return ip.HasDHCP() }); i >= 0 {
		lifetime := prefixLifetime(six[i])
		c.Managed, c.Other = true, true
		c.Prefixes = []radv.Prefix{{Prefix: six[i].Prefix.Masked(), OnLink: true, Valid: lifetime, Preferred: lifetime}}
		return c
	}
	for _, ip := range six {
		p := radv.Prefix{
			Prefix: ip.Prefix.Masked(), OnLink: true, Autonomous: ip.Prefix.Bits() == slaacBits,
			Valid: radv.Infinite, Preferred: radv.Infinite,
		}
		// Guests have the link-local prefix of themselves (RFC 4861 §4.6.2).
		if !p.Prefix.Addr().IsLinkLocalUnicast() && !slices.Contains(c.Prefixes, p) {
			c.Prefixes = append(c.Prefixes, p)
		}
	}
	return c
}

// hasService tells whether libvirt would start dnsmasq for the network.
func hasService(n *xmlnet.Network) bool {
	if n.DNS.Enable != xmlnet.No {
		return len(n.IPs) > 0
	}
	return slices.ContainsFunc(n.IPs, func(ip xmlnet.IP) bool { return ip.HasDHCP() || ip.TFTPRoot != "" })
}

// prefixLifetime is the shortest lease time that the ip's ranges name, but no
// shorter than the router's lifetime; without any it is infinite, as dnsmasq's.
func prefixLifetime(ip xmlnet.IP) time.Duration {
	shortest := radv.Infinite
	for _, r := range ip.Ranges {
		if r.Lease == nil {
			continue
		}
		if d, finite := r.Lease.Duration(); finite {
			shortest = min(shortest, d)
		}
	}
	return max(shortest, routerLifetime)
}

// serverAddrs are where guests reach the resolver and the boot files: the
// network's addresses, and the link-local one that router advertisements name.
func serverAddrs(n *xmlnet.Network) []netip.Addr {
	all := addrs(n)
	if !slices.ContainsFunc(all, netip.Addr.Is6) {
		return all
	}
	if local := bridge.LinkLocal(n.MAC); !slices.Contains(all, local) {
		all = append(all, local)
	}
	return all
}

func (w *lines) advertisements(c *radv.Config) {
	w.line("router advertisements %s", c.Link)
	if c.Lifetime == 0 {
		w.line("  no router")
	} else {
		w.line("  router for %s", c.Lifetime)
	}
	w.when(c.Managed, "  addresses from DHCPv6")
	for _, p := range c.Prefixes {
		how := "on link"
		if p.Autonomous {
			how = "for addresses"
		}
		lifetime := "for ever"
		if p.Valid != radv.Infinite {
			lifetime = "for " + p.Valid.String()
		}
		w.line("  prefix %s %s %s", p.Prefix, how, lifetime)
	}
	w.when(c.MTU != 0, "  mtu %d", c.MTU)
	w.when(c.DNS && c.Resolvers == nil, "  resolver is the bridge's link-local address")
	for _, a := range c.Resolvers {
		w.line("  resolver %s", a)
	}
	w.when(len(c.Search) > 0, "  search %s", strings.Join(c.Search, " "))
}
