package plan

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// makeDHCP6 plans the service of the one IPv6 ip that has a dhcp element, if
// there is one. With DHCPv4 too it is authoritative, as libvirt's dnsmasq.
// Its DUID is for the daemon to set.
func makeDHCP6(n *xmlnet.Network) *dhcpd.Config6 {
	for _, ip := range n.IPs {
		if !ip.Prefix.Addr().Is6() || !ip.HasDHCP() {
			continue
		}
		c := &dhcpd.Config6{
			Link:   n.Bridge.Name,
			Server: ip.Prefix,
			DNS:    n.DNS.Enable != xmlnet.No,
			Domain: n.Domain.Name,
		}
		for _, r := range ip.Ranges {
			c.Ranges = append(c.Ranges, dhcpd.Range{Start: r.Start, End: r.End, Lease: leaseTime(r.Lease)})
		}
		for _, h := range ip.Hosts {
			c.Reservations = append(c.Reservations, dhcpd.Reservation{
				ClientID: duid(h.ID), Name: h.Name, Addr: h.Addr, Lease: leaseTime(h.Lease),
			})
		}
		for _, other := range n.IPs {
			if other.Prefix.Addr().Is4() && other.HasDHCP() {
				c.Authoritative = true
				c.Reservations = withMACs(c.Reservations, other.Hosts)
			}
		}
		return c
	}
	return nil
}

// withMACs gives reservations the MAC of the IPv4 host of the same name, which
// is the same guest: the definition has no place for one. An IPv4 host that
// has no such fellow keeps its name, also over IPv6.
func withMACs(all []dhcpd.Reservation, hosts []xmlnet.Host) []dhcpd.Reservation {
	byName := make(map[string]*dhcpd.Reservation)
	for i := range all {
		if name := strings.ToLower(all[i].Name); name != "" && byName[name] == nil {
			byName[name] = &all[i]
		}
	}
	var more []dhcpd.Reservation
	for _, h := range hosts {
		if h.MAC == nil || h.Name == "" {
			continue
		}
		if r := byName[strings.ToLower(h.Name)]; r == nil {
			more = append(more, dhcpd.Reservation{MAC: h.MAC, Name: h.Name})
		} else if r.MAC == nil {
			r.MAC = h.MAC
		}
	}
	return append(all, more...)
}

// duid reads host/@id: bytes in hexadecimal with colons between them, of one
// digit or two, as 0:1:0:1:18:aa.
func duid(text string) []byte {
	var id []byte
	for _, part := range strings.Split(text, ":") {
		if len(part)%2 == 1 {
			part = "0" + part
		}
		b, err := hex.DecodeString(part)
		if err != nil {
			return nil
		}
		id = append(id, b...)
	}
	return id
}

func (w *lines) dhcp6(c *dhcpd.Config6) {
	w.line("dhcpv6 %s %s", c.Link, c.Server)
	for _, r := range c.Ranges {
		w.line("  range %s-%s lease %s", r.Start, r.End, leaseText(r.Lease))
	}
	for _, r := range c.Reservations {
		w.Builder.WriteString("  reservation")
		if r.Addr.IsValid() {
			w.Builder.WriteString(" " + r.Addr.String())
		}
		if r.MAC != nil {
			w.Builder.WriteString(" mac " + r.MAC.String())
		}
		if r.ClientID != nil {
			fmt.Fprintf(w, " duid %x", r.ClientID)
		}
		if r.Name != "" {
			w.Builder.WriteString(" name " + r.Name)
		}
		w.line(" lease %s", leaseText(r.Lease))
	}
	w.when(c.DNS, "  offers resolver")
	w.when(c.Domain != "", "  offers domain %s", c.Domain)
	w.when(c.Authoritative, "  preferred over other servers")
	w.dhcpRules(&c.Rules)
	w.when(c.NoProbe, "  offers without probing")
	w.when(c.LogRequests, "  logs requests")
	w.when(c.OneClient, "  clones are one client")
	w.when(c.Unshared, "  one port may have all addresses")
}
