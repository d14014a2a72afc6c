package plan

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/nat"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Make plans the network n on a host that has what h says. It refuses, with
// an *xmlnet.Error in libvirt's code, what cannot be started: a subnet that
// the host already uses, a mask that is none, a port range of one port.
//
// n must be complete: it has a UUID, and a bridge name and MAC where its mode
// needs them. Of a network without a bridge of its own little is on the host:
// its domains' interfaces bring what they need.
func Make(n *xmlnet.Network, h bridge.Host) (*Plan, error) {
	if !n.Forward.Mode.OwnBridge() {
		return &Plan{Named: makeTuning(n)}, nil
	}
	if err := startable(n); err != nil {
		return nil, err
	}
	if err := collides(n, h); err != nil {
		return nil, err
	}
	p := &Plan{
		Bridge: makeBridge(n),
		NAT:    makeNAT(n),
		DHCP4:  makeDHCP4(n),
		DHCP6:  makeDHCP6(n),
		RA:     makeRA(n),
		TFTP:   makeTFTP(n),
		DNS:    makeDNS(n),
		Names:  makeNames(n),

		Zone:     makeZone(n),
		Register: makeRegistration(n),
	}
	if err := addOptions(n, p); err != nil {
		return nil, err
	}
	if err := addBoot(n, p); err != nil {
		return nil, err
	}
	if err := addDHCPSettings(n, p); err != nil {
		return nil, err
	}
	return p, nil
}

func refuse(k xmlnet.Kind, format string, args ...any) error {
	return &xmlnet.Error{Kind: k, Text: fmt.Sprintf(format, args...)}
}

// startable finds what libvirt accepts in a definition and refuses at start.
func startable(n *xmlnet.Network) error {
	for i, ip := range n.IPs {
		if ip.Text.BadNetmask {
			return refuse(xmlnet.InternalError, "network '%s': ip[%d]: netmask '%s' is not contiguous", n.Name, i, ip.Text.Netmask)
		}
		step := 8
		if ip.Prefix.Addr().Is6() {
			step = 4
		}
		if ip.Local == xmlnet.Yes && ip.Prefix.Bits()%step != 0 {
			return refuse(xmlnet.ConfigUnsupported, "network '%s': ip[%d]: localPtr needs a prefix length that is a multiple of %d, not %d", n.Name, i, step, ip.Prefix.Bits())
		}
	}
	if p := n.Forward.NATPorts; p != nil && p.Start == p.End {
		return refuse(xmlnet.InternalError, "Invalid port range '%d-%d': it must hold more than one port", p.Start, p.End)
	}
	return nil
}

// collides refuses subnets and static routes that overlap what the host has
// on other links, in either family. libvirt looks for equal IPv4 routes only.
func collides(n *xmlnet.Network, h bridge.Host) error {
	for _, ip := range n.IPs {
		if s, ok := bridge.Collision(h, ip.Prefix.Masked(), n.Bridge.Name); ok {
			return refuse(xmlnet.InternalError, "Network is already in use by interface %s: %s overlaps %s", s.Link, ip.Prefix.Masked(), s.Prefix)
		}
	}
	for _, r := range n.Routes {
		if r.Dst.Bits() == 0 {
			continue
		}
		if s, ok := bridge.Collision(h, r.Dst, n.Bridge.Name); ok {
			return refuse(xmlnet.InternalError, "Route address '%s' conflicts with IP address for '%s' (%s)", r.Dst, s.Link, s.Prefix)
		}
	}
	return nil
}

func makeBridge(n *xmlnet.Network) *bridge.Config {
	c := &bridge.Config{
		Name:         n.Bridge.Name,
		Owner:        n.UUID.String(),
		MAC:          n.MAC,
		MTU:          int(n.MTU),
		STP:          !n.Bridge.STPOff,
		ForwardDelay: time.Duration(n.Bridge.Delay) * time.Second,

		Bandwidth:     makeBandwidth(n.Bandwidth),
		VLANFiltering: n.Bridge.MACTableManager == xmlnet.MACTableLibvirt,
	}
	forwards := n.Forward.Mode != xmlnet.Isolated
	for _, ip := range n.IPs {
		c.Addrs = append(c.Addrs, ip.Prefix)
		if ip.Prefix.Addr().Is6() {
			c.IPv6 = true
			c.Forward6 = forwards
		} else {
			c.Forward4 = forwards
		}
	}
	for _, r := range n.Routes {
		c.Routes = append(c.Routes, bridge.Route{Dst: r.Dst, Gateway: r.Gateway, Metric: int(r.Metric)})
	}
	return c
}

