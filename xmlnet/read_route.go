package xmlnet

import "net/netip"

// routes reads the <route> elements. Whether the gateways can be reached is
// for Validate.
func (r *reader) routes() error {
	for i, d := range r.doc.Routes {
		route, err := r.route(d)
		if err != nil {
			return in(err, "route[%d]", i+1)
		}
		r.n.Routes = append(r.n.Routes, route)
	}
	return nil
}

func (r *reader) route(d routeDoc) (Route, error) {
	var route Route
	if d.Address == "" {
		return route, errf(XMLError, "%s: Missing required address attribute in route definition", r.n.Name)
	}
	if d.Gateway == nil {
		return route, errf(XMLError, "%s: Missing required gateway attribute in route definition", r.n.Name)
	}
	dst, ok := parseAddr(d.Address)
	if !ok {
		return route, errf(XMLError, "%s: Bad network address '%s' in route definition", r.n.Name, d.Address)
	}
	if route.Gateway, ok = parseAddr(*d.Gateway); !ok {
		return route, errf(XMLError, "%s: Bad gateway address '%s' in route definition", r.n.Name, *d.Gateway)
	}
	if err := r.routeFamily(d, dst, route.Gateway); err != nil {
		return route, err
	}
	if d.Family != nil {
		route.Text.Family = *d.Family
	}
	if err := r.routePrefix(d, dst, &route); err != nil {
		return route, err
	}
	return route, readMetric(d, &route)
}

func readMetric(d routeDoc, route *Route) error {
	if d.Metric == nil {
		return nil
	}
	metric, err := numberAttr("route", "metric", *d.Metric, 10, 1<<32-1)
	if err != nil {
		return err
	}
	if metric == 0 {
		return errf(XMLError, "Invalid value for attribute 'metric' in element 'route': Zero is not permitted")
	}
	route.Metric = uint32(metric)
	return nil
}

// routeFamily checks that route/@family goes with both addresses.
func (r *reader) routeFamily(d routeDoc, dst, gateway netip.Addr) error {
	family := ""
	if d.Family != nil {
		family = *d.Family
	}
	name := r.n.Name
	switch {
	case d.Family != nil && family != "ipv4" && family != "ipv6":
		return errf(XMLError, "%s: Unrecognized family '%s' in route definition", name, family)
	case family == "" && !is4(dst):
		return errf(XMLError, "%s: No family specified for non-IPv4 address '%s' in route definition", name, d.Address)
	case family == "" && !is4(gateway):
		return errf(XMLError, "%s: No family specified for non-IPv4 gateway '%s' in route definition", name, *d.Gateway)
	case family == "ipv4" && !is4(dst):
		return errf(XMLError, "%s: IPv4 family specified for non-IPv4 address '%s' in route definition", name, d.Address)
	case family == "ipv4" && !is4(gateway):
		return errf(XMLError, "%s: IPv4 family specified for non-IPv4 gateway '%s' in route definition", name, *d.Gateway)
	case family == "ipv6" && is4(dst):
		return errf(XMLError, "%s: ipv6 family specified for non-IPv6 address '%s' in route definition", name, d.Address)
	case family == "ipv6" && is4(gateway):
		return errf(XMLError, "%s: ipv6 specified for non-IPv6 gateway address '%s' in route definition", name, *d.Gateway)
	}
	return nil
}

// routePrefix reads the length of the destination and checks that the address
// is the network's own. Without netmask and prefix the length is 0.
func (r *reader) routePrefix(d routeDoc, dst netip.Addr, route *Route) error {
	name := r.n.Name
	mask, bits := netip.Addr{}, 0
	if d.Prefix != nil {
		prefix, err := numberAttr("route", "prefix", *d.Prefix, 10, 1<<32-1)
		if err != nil {
			return err
		}
		if prefix > uint64(dst.BitLen()) {
			return errf(XMLError, "%s: Invalid prefix %d specified in route definition, must be 0 - %d", name, prefix, dst.BitLen())
		}
		bits, route.Text.HasPrefix = int(prefix), true
	}
	if d.Netmask != "" {
		var ok bool
		mask, ok = parseAddr(d.Netmask)
		switch {
		case d.Prefix != nil:
			return errf(XMLError, "%s: Route definition cannot have both a prefix and a netmask", name)
		case !is4(dst):
			return errf(XMLError, "%s: Specifying netmask invalid for IPv6 address '%s' in route definition", name, d.Address)
		case !ok || !is4(mask):
			return errf(XMLError, "%s: Bad netmask address '%s' in route definition", name, d.Netmask)
		}
		route.Text.Netmask = mask.String()
		if bits, ok = maskBits(mask); !ok {
			bits, route.Text.BadNetmask = mask.BitLen(), true
		}
	}
	route.Dst = netip.PrefixFrom(dst, bits)
	if route.Dst.Masked() != route.Dst || route.Text.BadNetmask && !within(dst, mask) {
		return errf(XMLError, "%s: Address '%s' in route definition is not a network address", name, d.Address)
	}
	return nil
}

// within tells whether mask has every bit that a has; both are IPv4.
func within(a, mask netip.Addr) bool {
	x, m := a.As4(), mask.As4()
	for i := range x {
		if x[i]&^m[i] != 0 {
			return false
		}
	}
	return true
}
