package xmlnet

import (
	"bytes"
	"slices"
	"strings"
)

// parent returns the <ip> whose DHCP is updated.
func (u *updater) parent() (*IP, error) {
	ips := u.n.IPs
	if u.ParentIndex >= len(ips) {
		return nil, refused("couldn't update dhcp host entry - no <ip> element found at index %d in network '%s'", u.ParentIndex, u.n.Name)
	}
	if u.ParentIndex >= 0 {
		return &ips[u.ParentIndex], nil
	}
	for _, fits := range []func(IP) bool{
		func(ip IP) bool { return ip.HasDHCP() },
		func(ip IP) bool { return is4(ip.Prefix.Addr()) },
		func(IP) bool { return true },
	} {
		if i := slices.IndexFunc(ips, fits); i >= 0 {
			return &ips[i], nil
		}
	}
	return nil, refused("couldn't update dhcp host entry - no <ip> element suitable for dhcp found in network '%s'", u.n.Name)
}

// onlyDHCP refuses to begin with DHCP on a second <ip> of a family.
func (u *updater) onlyDHCP(parent *IP) error {
	v4, family := is4(parent.Prefix.Addr()), "IPv6"
	if v4 {
		family = "IPv4"
	}
	for i := range u.n.IPs {
		ip := &u.n.IPs[i]
		if ip != parent && ip.HasDHCP() && is4(ip.Prefix.Addr()) == v4 {
			return refused("dhcp is supported only for a single %s address on each network", family)
		}
	}
	return nil
}

func (u *updater) updateDHCPHost(s *scanner) error {
	var d hostDoc
	if err := s.decode(&d); err != nil {
		return err
	}
	ip, err := u.parent()
	if err != nil {
		return err
	}
	// A MAC address in IPv6 is refused before the address is looked at.
	if !u.partial && d.IP != nil && (d.MAC == nil || is4(ip.Prefix.Addr())) {
		if a, ok := parseAddr(*d.IP); ok && is4(a) != is4(ip.Prefix.Addr()) {
			return refused("the address family of a host entry IP must match the address family of the dhcp element's parent")
		}
	}
	host, err := u.dhcpHost(d, ip)
	if err != nil {
		return err
	}
	if err := u.commanded(); err != nil {
		return err
	}
	at, err := u.placeDHCPHost(ip, host)
	if err != nil {
		return err
	}
	ip.Hosts = change(u.Command, ip.Hosts, at, host)
	return nil
}

// placeDHCPHost finds the host that is deleted or modified, and refuses one
// that is there already.
func (u *updater) placeDHCPHost(ip *IP, host Host) (int, error) {
	matches := host.sharesKey
	if u.Command == Delete {
		matches = host.names
	}
	at := slices.IndexFunc(ip.Hosts, matches)
	switch {
	case u.adds():
		if err := u.onlyDHCP(ip); err != nil {
			return 0, err
		}
		if at >= 0 {
			return 0, refused("there is an existing dhcp host entry in network '%s' that matches \"<host mac='%s' name='%s' ip='%s'/>\"",
				u.n.Name, orUnknown(host.MACText), host.Name, hostAddrText(host))
		}
	case at < 0 && u.Command == Delete:
		return 0, refused("couldn't locate a matching dhcp host entry in network '%s'", u.n.Name)
	case at < 0:
		return 0, refused("couldn't locate an existing dhcp host entry with \"mac='%s'\" \"name='%s'\" \"ip='%s'\" in network '%s'",
			orUnknown(host.MACText), host.Name, hostAddrText(host), u.n.Name)
	}
	return at, nil
}

// sharesKey tells whether have is of the same client as h or for the same
// address.
func (h Host) sharesKey(have Host) bool {
	return h.MAC != nil && bytes.Equal(h.MAC, have.MAC) ||
		h.Name != "" && h.Name == have.Name ||
		h.Addr.IsValid() && h.Addr == have.Addr
}

// names tells whether have has all that h says.
func (h Host) names(have Host) bool {
	return (h.MAC == nil || bytes.Equal(h.MAC, have.MAC)) &&
		(h.Name == "" || h.Name == have.Name) &&
		(!h.Addr.IsValid() || h.Addr == have.Addr)
}

func hostAddrText(h Host) string {
	if !h.Addr.IsValid() {
		return "unknown"
	}
	return addrText(h.Addr)
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return strings.TrimSpace(text)
}

func (u *updater) updateDHCPRange(s *scanner) error {
	var d rangeDoc
	if err := s.decode(&d); err != nil {
		return err
	}
	ip, err := u.parent()
	if err != nil {
		return err
	}
	got, err := u.dhcpRange(d, ip)
	if err != nil {
		return err
	}
	if err := u.commanded(); err != nil {
		return err
	}
	at := slices.IndexFunc(ip.Ranges, func(r Range) bool { return r.AddrRange == got.AddrRange })
	switch {
	case u.Command == Modify:
		return unsupported("dhcp ranges cannot be modified, only added or deleted")
	case u.Command == Delete && at < 0:
		return refused("couldn't locate a matching dhcp range entry in network '%s'", u.n.Name)
	case u.adds():
		if err := u.onlyDHCP(ip); err != nil {
			return err
		}
		if at >= 0 {
			return refused("there is an existing dhcp range entry in network '%s' that matches \"<range start='%s' end='%s'/>\"",
				u.n.Name, addrText(got.Start), addrText(got.End))
		}
	}
	ip.Ranges = change(u.Command, ip.Ranges, at, got)
	return nil
}
