package radv

import (
	"net/netip"
	"slices"
	"time"

	"github.com/mdlayher/ndp"
)

// What was advertised before a change is taken back for as long as a guest may
// go on using it afterwards (RFC 4862 §5.5.3 e: two hours), also for one that
// misses the first advertisements (RFC 9096 §3.5).
const (
	withdrawal = 2 * time.Hour
	// maxPast bounds how many configurations are taken back, and so how long an
	// advertisement becomes.
	maxPast = 8
)

// past is a configuration that was advertised until a change.
type past struct {
	cfg   Config
	until time.Time // when nobody uses it any more
}

// remember adds cfg, which is advertised no more since now; what has ended is
// dropped.
func remember(all []past, cfg Config, now time.Time) []past {
	all = slices.DeleteFunc(all, func(p past) bool { return !now.Before(p.until) })
	all = append(all, past{cfg, now.Add(withdrawal)})
	return all[max(0, len(all)-maxPast):]
}

// withdraw adds to ra the prefixes, resolvers and search domains that it lacks
// and old advertised, as those of a farewell.
func withdraw(ra *ndp.RouterAdvertisement, old Config, from origin) {
	has := said(ra.Options)
	for _, o := range farewell(old, from).Options {
		switch o := o.(type) {
		case *ndp.PrefixInformation:
			if !slices.Contains(has.prefixes, prefixOf(o)) {
				ra.Options = append(ra.Options, o)
			}
		case *ndp.RecursiveDNSServer:
			if servers := without(o.Servers, has.servers); len(servers) > 0 {
				ra.Options = append(ra.Options, &ndp.RecursiveDNSServer{Servers: servers})
			}
		case *ndp.DNSSearchList:
			if names := without(o.DomainNames, has.names); len(names) > 0 {
				ra.Options = append(ra.Options, &ndp.DNSSearchList{DomainNames: names})
			}
		}
	}
}

// content is what options are about.
type content struct {
	prefixes []netip.Prefix
	servers  []netip.Addr
	names    []string
}

func said(options []ndp.Option) content {
	var c content
	for _, o := range options {
		switch o := o.(type) {
		case *ndp.PrefixInformation:
			c.prefixes = append(c.prefixes, prefixOf(o))
		case *ndp.RecursiveDNSServer:
			c.servers = append(c.servers, o.Servers...)
		case *ndp.DNSSearchList:
			c.names = append(c.names, o.DomainNames...)
		}
	}
	return c
}

func prefixOf(o *ndp.PrefixInformation) netip.Prefix {
	return netip.PrefixFrom(o.Prefix, int(o.PrefixLength))
}

// without is all but those in has.
func without[T comparable](all, has []T) []T {
	return slices.DeleteFunc(slices.Clone(all), func(one T) bool { return slices.Contains(has, one) })
}
