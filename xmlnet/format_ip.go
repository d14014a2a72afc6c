package xmlnet

import "strconv"

func (ip *IP) print(p *printer) {
	t := newTag("ip").attr("family", ip.Text.Family).attr("address", addrText(ip.Prefix.Addr())).
		attr("netmask", ip.Text.Netmask)
	if ip.Text.HasPrefix {
		t.num("prefix", uint64(ip.Prefix.Bits()))
	}
	t.state("localPtr", ip.Local)
	// Even an empty one has an end tag.
	p.block(t, func() {
		if ip.TFTPRoot != "" {
			p.empty(newTag("tftp").attr("root", ip.TFTPRoot))
		}
		if ip.HasDHCP() {
			p.block(newTag("dhcp"), func() { ip.printDHCP(p) })
		}
	})
}

func (ip *IP) printDHCP(p *printer) {
	for _, r := range ip.Ranges {
		t := newTag("range").attr("start", addrText(r.Start)).attr("end", addrText(r.End))
		p.blockIf(r.Lease != nil, t, func() { r.Lease.print(p) })
	}
	for _, h := range ip.Hosts {
		t := newTag("host").attr("mac", h.MACText).attr("id", h.ID).attr("name", h.Name)
		if h.Addr.IsValid() {
			t.attr("ip", addrText(h.Addr))
		}
		p.blockIf(h.Lease != nil, t, func() { h.Lease.print(p) })
	}
	if b := ip.Bootp; b != nil {
		t := newTag("bootp").attr("file", b.File)
		if b.Server.IsValid() {
			t.attr("server", addrText(b.Server))
		}
		p.empty(t)
	}
}

func (l *Lease) print(p *printer) {
	t := newTag("lease").always("expiry", strconv.FormatUint(l.Expiry, 10))
	if l.Expiry != 0 {
		t.attr("unit", l.Unit.String())
	}
	p.empty(t)
}

// String returns libvirt's name of the unit.
func (u LeaseUnit) String() string {
	switch u {
	case Seconds:
		return "seconds"
	case Hours:
		return "hours"
	}
	return "minutes"
}

func (r *Route) print(p *printer) {
	t := newTag("route").attr("family", r.Text.Family).attr("address", addrText(r.Dst.Addr())).
		attr("netmask", r.Text.Netmask)
	if r.Text.HasPrefix {
		t.always("prefix", strconv.Itoa(r.Dst.Bits()))
	}
	p.empty(t.attr("gateway", addrText(r.Gateway)).num("metric", uint64(r.Metric)))
}
