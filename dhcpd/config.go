// Package dhcpd serves DHCP on a network's bridge.
package dhcpd

import (
	"net"
	"net/netip"
	"time"
)

// Config4 is one network's DHCPv4 service.
type Config4 struct {
	Link   string       // the bridge
	Server netip.Prefix // our address and the subnet's length
	Ranges []Range
	// Reservations may lie outside every range, but only those in the subnet
	// are served.
	Reservations []Reservation
	Router       bool // offer Server as router
	DNS          bool // offer Server as resolver
	Domain       string
	MTU          int // 0: none offered
	BootFile     string
	BootServer   netip.Addr // zero: Server
	Rules        Rules
	NoProbe      bool // addresses are offered without looking who uses them
	LogRequests  bool // each request is a line in the log
	// OneClient: all who go by one client identifier are one client, whatever
	// their MACs (RFC 2131 §4.2).
	OneClient bool
	Unshared  bool // one bridge port may have all addresses
}

// Config6 is one network's DHCPv6 service.
type Config6 struct {
	Link   string       // the bridge
	Server netip.Prefix // our address and the subnet's length
	// DUID names this server to its clients; it must never change (LoadDUID).
	DUID   []byte
	Ranges []Range
	// Reservations may lie outside every range, but only those in the subnet
	// are served. ClientID is a DUID here.
	Reservations []Reservation
	DNS          bool // offer Server as resolver
	Domain       string
	// Authoritative offers are taken at once, without waiting for others.
	Authoritative bool
	Rules         Rules
	NoProbe       bool // addresses are offered without looking who uses them
	LogRequests   bool // each request is a line in the log
	OneClient     bool // as in Config4, of DUID and IAID
	Unshared      bool // one bridge port may have all addresses
}

// Range is an inclusive range of addresses.
type Range struct {
	Start, End netip.Addr
	Lease      LeaseTime
	Tags       []string // of the clients that get an address here
}

// LeaseTime is a lease's length; the zero value is the default, of one hour
// for IPv4 and one day for IPv6.
type LeaseTime struct {
	Duration time.Duration
	Infinite bool
}

// Reservation keeps an address for a client, found by MAC or by the name
// that it sends.
type Reservation struct {
	MAC      net.HardwareAddr // nil if none
	ClientID []byte           // nil if none
	Name     string           // given to the client; the key when MAC and ClientID are nil
	Addr     netip.Addr       // zero: any; what else is said holds all the same
	Lease    LeaseTime
	Tags     []string
	Ignore   bool // the client gets no answer
}
