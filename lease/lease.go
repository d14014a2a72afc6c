// Package lease holds DHCP leases: a table with constant-time choice and
// look-up for each network, and one store on disk for all of them.
package lease

import (
	"net"
	"net/netip"
	"time"
)

// Lease is an acknowledged address.
type Lease struct {
	Addr     netip.Addr
	MAC      net.HardwareAddr
	ClientID []byte // DHCPv4 client identifier or DHCPv6 DUID; nil if none
	IAID     uint32 // DHCPv6 only
	Hostname string
	// ServerDUID is DHCPv6 only.
	ServerDUID []byte
	Start      time.Time
	Expiry     time.Time // zero: never
}

// Expired tells whether the lease has ended at now.
func (l Lease) Expired(now time.Time) bool {
	return !l.Expiry.IsZero() && !now.Before(l.Expiry)
}
