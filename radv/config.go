// Package radv sends router advertisements on a network's bridge (RFC 4861,
// RFC 8106): guests learn from them their IPv6 prefixes, router and resolver.
package radv

import (
	"net/netip"
	"time"
)

// Config is what one network advertises.
type Config struct {
	Link     string // the bridge
	Prefixes []Prefix
	Managed  bool // addresses come from DHCPv6
	Other    bool // other configuration comes from DHCPv6
	// Lifetime is how long the host is a default router after each
	// advertisement, to whole seconds; 0: it is none.
	Lifetime time.Duration
	MTU      int // 0: what the link has
	// DNS advertises resolvers: these, or the link's own link-local address.
	DNS       bool
	Resolvers []netip.Addr
	Search    []string // domains to search; none: the option is not sent
}

// Prefix is one prefix on the link.
type Prefix struct {
	Prefix     netip.Prefix // masked
	OnLink     bool         // its addresses are reached without a router
	Autonomous bool         // guests make themselves addresses of it
	// Valid and Preferred are the lifetimes of these addresses, up to Infinite.
	Valid, Preferred time.Duration
}

// Infinite is a lifetime without end (RFC 4861 §4.6.2).
const Infinite = 0xffffffff * time.Second

// What does not depend on the network.
const (
	hopLimit = 64 // that guests should use
	ndpHops  = 255
	minMTU   = 1280 // RFC 8200 §5
)
