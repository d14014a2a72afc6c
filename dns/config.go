// Package dns answers queries on a network's bridge: our own names with
// authority, everything else through a cache from the upstreams.
package dns

import "net/netip"

// Config is one network's DNS service.
type Config struct {
	Link  string
	Addrs []netip.Addr // the bridge's, where it listens
	// Domain is the network's domain, "" if none. Bare names in Records are
	// also known with it appended.
	Domain string
	// LocalZones are never forwarded: what Records does not know there is
	// NXDOMAIN, whatever DomainForwarders say of the very same domain.
	LocalZones []string
	// Subnets are the network's own: reverse names in them are never
	// forwarded, so that look-ups of unused addresses do not leak.
	Subnets []netip.Prefix
	// Forwarders for everything; when empty and Resolv is set, the host's
	// own upstreams are used.
	Forwarders []netip.AddrPort
	// DomainForwarders send a domain elsewhere; the longest domain that a
	// name is in counts. Empty Servers means where names in no domain go:
	// Forwarders, or the host's upstreams.
	DomainForwarders []DomainForwarder
	Resolv           bool // use the host's upstreams (followed as they change)
	NoPlainNames     bool // forwardPlainNames='no': dotless names are never forwarded
	TXT              []TXT
	SRV              []SRV
}

// DomainForwarder sends queries for a domain and all below it to Servers.
type DomainForwarder struct {
	Domain  string
	Servers []netip.AddrPort
}

// TXT is a text record.
type TXT struct{ Name, Value string }

// SRV is a service record; an empty Target means that the service is not
// offered.
type SRV struct {
	Name                   string // _service._proto[.domain]
	Target                 string
	Port, Priority, Weight uint16
}

// Name is one address and its names, from a lease, a reservation, a dns/host
// or the host's own hosts file. The first name is the one a PTR query gets.
type Name struct {
	Addr  netip.Addr
	Names []string
	TTL   uint32 // seconds; 0 as dnsmasq answers for local names
	// Source says who gives this name: the same name may be given by several
	// (a reservation and its lease), and lasts until the last one takes it
	// back. Any string that tells them apart; "" is a source like any other.
	Source string
}
