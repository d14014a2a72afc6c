package plan

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

const dnsPort = 53

// makeDNS plans the resolver: there is one unless the network has no address
// or dns enable='no'.
func makeDNS(n *xmlnet.Network) *dns.Config {
	if n.DNS.Enable == xmlnet.No || len(n.IPs) == 0 {
		return nil
	}
	c := &dns.Config{
		Link:         n.Bridge.Name,
		Addrs:        serverAddrs(n),
		Domain:       n.Domain.Name,
		LocalZones:   localZones(n),
		NoPlainNames: n.DNS.ForwardPlainNames == xmlnet.No,
	}
	for _, f := range n.DNS.Forwarders {
		switch {
		case f.Domain == "":
			c.Forwarders = append(c.Forwarders, netip.AddrPortFrom(f.Addr, dnsPort))
		case f.Addr.IsValid():
			c.DomainForwarders = append(c.DomainForwarders, dns.DomainForwarder{
				Domain: f.Domain, Servers: []netip.AddrPort{netip.AddrPortFrom(f.Addr, dnsPort)},
			})
		default:
			c.DomainForwarders = append(c.DomainForwarders, dns.DomainForwarder{Domain: f.Domain})
		}
	}
	for _, ip := range n.IPs {
		c.Subnets = append(c.Subnets, ip.Prefix.Masked())
	}
	// The host's upstreams are out when the definition names its own, and an
	// isolated network has none.
	c.Resolv = n.Forward.Mode != xmlnet.Isolated && len(c.Forwarders) == 0
	for _, t := range n.DNS.TXT {
		c.TXT = append(c.TXT, dns.TXT{Name: t.Name, Value: t.Value})
	}
	for _, s := range n.DNS.SRV {
		c.SRV = append(c.SRV, makeSRV(n, s))
	}
	return c
}

// makeSRV fills in what libvirt leaves to dnsmasq: the network's domain, port
// 1; a target "." is none.
func makeSRV(n *xmlnet.Network, s xmlnet.SRV) dns.SRV {
	name := fmt.Sprintf("_%s._%s", s.Service, s.Protocol)
	if domain := s.Domain; domain != "" {
		name += "." + domain
	} else if n.Domain.Name != "" {
		name += "." + n.Domain.Name
	}
	srv := dns.SRV{Name: name, Target: s.Target, Port: s.Port, Priority: s.Priority, Weight: s.Weight}
	if srv.Target == "." {
		srv.Target = ""
	}
	if srv.Port == 0 {
		srv.Port = 1
	}
	return srv
}

// localZones are the domain, with localOnly, and the reverse zones of
// subnets with localPtr.
func localZones(n *xmlnet.Network) []string {
	var zones []string
	if n.Domain.Name != "" && n.Domain.LocalOnly == xmlnet.Yes {
		zones = append(zones, n.Domain.Name)
	}
	for _, ip := range n.IPs {
		if ip.Local == xmlnet.Yes {
			zones = append(zones, reverseZone(ip.Prefix))
		}
	}
	return zones
}

// reverseZone names the zone of p, whose length falls on a label boundary
// (RFC 1035 §3.5, RFC 3596 §2.5).
func reverseZone(p netip.Prefix) string {
	var labels []string
	if p.Addr().Is4() {
		b := p.Addr().As4()
		for _, octet := range b[:p.Bits()/8] {
			labels = append([]string{fmt.Sprint(octet)}, labels...)
		}
		return strings.Join(append(labels, "in-addr.arpa"), ".")
	}
	b := p.Addr().As16()
	for i := range p.Bits() / 4 {
		nibble := b[i/2] >> 4
		if i%2 == 1 {
			nibble = b[i/2] & 0xf
		}
		labels = append([]string{fmt.Sprintf("%x", nibble)}, labels...)
	}
	return strings.Join(append(labels, "ip6.arpa"), ".")
}

// makeNames are the names that the definition itself gives: dns hosts, and
// reservations that name an address.
func makeNames(n *xmlnet.Network) []dns.Name {
	if n.DNS.Enable == xmlnet.No {
		return nil
	}
	var names []dns.Name
	for _, h := range n.DNS.Hosts {
		names = append(names, dns.Name{Addr: h.Addr, Names: h.Names})
	}
	for _, ip := range n.IPs {
		for _, h := range ip.Hosts {
			if h.Name != "" && h.Addr.IsValid() {
				names = append(names, dns.Name{Addr: h.Addr, Names: []string{h.Name}})
			}
		}
	}
	return names
}
