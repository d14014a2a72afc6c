package journal

import (
	"net"
	"net/netip"

	"github.com/vnetmgr/vnetmgr/lease"
)

// Clones says of clients that go by another's identifier, by their addresses,
// whose it is: the MAC of who had it first.
type Clones map[netip.Addr]net.HardwareAddr

// Add notes l's client if it is a clone whose other is known: first returns the
// lease of a client that goes by another's identifier with another MAC.
func (c Clones) Add(l lease.Lease, first func(lease.Client) (lease.Lease, bool)) {
	if !l.Clone {
		return
	}
	as := l.Client()
	as.Clone = false
	if other, ok := first(as); ok {
		c[l.Addr] = other.MAC
	}
}
