package nat

import "net/netip"

// Mode is what a network's guests may reach.
type Mode uint8

// The modes. Open networks have no rules, but for Keep's: one without Keep is
// not for a Ruleset.
const (
	Isolated Mode = iota
	NAT
	Route
	OpenMode
)

// Network is one active network's part of the ruleset.
type Network struct {
	ID      string // the network's UUID: names its chains
	Name    string // for comments
	Bridge  string
	Mode    Mode
	Dev     string // forward dev: outside traffic only through this link; "" any
	Subnets []Subnet
	// IPv6 is whether the generic IPv6 rules (cross, reject) are made: the
	// network has an IPv6 address or ipv6='yes'.
	IPv6      bool
	PortStart uint16 // masquerade port range for tcp and udp; 0: 1024-65535
	PortEnd   uint16
	AddrStart netip.Addr // IPv4: SNAT to this range instead of masquerading
	AddrEnd   netip.Addr
	// Keep lets connections that are translated go on, whatever else the rules
	// say: they began under earlier ones.
	Keep bool
}

// Subnet is one ip element's subnet.
type Subnet struct {
	Prefix netip.Prefix // masked
	// NAT: translated and answered by state (nat networks, and IPv6 ones with
	// nat ipv6='yes'). Otherwise routed both ways.
	NAT bool
}

// Ruleset is every active network's part, in any order.
type Ruleset struct{ Networks []Network }
