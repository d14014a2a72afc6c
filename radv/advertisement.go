package radv

import (
	"net"
	"net/netip"
	"time"

	"github.com/mdlayher/ndp"
)

// origin is the link that advertisements come from.
type origin struct {
	mac  net.HardwareAddr
	addr netip.Addr // link-local, without zone
	mtu  int        // that it has now
}

// advertisement says what cfg has to say. Its options are in dnsmasq's order,
// which guests have always seen.
func advertisement(cfg Config, from origin) *ndp.RouterAdvertisement {
	ra := &ndp.RouterAdvertisement{
		CurrentHopLimit:      hopLimit,
		ManagedConfiguration: cfg.Managed,
		OtherConfiguration:   cfg.Other,
		RouterLifetime:       cfg.Lifetime,
	}
	for _, p := range cfg.Prefixes {
		ra.Options = append(ra.Options, &ndp.PrefixInformation{
			PrefixLength:                   uint8(p.Prefix.Bits()),
			OnLink:                         p.OnLink,
			AutonomousAddressConfiguration: p.Autonomous,
			ValidLifetime:                  p.Valid,
			PreferredLifetime:              p.Preferred,
			Prefix:                         p.Prefix.Addr(),
		})
	}
	mtu := cfg.MTU
	if mtu == 0 {
		mtu = from.mtu
	}
	if mtu >= minMTU {
		ra.Options = append(ra.Options, ndp.NewMTU(uint32(mtu)))
	}
	ra.Options = append(ra.Options, &ndp.LinkLayerAddress{Direction: ndp.Source, Addr: from.mac})
	lifetime := shortest(cfg.Prefixes)
	if cfg.DNS {
		resolvers := cfg.Resolvers
		if len(resolvers) == 0 {
			resolvers = []netip.Addr{from.addr}
		}
		ra.Options = append(ra.Options, &ndp.RecursiveDNSServer{Lifetime: lifetime, Servers: resolvers})
	}
	if len(cfg.Search) > 0 {
		ra.Options = append(ra.Options, &ndp.DNSSearchList{Lifetime: lifetime, DomainNames: cfg.Search})
	}
	return ra
}

// shortest is how long the resolver is good for: as long as an address to ask
// it from.
func shortest(prefixes []Prefix) time.Duration {
	d := time.Duration(Infinite)
	for _, p := range prefixes {
		d = min(d, p.Preferred)
	}
	return d
}

// farewell takes back what advertisement said: the host is no router and no
// resolver any more (RFC 4861 §6.2.5, RFC 8106 §5.1), and guests prefer other
// addresses, if they have some (RFC 9096 §3.5). The MTU stays as it was.
func farewell(cfg Config, from origin) *ndp.RouterAdvertisement {
	ra := advertisement(cfg, from)
	ra.RouterLifetime = 0
	for _, o := range ra.Options {
		switch o := o.(type) {
		case *ndp.PrefixInformation:
			o.ValidLifetime, o.PreferredLifetime = 0, 0
		case *ndp.RecursiveDNSServer:
			o.Lifetime = 0
		case *ndp.DNSSearchList:
			o.Lifetime = 0
		}
	}
	return ra
}
