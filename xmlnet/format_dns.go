package xmlnet

func (d *DNS) print(p *printer) {
	t := newTag("dns").state("enable", d.Enable).state("forwardPlainNames", d.ForwardPlainNames)
	has := len(d.Forwarders)+len(d.TXT)+len(d.SRV)+len(d.Hosts) > 0
	if !has && len(t.attrs) == 0 {
		return
	}
	p.blockIf(has, t, func() {
		for _, f := range d.Forwarders {
			t := newTag("forwarder").attr("domain", f.Domain)
			if f.Addr.IsValid() {
				t.attr("addr", addrText(f.Addr))
			}
			p.empty(t)
		}
		for _, r := range d.TXT {
			p.empty(newTag("txt").always("name", r.Name).always("value", r.Value))
		}
		for _, r := range d.SRV {
			p.empty(newTag("srv").attr("service", r.Service).attr("protocol", r.Protocol).
				attr("domain", r.Domain).attr("target", r.Target).
				num("port", uint64(r.Port)).num("priority", uint64(r.Priority)).num("weight", uint64(r.Weight)))
		}
		for _, h := range d.Hosts {
			p.block(newTag("host").attr("ip", addrText(h.Addr)), func() {
				for _, name := range h.Names {
					p.text("hostname", name)
				}
			})
		}
	})
}
