package plan

import (
	"fmt"
	"strings"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/nat"
)

// String prints the plan for people: one paragraph for each part, one line
// for each thing in it.
func (p *Plan) String() string {
	var w lines
	if p.Bridge != nil {
		w.bridge(p.Bridge)
	}
	if p.Link() == "" {
		w.line("no bridge: interfaces of domains bring what they need")
	}
	if p.Named != nil {
		w.line("host's bridge %s", p.Named.Name)
		w.bandwidth(p.Named.Bandwidth)
		w.when(p.Named.VLANFiltering, "  vlan filtering")
	}
	if p.NAT != nil {
		w.rules(p.NAT)
	}
	if p.DHCP4 != nil {
		w.dhcp4(p.DHCP4)
	}
	if p.DHCP6 != nil {
		w.dhcp6(p.DHCP6)
	}
	if p.TFTP != nil {
		w.tftp(p.TFTP)
	}
	if p.RA != nil {
		w.advertisements(p.RA)
	}
	if p.DNS != nil {
		w.dns(p.DNS)
	}
	if p.Zone != nil {
		w.when(p.Zone.Zone != "", "firewalld zone %s", p.Zone.Zone)
	}
	if r := p.Register; r != nil {
		w.line("host's resolver asks %v for %s", r.Servers, strings.Join(r.Domains, " "))
	}
	for _, n := range p.Names {
		w.line("name %s %s", n.Addr, strings.Join(n.Names, " "))
	}
	return w.String()
}

type lines struct{ strings.Builder }

func (w *lines) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// when prints a line if yes.
func (w *lines) when(yes bool, format string, args ...any) {
	if yes {
		w.line(format, args...)
	}
}

func (w *lines) bridge(c *bridge.Config) {
	w.line("bridge %s", c.Name)
	w.line("  owner %s", c.Owner)
	w.line("  mac %s", c.MAC)
	w.when(c.MTU != 0, "  mtu %d", c.MTU)
	if c.STP {
		w.line("  stp on, forward delay %s", c.ForwardDelay)
	} else {
		w.line("  stp off, forward delay %s", c.ForwardDelay)
	}
	for _, a := range c.Addrs {
		w.line("  address %s", a)
	}
	for _, r := range c.Routes {
		w.line("  route %s via %s metric %d", r.Dst, r.Gateway, max(r.Metric, 1))
	}
	w.when(!c.IPv6, "  disable_ipv6")
	w.bandwidth(c.Bandwidth)
	w.when(c.VLANFiltering, "  vlan filtering")
	w.when(c.Forward4, "host ip_forward")
	w.when(c.Forward6, "host ipv6 forwarding")
}

func (w *lines) bandwidth(b *bridge.Bandwidth) {
	if b == nil {
		return
	}
	w.rate("inbound", b.Inbound)
	w.rate("outbound", b.Outbound)
}

func (w *lines) rate(direction string, r *bridge.Rate) {
	if r != nil {
		w.line("  %s %d bytes/s, peak %d, burst of %d bytes", direction, r.Average, max(r.Peak, r.Average), r.Burst)
	}
}

func (w *lines) rules(n *nat.Network) {
	w.line("rules %s %s", n.Bridge, [...]string{nat.Isolated: "isolated", nat.NAT: "nat", nat.Route: "route"}[n.Mode])
	w.when(n.Dev != "", "  only through %s", n.Dev)
	for _, s := range n.Subnets {
		how := "routed"
		if s.NAT {
			how = "translated"
		}
		if n.Mode == nat.Isolated {
			how = "isolated"
		}
		w.line("  subnet %s %s", s.Prefix, how)
	}
	w.when(n.AddrStart.IsValid(), "  snat to %s-%s", n.AddrStart, n.AddrEnd)
	w.when(n.PortStart != 0, "  ports %d-%d", n.PortStart, n.PortEnd)
	w.when(n.IPv6, "  ipv6 among guests")
}

func (w *lines) dhcp4(c *dhcpd.Config4) {
	w.line("dhcp %s %s", c.Link, c.Server)
	for _, r := range c.Ranges {
		w.line("  range %s-%s lease %s", r.Start, r.End, leaseText(r.Lease))
	}
	for _, r := range c.Reservations {
		w.Builder.WriteString("  reservation " + r.Addr.String())
		if r.MAC != nil {
			w.Builder.WriteString(" mac " + r.MAC.String())
		}
		if r.ClientID != nil {
			fmt.Fprintf(w, " id %x", r.ClientID)
		}
		if r.Name != "" {
			w.Builder.WriteString(" name " + r.Name)
		}
		w.line(" lease %s", leaseText(r.Lease))
	}
	w.when(c.Router, "  offers router")
	w.when(c.DNS, "  offers resolver")
	w.when(c.Domain != "", "  offers domain %s", c.Domain)
	w.when(c.MTU != 0, "  offers mtu %d", c.MTU)
	w.when(c.BootFile != "", "  boot %s", c.BootFile)
	w.when(c.BootServer.IsValid(), "  boot server %s", c.BootServer)
	w.dhcpOptions(c)
}

func leaseText(l dhcpd.LeaseTime) string {
	switch {
	case l.Infinite:
		return "infinite"
	case l.Duration == 0:
		return "default"
	}
	return l.Duration.String()
}

func (w *lines) dns(c *dns.Config) {
	w.line("dns %s", c.Link)
	for _, a := range c.Addrs {
		w.line("  listen %s", a)
	}
	w.when(c.Domain != "", "  domain %s", c.Domain)
	for _, z := range c.LocalZones {
		w.line("  local zone %s", z)
	}
	for _, f := range c.Forwarders {
		w.line("  forward to %s", f)
	}
	for _, f := range c.DomainForwarders {
		to := "the host's upstreams"
		if len(f.Servers) > 0 {
			to = fmt.Sprint(f.Servers)
		}
		w.line("  forward %s to %s", f.Domain, to)
	}
	w.when(c.Resolv, "  forward to the host's upstreams")
	w.when(c.NoPlainNames, "  plain names are not forwarded")
	w.dnsOptions(c)
	for _, t := range c.TXT {
		w.line("  txt %s %q", t.Name, t.Value)
	}
	for _, s := range c.SRV {
		w.line("  srv %s %q port %d priority %d weight %d", s.Name, s.Target, s.Port, s.Priority, s.Weight)
	}
}
