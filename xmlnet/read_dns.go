package xmlnet

import "strings"

// dns reads <dns>.
func (r *reader) dns() error {
	d := &r.doc.DNS
	r.n.DNS.Enable = tristate(d.Enable)
	r.n.DNS.ForwardPlainNames = tristate(d.ForwardPlainNames)
	for _, read := range []func(*dnsDoc) error{r.forwarders, r.dnsHosts, r.srvs, r.txts} {
		if err := read(d); err != nil {
			return err
		}
	}
	got := &r.n.DNS
	if got.Enable == No && len(got.Forwarders)+len(got.TXT)+len(got.SRV)+len(got.Hosts) > 0 {
		return errf(XMLError, "Extra data in disabled network '%s'", r.n.Name)
	}
	return nil
}

func (r *reader) forwarders(d *dnsDoc) error {
	for i, f := range d.Forwarders {
		got := Forwarder{Domain: f.Domain}
		if f.Addr != nil {
			a, ok := parseAddr(*f.Addr)
			if !ok {
				return errf(XMLError, "Invalid forwarder IP address '%s' in network '%s'", *f.Addr, r.n.Name)
			}
			got.Addr = a
		}
		if f.Addr == nil && f.Domain == "" {
			return in(errf(XMLError, "Invalid forwarder element, must contain at least one of addr or domain"),
				"dns/forwarder[%d]", i+1)
		}
		r.n.DNS.Forwarders = append(r.n.DNS.Forwarders, got)
	}
	return nil
}

func (r *reader) dnsHosts(d *dnsDoc) error {
	for i, h := range d.Host {
		got, err := r.dnsHost(h)
		if err != nil {
			return in(err, "dns/host[%d]", i+1)
		}
		r.n.DNS.Hosts = append(r.n.DNS.Hosts, got)
	}
	return nil
}

func (r *reader) dnsHost(d dnsHostDoc) (DNSHost, error) {
	var got DNSHost
	if d.IP == nil && !r.partial {
		return got, errf(XMLDetail, "Missing IP address in network '%s' DNS HOST record", r.n.Name)
	}
	if d.IP != nil {
		a, ok := parseAddr(*d.IP)
		if !ok {
			return got, errf(XMLDetail, "Invalid IP address '%s' in network '%s' DNS HOST record", *d.IP, r.n.Name)
		}
		got.Addr = a
	}
	for _, name := range d.Hostnames {
		if name.Hostname == "" {
			return got, errf(XMLDetail, "Missing hostname in network '%s' DNS HOST record", r.n.Name)
		}
		got.Names = append(got.Names, name.Hostname)
	}
	switch {
	case len(got.Names) > 0 || r.partial && d.IP != nil:
		return got, nil
	case r.partial:
		return got, errf(XMLDetail, "Missing ip and hostname in network '%s' DNS HOST record", r.n.Name)
	}
	return got, errf(XMLDetail, "Missing hostname in network '%s' DNS HOST record", r.n.Name)
}

func (r *reader) txts(d *dnsDoc) error {
	for i, t := range d.TXTs {
		got, err := r.txt(t)
		if err != nil && t.Name == nil {
			return in(err, "dns/txt[%d]", i+1)
		}
		if err != nil {
			return err
		}
		r.n.DNS.TXT = append(r.n.DNS.TXT, got)
	}
	return nil
}

func (r *reader) txt(d txtDoc) (TXT, error) {
	switch {
	case d.Name == nil:
		return TXT{}, errf(XMLDetail, "missing required name attribute in DNS TXT record of network %s", r.n.Name)
	case strings.ContainsAny(*d.Name, " ,"):
		return TXT{}, errf(XMLDetail, "prohibited character in DNS TXT record name '%s' of network %s", *d.Name, r.n.Name)
	case d.Value != nil:
		return TXT{*d.Name, *d.Value}, unbroken("TXT", "value", *d.Value)
	case r.partial:
		return TXT{Name: *d.Name}, nil
	}
	return TXT{}, errf(XMLDetail, "missing required value attribute in DNS TXT record named '%s' of network %s", *d.Name, r.n.Name)
}

// unbroken refuses line breaks, with which a record would become two lines of
// dnsmasq's configuration. libvirt does so since 11.3.0 was patched.
func unbroken(record, attr, text string) error {
	if strings.ContainsAny(text, "\r\n") {
		return errf(XMLDetail, "invalid line break in DNS %s record %s attribute", record, attr)
	}
	return nil
}

// maxService is libvirt's bound for srv/@service, chosen so that a record's
// name fits a configuration line.
const maxService = 482

const (
	alphanumeric  = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	protocolChars = alphanumeric + "+/-"
	serviceChars  = alphanumeric + "_+/*-"
)

func (r *reader) srvs(d *dnsDoc) error {
	for i, s := range d.SRVs {
		got, err := r.srv(s)
		if err != nil {
			return in(err, "dns/srv[%d]", i+1)
		}
		r.n.DNS.SRV = append(r.n.DNS.SRV, got)
	}
	return nil
}

func (r *reader) srv(d srvDoc) (SRV, error) {
	got := SRV{Service: d.Service, Protocol: d.Protocol, Domain: d.Domain, Target: d.Target}
	name := r.n.Name
	switch {
	case r.partial && d.Service == "" && d.Protocol == "":
		return got, errf(XMLDetail, "Missing required service attribute or protocol in DNS SRV record for network %s", name)
	case d.Service == "" && !r.partial:
		return got, errf(XMLDetail, "missing required service attribute in DNS SRV record of network '%s'", name)
	case len(d.Service) > maxService:
		return got, errf(XMLDetail, "service attribute '%s' in network '%s' is too long, limit is %d bytes", shorten(d.Service), name, maxService)
	case strings.Trim(d.Service, serviceChars) != "":
		return got, errf(XMLDetail, "invalid character in service attribute '%s' in DNS SRV record of network '%s'", d.Service, name)
	case d.Protocol == "" && !r.partial:
		return got, errf(XMLDetail, "missing required protocol attribute in DNS SRV record '%s' of network '%s'", d.Service, name)
	case strings.Trim(d.Protocol, protocolChars) != "":
		return got, errf(XMLDetail, "invalid character in protocol attribute '%s' in DNS SRV record of network '%s'", d.Protocol, name)
	}
	for _, num := range []struct {
		attr, text string
		least      uint64
		to         *uint16
	}{
		{"port", d.Port, 1, &got.Port},
		{"priority", d.Priority, 0, &got.Priority},
		{"weight", d.Weight, 0, &got.Weight},
	} {
		if num.text == "" {
			continue
		}
		if d.Target == "" {
			return got, errf(XMLDetail, "DNS SRV %s attribute not permitted without target for service '%s' in network '%s'", num.attr, d.Service, name)
		}
		v, ok := number(num.text, 10, 65535)
		if !ok || v < num.least {
			return got, errf(XMLDetail, "invalid DNS SRV %s attribute for service '%s' in network '%s'", num.attr, d.Service, name)
		}
		*num.to = uint16(v)
	}
	if err := unbroken("SRV", "domain", d.Domain); err != nil {
		return got, err
	}
	return got, unbroken("SRV", "target", d.Target)
}
