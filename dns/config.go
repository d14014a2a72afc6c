// Package dns answers queries on a network's bridge: our own names with
// authority, everything else through a cache from the upstreams.
package dns

import (
	"net/netip"
	"time"
)

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
	// PrivateReverse says that reverse names of private addresses are never
	// forwarded (dnsmasq's bogus-priv).
	PrivateReverse bool
	NoHosts        bool     // the host's hosts file is not served
	HostsFiles     []string // more files like it, read when the configuration is set
	TXT            []TXT
	SRV            []SRV
	CNAMEs         []CNAME
	Records        []Record
	// Addresses are what names in whole domains have.
	Addresses []DomainAddress
	// Zones are answered with authority.
	Zones []Zone
	// LocalTTL is the TTL of our own names where they have none themselves.
	LocalTTL uint32
	Shaping  Shaping
	// QueryRate is how many queries a second one guest may send to upstreams,
	// after a burst of a second's worth; 0 is any number. What is beyond is
	// refused.
	QueryRate  int
	LogQueries bool // each query is a line in the log
}

// DomainAddress answers A or AAAA queries for a domain and all below it that
// nothing else is known of; "" is the root, all names. An IPv4 address says
// nothing of AAAA, and the other way round (dnsmasq's address).
type DomainAddress struct {
	Domain string
	Addr   netip.Addr
}

// CNAME is an alias. Name may begin with "*.": then all names below it are.
// The target's own records follow in the answer if they are known here.
type CNAME struct {
	Name, Target string
	TTL          uint32
}

// Record is a record of any type. Its data is Data and then, where the type
// ends in a name (MX, PTR), Target.
type Record struct {
	Name   string
	Type   uint16 // RFC 1035 §3.2.2
	Data   []byte
	Target string // "" if the data has no name at its end
	TTL    uint32
}

// Zone is a domain that we answer for alone: what is not known in it does not
// exist (dnsmasq's auth-zone).
type Zone struct {
	Domain     string
	Server     string // the primary name server; "" if it is not to be told
	Hostmaster string // a mailbox in name form
	Secondary  []string
	TTL        uint32
	// The SOA's fields (RFC 1035 §3.3.13).
	Serial, Refresh, Retry, Expire uint32
}

// Shaping is what is made of upstreams' answers. The zero value leaves them
// as they are.
type Shaping struct {
	MinTTL, MaxTTL time.Duration // bounds of how long an answer is kept; 0: none
	ShownTTL       time.Duration // the longest that guests are told; 0: any
	NegativeTTL    time.Duration // how long denials without an SOA are kept
	NoCache        bool
	NoNegative     bool // denials are not kept
	Parallel       bool // all servers are asked at once
	// NoRebind empties answers with private addresses, but for names in
	// RebindDomains, and 127.0.0.0/8 and ::1 if RebindLocalhost.
	NoRebind        bool
	RebindLocalhost bool
	RebindDomains   []string
	Bogus           []netip.Prefix // answers with these mean that the name does not exist
	DropA, DropAAAA bool
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
	// Exact names are not also known with the network's domain.
	Exact bool
}
