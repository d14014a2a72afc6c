// Package plan decides what the host should have for a network. It is pure:
// a definition and what the host already has go in, a value comes out.
package plan

import (
	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/firewalld"
	"github.com/vnetmgr/vnetmgr/nat"
	"github.com/vnetmgr/vnetmgr/radv"
	"github.com/vnetmgr/vnetmgr/resolved"
	"github.com/vnetmgr/vnetmgr/tftp"
)

// Plan is all that an active network is made of.
type Plan struct {
	Bridge *bridge.Config // nil: no bridge of its own
	// Named is what is set on the host's bridge that a network of mode bridge
	// names; nil where there is none.
	Named *bridge.Tuning
	NAT   *nat.Network // nil: no rules (open)
	DHCP4 *dhcpd.Config4
	DHCP6 *dhcpd.Config6
	RA    *radv.Config
	TFTP  *tftp.Config
	DNS   *dns.Config
	// Zone is the firewalld zone of the bridge; nil: not ours to choose.
	Zone *firewalld.Binding
	// Register is what the host's own resolver is told; nil: nothing.
	Register *resolved.Registration
	// Names are the records that the definition itself gives: dns/host and
	// reservations.
	Names []dns.Name
}

// Link is the bridge of the network, its own or the host's; "" if it has none.
func (p *Plan) Link() string {
	switch {
	case p.Bridge != nil:
		return p.Bridge.Name
	case p.Named != nil:
		return p.Named.Name
	}
	return ""
}

// Forwards tells whether the network needs the host to forward packets.
func (p *Plan) Forwards() bool {
	return p.Bridge != nil && (p.Bridge.Forward4 || p.Bridge.Forward6)
}

// WithoutForwarding is p without what it changes of the host for good:
// forwarding, once on, stays on.
func (p *Plan) WithoutForwarding() *Plan {
	still := *p
	if p.Bridge != nil {
		b := *p.Bridge
		b.Forward4, b.Forward6 = false, false
		still.Bridge = &b
	}
	return &still
}
