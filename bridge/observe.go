package bridge

import (
	"context"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Observe reads the host's links, and the subnets that its addresses and
// routes of the main table are in. Subnets that are local as a whole (`ip
// route add local`) count as routes.
func (c *Conn) Observe(ctx context.Context) (Host, error) {
	links, err := c.links(ctx, 0)
	if err != nil {
		return Host{}, err
	}
	names := make(map[int]string, len(links))
	for _, l := range links {
		names[l.index] = l.name
	}
	var h Host
	for _, l := range links {
		h.Links = append(h.Links, Link{
			Name: l.name, Index: l.index, Kind: l.kind, Owner: l.owner(), Master: names[l.master], MAC: l.mac, MTU: l.mtu,
		})
	}
	addrs, err := c.addrs(ctx, 0)
	if err != nil {
		return Host{}, err
	}
	routes, err := c.subnetRoutes(ctx)
	if err != nil {
		return Host{}, err
	}
	h.Subnets = subnets(names, addrs, routes)
	return h, nil
}

// subnetRoutes lists the routes that make subnets this host's matter. The
// local table has one for each address too, of full length; they say nothing
// new.
func (c *Conn) subnetRoutes(ctx context.Context) ([]kernelRoute, error) {
	var all []kernelRoute
	for _, f := range []routeFilter{
		{family: unix.AF_INET, table: unix.RT_TABLE_MAIN, kind: unix.RTN_UNICAST},
		{family: unix.AF_INET6, table: unix.RT_TABLE_MAIN, kind: unix.RTN_UNICAST},
		{family: unix.AF_INET, table: unix.RT_TABLE_LOCAL, kind: unix.RTN_LOCAL},
		{family: unix.AF_INET6, table: unix.RT_TABLE_LOCAL, kind: unix.RTN_LOCAL},
	} {
		routes, err := c.routes(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, r := range routes {
			if r.kind == unix.RTN_UNICAST || !r.dst.IsSingleIP() {
				all = append(all, r)
			}
		}
	}
	return all, nil
}

// subnets lists each subnet once for each link: for its address, or else for
// the route.
func subnets(names map[int]string, addrs []addr, routes []kernelRoute) []Subnet {
	type key struct {
		prefix netip.Prefix
		link   string
	}
	var list []Subnet
	seen := map[key]bool{}
	add := func(p netip.Prefix, link int, route bool) {
		p = p.Masked()
		k := key{p, names[link]}
		if k.link == "" || seen[k] || !matters(p) {
			return
		}
		seen[k] = true
		list = append(list, Subnet{Prefix: p, Link: k.link, Route: route})
	}
	for _, a := range addrs {
		if a.peer.IsValid() { // the length is that of the peer's subnet
			add(netip.PrefixFrom(a.prefix.Addr(), a.prefix.Addr().BitLen()), a.index, false)
			add(netip.PrefixFrom(a.peer, a.prefix.Bits()), a.index, false)
			continue
		}
		add(a.prefix, a.index, false)
	}
	for _, r := range routes {
		add(r.dst, r.index, true)
	}
	return list
}

// matters reports whether a prefix can collide with a network's: it is no
// default route, and not of those that every link may use at once.
func matters(p netip.Prefix) bool {
	a := p.Addr()
	return p.Bits() > 0 && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsMulticast()
}