// makeNAT returns nil for open networks, which have no rules.
func makeNAT(n *xmlnet.Network) *nat.Network {
	if n.Forward.Mode == xmlnet.Open {
		return nil
	}
	rules := &nat.Network{
		ID:     n.UUID.String(),
		Name:   n.Name,
		Bridge: n.Bridge.Name,
		Mode:   map[xmlnet.ForwardMode]nat.Mode{xmlnet.NAT: nat.NAT, xmlnet.RouteMode: nat.Route}[n.Forward.Mode],
		IPv6:   n.IPv6,
	}
	if len(n.Forward.Interfaces) > 0 {
		rules.Dev = n.Forward.Interfaces[0]
	}
	if p := n.Forward.NATPorts; p != nil {
		rules.PortStart, rules.PortEnd = p.Start, p.End
	}
	if a := n.Forward.NATAddrs; a != nil {
		rules.AddrStart, rules.AddrEnd = a.Start, a.End
	}
	for _, ip := range n.IPs {
		six := ip.Prefix.Addr().Is6()
		rules.IPv6 = rules.IPv6 || six
		rules.Subnets = append(rules.Subnets, nat.Subnet{
			Prefix: ip.Prefix.Masked(),
			NAT:    n.Forward.Mode == xmlnet.NAT && (!six || n.Forward.NATIPv6 == xmlnet.Yes),
		})
	}
	return rules
}

// makeDHCP4 plans the service of the one IPv4 ip that has a dhcp element with
// ranges or hosts, if there is one.
func makeDHCP4(n *xmlnet.Network) *dhcpd.Config4 {
	for _, ip := range n.IPs {
		if !ip.Prefix.Addr().Is4() || len(ip.Ranges)+len(ip.Hosts) == 0 {
			continue
		}
		c := newDHCP4(n, &ip)
		for _, r := range ip.Ranges {
			c.Ranges = append(c.Ranges, dhcpd.Range{Start: r.Start, End: r.End, Lease: leaseTime(r.Lease)})
		}
		for _, h := range ip.Hosts {
			c.Reservations = append(c.Reservations, dhcpd.Reservation{
				MAC: h.MAC, ClientID: clientID(h.ID), Name: h.Name, Addr: h.Addr, Lease: leaseTime(h.Lease),
			})
		}
		if ip.Bootp != nil {
			c.BootFile, c.BootServer = ip.Bootp.File, ip.Bootp.Server
		}
		return c
	}
	return nil
}

// newDHCP4 plans a service on ip that has no addresses to give yet.
func newDHCP4(n *xmlnet.Network, ip *xmlnet.IP) *dhcpd.Config4 {
	return &dhcpd.Config4{
		Link:   n.Bridge.Name,
		Server: ip.Prefix,
		Router: n.Forward.Mode != xmlnet.Isolated,
		DNS:    n.DNS.Enable != xmlnet.No,
		Domain: n.Domain.Name,
		MTU:    int(n.MTU),
	}
}

func leaseTime(l *xmlnet.Lease) dhcpd.LeaseTime {
	if l == nil {
		return dhcpd.LeaseTime{}
	}
	d, finite := l.Duration()
	return dhcpd.LeaseTime{Duration: d, Infinite: !finite}
}

// clientID reads host/@id as a DHCPv4 client identifier: hexadecimal bytes
// with colons, as net-dhcp-leases prints one. Anything else has no effect, as
// every id has none with libvirt.
func clientID(text string) []byte {
	id, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err != nil || len(id) == 0 {
		return nil
	}
	return id
}

// addrs returns the network's own addresses.
func addrs(n *xmlnet.Network) []netip.Addr {
	var all []netip.Addr
	for _, ip := range n.IPs {
		all = append(all, ip.Prefix.Addr())
	}
	return all
}
