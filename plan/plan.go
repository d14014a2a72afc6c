// Package plan decides what the host should have for a network. It is pure:
// a definition and what the host already has go in, a value comes out.
package plan

import (
	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/nat"
	"github.com/vnetmgr/vnetmgr/radv"
	"github.com/vnetmgr/vnetmgr/tftp"
)

// Plan is all that an active network is made of.
type Plan struct {
	Bridge *bridge.Config
	NAT    *nat.Network // nil: no rules (open)
	DHCP4  *dhcpd.Config4
	RA     *radv.Config
	TFTP   *tftp.Config
	DNS    *dns.Config
	// Names are the records that the definition itself gives: dns/host and
	// reservations.
	Names []dns.Name
}
