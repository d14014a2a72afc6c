// Package bridge makes a network's bridge: its link, addresses, routes and
// sysctls, by netlink. It compares with what the kernel has and changes only
// the difference; it never touches a link that is not ours.
package bridge

import (
	"net"
	"net/netip"
	"time"
)

// Config is what the host should have for one network.
type Config struct {
	Name string // of the link, at most 15 bytes
	// Owner is written into the link's alias ("vnetmgr:" + Owner), so that a
	// restart knows its own. It is the network's UUID.
	Owner        string
	MAC          net.HardwareAddr
	MTU          int // 0: the kernel's choice, which is the ports' smallest or 1500
	STP          bool
	ForwardDelay time.Duration  // with STP at least 2 s and at most 30 s, by IEEE 802.1D
	Addrs        []netip.Prefix // address and length, not masked
	Routes       []Route
	IPv6         bool // false: disable_ipv6=1 on the bridge
	Forward4     bool // net.ipv4.ip_forward=1 (never turned off again)
	Forward6     bool // net.ipv6.conf.all.forwarding=1 (never turned off again)
	Bandwidth    *Bandwidth
	// VLANFiltering makes the bridge tell VLANs apart, with which a port's
	// learning and flooding can be left to whoever plugs it. It is never
	// turned off again: without VLANs set on ports, frames pass as before.
	VLANFiltering bool
}

// Tuning is what a network sets on a bridge that is not its own.
type Tuning struct {
	Name          string
	Bandwidth     *Bandwidth
	VLANFiltering bool // never turned off again
}

// IsZero reports whether nothing is to be set.
func (t Tuning) IsZero() bool { return t.Bandwidth == nil && !t.VLANFiltering }

// Route is a static route through the bridge.
type Route struct {
	Dst     netip.Prefix
	Gateway netip.Addr
	Metric  int // 0: 1, as libvirt's
}

// Host is what was observed of the host's links, addresses and routes.
type Host struct {
	Links   []Link
	Subnets []Subnet
}

// Link is one link of the host.
type Link struct {
	Name   string
	Index  int
	Kind   string // "bridge", "tun", "veth", "" for hardware
	Owner  string // Config.Owner if it is ours
	Master string // the bridge it is a port of
	MAC    net.HardwareAddr
	MTU    int
}

// Subnet is a prefix that the host has an address in or a route to. Default
// routes (length 0) and link-local, multicast and loopback ones are left out.
type Subnet struct {
	Prefix netip.Prefix // masked
	Link   string
	Route  bool // a route, rather than an address
}
