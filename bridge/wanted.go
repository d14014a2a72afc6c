package bridge

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Limits of the kernel.
const (
	maxAlias   = 255 // IFALIASZ without the terminating zero
	maxMTU     = 65535
	minMTU4    = 68   // RFC 791
	minMTU6    = 1280 // RFC 8200 §5; under it the kernel takes IPv6 off the link
	minSTPWait = 2 * time.Second
	maxSTPWait = 30 * time.Second
)

// check finds what the kernel would refuse only half way, or misunderstand.
func (want *Config) check() error {
	if err := CheckName(want.Name); err != nil {
		return err
	}
	if err := want.checkLink(); err != nil {
		return fmt.Errorf("bridge %s: %w", want.Name, err)
	}
	if err := want.checkAddrs(); err != nil {
		return fmt.Errorf("bridge %s: %w", want.Name, err)
	}
	return nil
}

func (want *Config) checkLink() error {
	switch {
	case want.Owner == "" || strings.ContainsRune(want.Owner, 0) || len(ownerPrefix+want.Owner) > maxAlias:
		return fmt.Errorf("owner %q does not fit into a link's alias", want.Owner)
	case len(want.MAC) != 6 || want.MAC[0]&1 != 0 || [6]byte(want.MAC) == [6]byte{}:
		return fmt.Errorf("MAC address %q is not a unicast one", want.MAC)
	case want.MTU != 0 && (want.MTU < minMTU4 || want.MTU > maxMTU):
		return fmt.Errorf("MTU %d is not between %d and %d", want.MTU, minMTU4, maxMTU)
	case want.MTU != 0 && want.MTU < minMTU6 && want.IPv6:
		return fmt.Errorf("MTU %d is too small for IPv6, which needs %d", want.MTU, minMTU6)
	case want.ForwardDelay < 0:
		return errors.New("forward delay is negative")
	}
	return nil
}

func (want *Config) checkAddrs() error {
	seen := map[netip.Addr]bool{}
	for _, p := range want.Addrs {
		switch a := p.Addr(); {
		case !p.IsValid() || a.Is4In6() || a.Zone() != "":
			return fmt.Errorf("address %s is not valid", p)
		case a.Is6() && !want.IPv6:
			return fmt.Errorf("address %s, but IPv6 is off", p)
		case seen[a]:
			return fmt.Errorf("address %s is there twice", p)
		default:
			seen[a] = true
		}
	}
	for _, r := range want.Routes {
		if !r.Dst.IsValid() || !r.Gateway.IsValid() || r.Dst.Addr().Is4() != r.Gateway.Is4() {
			return fmt.Errorf("route to %s via %s is not valid", r.Dst, r.Gateway)
		}
	}
	return nil
}

// addrs are the wanted addresses and, with IPv6, the link-local one, which
// router advertisements and DHCPv6 are sent from.
func (want *Config) addrs() []netip.Prefix {
	addrs := slices.Clone(want.Addrs)
	if !want.IPv6 {
		return addrs
	}
	local := linkLocal([6]byte(want.MAC))
	same := func(p netip.Prefix) bool { return p.Addr() == local.Addr() }
	if !slices.ContainsFunc(addrs, same) {
		addrs = append(addrs, local)
	}
	return addrs
}

// routes are the wanted routes as the kernel will show them: masked, and with
// metric 1 where none is given, as libvirt does.
func (want *Config) routes() []Route {
	var routes []Route
	for _, r := range want.Routes {
		r.Dst = r.Dst.Masked()
		r.Metric = max(r.Metric, 1)
		if !slices.Contains(routes, r) {
			routes = append(routes, r)
		}
	}
	return routes
}

// delay is the forward delay that the kernel will have: in its unit, and with
// STP within the limits of IEEE 802.1D, which it enforces.
func (want *Config) delay() time.Duration {
	d := want.ForwardDelay.Truncate(time.Second / userHZ)
	if want.STP {
		d = min(max(d, minSTPWait), maxSTPWait)
	}
	return d
}
