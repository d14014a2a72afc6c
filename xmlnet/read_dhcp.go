package xmlnet

import (
	"net/netip"
	"strings"
)

// dhcp reads <dhcp> into ip, whose address is known.
func (r *reader) dhcp(d *dhcpDoc, ip *IP) error {
	for i, rd := range d.Ranges {
		got, err := r.dhcpRange(rd, ip)
		if err != nil {
			return in(err, "dhcp/range[%d]", i+1)
		}
		ip.Ranges = append(ip.Ranges, got)
	}
	for i, hd := range d.Hosts {
		got, err := r.dhcpHost(hd, ip)
		if err != nil {
			return in(err, "dhcp/host[%d]", i+1)
		}
		ip.Hosts = append(ip.Hosts, got)
	}
	// libvirt doesn't look at bootp for IPv6.
	if d.Bootp != nil && is4(ip.Prefix.Addr()) {
		if err := r.bootp(d, ip); err != nil {
			return err
		}
	}
	if !ip.HasDHCP() {
		// libvirt neither prints nor stores a <dhcp> with nothing else.
		ip.Bootp = nil
	}
	return nil
}

func (r *reader) dhcpRange(d rangeDoc, ip *IP) (Range, error) {
	var got Range
	for _, end := range []struct {
		name string
		text *string
		to   *netip.Addr
	}{{"start", d.Start, &got.Start}, {"end", d.End, &got.End}} {
		if end.text == nil {
			return got, errf(XMLError, "Missing '%s' attribute in dhcp range for network '%s'", end.name, r.n.Name)
		}
		a, err := socketAddr(*end.text)
		if err != nil {
			return got, err
		}
		*end.to = a
	}
	if err := checkRange(got.AddrRange, ip); err != nil {
		return got, err
	}
	lease, err := readLease(d.Lease)
	got.Lease = lease
	return got, err
}

// socketAddr reads an address of a part where libvirt shows the error of its
// address resolution.
func socketAddr(text string) (netip.Addr, error) {
	a, ok := parseAddr(text)
	if !ok {
		return a, errf(SystemError, "Cannot parse socket address '%s': Name or service not known", text)
	}
	return a, nil
}

// readLease reads a <lease>; without an expiry it says nothing.
func readLease(d *leaseDoc) (*Lease, error) {
	if d == nil || d.Expiry == nil {
		return nil, nil
	}
	expiry, err := numberAttr("lease", "expiry", *d.Expiry, 0, 1<<64-1)
	if err != nil {
		return nil, err
	}
	got := &Lease{Expiry: expiry}
	if d.Unit != nil {
		switch *d.Unit {
		case "seconds":
			got.Unit = Seconds
		case "minutes":
			got.Unit = Minutes
		case "hours":
			got.Unit = Hours
		default:
			return nil, invalidValue("unit", "lease", *d.Unit, "")
		}
	}
	if expiry == 0 {
		got.Unit = Minutes // infinite, whatever the unit
		return got, nil
	}
	if got.Unit == Seconds && expiry < 120 || got.Unit == Minutes && expiry < 2 {
		return nil, errf(ConfigUnsupported, "The minimum lease time should be greater than 2 minutes")
	}
	return got, nil
}

func (r *reader) dhcpHost(d hostDoc, ip *IP) (Host, error) {
	v4 := is4(ip.Prefix.Addr())
	var got Host
	for _, read := range []func(hostDoc, bool, *Host) error{r.hostMAC, r.hostID, r.hostName, r.hostIP} {
		if err := read(d, v4, &got); err != nil {
			return got, err
		}
	}
	lease, err := readLease(d.Lease)
	got.Lease = lease
	return got, err
}

func (r *reader) hostMAC(d hostDoc, v4 bool, got *Host) error {
	if d.MAC == nil {
		return nil
	}
	if !v4 {
		return errf(XMLError, "Invalid to specify MAC address '%s' in network '%s' IPv6 static host definition", *d.MAC, r.n.Name)
	}
	mac, ok := parseMAC(*d.MAC)
	if !ok {
		return errf(XMLError, "Cannot parse MAC address '%s' in network '%s'", *d.MAC, r.n.Name)
	}
	if multicast(mac) {
		return errf(XMLError, "expected unicast mac address, found multicast '%s' in network '%s'", *d.MAC, r.n.Name)
	}
	got.MAC, got.MACText = mac, *d.MAC
	return nil
}

func (r *reader) hostID(d hostDoc, _ bool, got *Host) error {
	if d.ID == nil {
		return nil
	}
	if bad := strings.Trim(*d.ID, "0123456789abcdefABCDEF:"); bad != "" {
		c := []rune(bad)[0]
		return errf(XMLError, "Invalid character '%c' in id '%s' of network '%s'", c, *d.ID, r.n.Name)
	}
	got.ID = *d.ID
	return nil
}

func (r *reader) hostName(d hostDoc, v4 bool, got *Host) error {
	if d.Name != nil {
		if *d.Name == "" || !strings.ContainsRune(alphanumeric, rune((*d.Name)[0])) {
			return errf(XMLError, "Cannot use host name '%s' in network '%s'", *d.Name, r.n.Name)
		}
		got.Name = *d.Name
	}
	switch {
	case r.partial && d.MAC == nil && d.Name == nil && d.IP == nil:
		return errf(XMLError, "At least one of name, mac, or ip attribute must be specified for static host definition in network '%s'", r.n.Name)
	case r.partial:
	case v4 && got.MAC == nil && got.Name == "":
		return errf(XMLError, "Static host definition in IPv4 network '%s' must have mac or name attribute", r.n.Name)
	case !v4 && got.ID == "" && got.Name == "":
		return errf(XMLError, "Static host definition in IPv6 network '%s' must have id or name attribute", r.n.Name)
	}
	return nil
}

// hostIP reads the address, which need not be in the subnet.
func (r *reader) hostIP(d hostDoc, v4 bool, got *Host) error {
	if d.IP == nil && r.partial {
		return nil
	}
	if d.IP == nil {
		return errf(XMLError, "Missing IP address in static host definition for network '%s'", r.n.Name)
	}
	a, ok := parseAddr(*d.IP)
	if !ok || is4(a) != v4 && !r.partial {
		return errf(XMLError, "Invalid IP address '%s' in static host definition for network '%s'", *d.IP, r.n.Name)
	}
	got.Addr = a
	return nil
}

func (r *reader) bootp(d *dhcpDoc, ip *IP) error {
	if d.Bootp.File == "" {
		return missingAttr("file", "bootp")
	}
	got := &Bootp{File: d.Bootp.File}
	if d.Bootp.Server != nil {
		a, err := socketAddr(*d.Bootp.Server)
		if err != nil {
			return in(err, "dhcp/bootp")
		}
		got.Server = a
	}
	ip.Bootp = got
	return nil
}
