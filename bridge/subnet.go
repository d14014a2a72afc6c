package bridge

import "net/netip"

// minRoute is the length under which a route is a default route in disguise:
// VPN clients cover the whole Internet with 0.0.0.0/1 and 128.0.0.0/1, 2000::/3
// or fc00::/7, so as not to replace the host's own default route. The largest
// real subnet, 10.0.0.0/8, has 8.
const minRoute = 8

// Collision finds an address or route of the host that shares any address with
// prefix: equal to it, part of it, or around it. The link ignoreLink, if not
// empty, is not looked at: it is the bridge that the prefix is for. Default
// routes collide with nothing.
func Collision(h Host, prefix netip.Prefix, ignoreLink string) (Subnet, bool) {
	for _, s := range h.Subnets {
		switch {
		case ignoreLink != "" && s.Link == ignoreLink:
		case s.Route && s.Prefix.Bits() < minRoute:
		case s.Prefix.Overlaps(prefix):
			return s, true
		}
	}
	return Subnet{}, false
}

// FreeSubnet returns the first 192.168.N.0/24 that collides with nothing, for
// the built-in network: N is libvirt's 122 if it can be, else the next one up
// to 255, then from 0. If none is free it returns false.
func FreeSubnet(h Host) (netip.Prefix, bool) {
	const first, all = 122, 256
	for i := range all {
		n := byte((first + i) % all)
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, n, 0}), 24)
		if _, taken := Collision(h, p, ""); !taken {
			return p, true
		}
	}
	return netip.Prefix{}, false
}
