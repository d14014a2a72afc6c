package xmlnet

import "strconv"

func (v *VLAN) print(p *printer) {
	if v == nil {
		return
	}
	t := newTag("vlan")
	if v.Trunk {
		t.attr("trunk", "yes")
	}
	p.block(t, func() {
		for _, tag := range v.Tags {
			p.empty(newTag("tag").always("id", strconv.Itoa(int(tag.ID))).attr("nativeMode", tag.NativeMode))
		}
	})
}

func (b *Bandwidth) print(p *printer) {
	if b == nil || b.Inbound == nil && b.Outbound == nil {
		return
	}
	t := newTag("bandwidth").num("classID", uint64(b.ClassID))
	p.block(t, func() {
		b.Inbound.print(p, "inbound")
		b.Outbound.print(p, "outbound")
	})
}

func (r *Rate) print(p *printer, name string) {
	if r != nil {
		p.empty(newTag(name).num("average", r.Average).num("peak", r.Peak).num("floor", r.Floor).num("burst", r.Burst))
	}
}

func (v *VirtualPort) print(p *printer) {
	if v == nil {
		return
	}
	params := newTag("parameters")
	if v.ManagerID != nil {
		params.always("managerid", strconv.Itoa(int(*v.ManagerID)))
	}
	if v.TypeID != nil {
		params.always("typeid", strconv.Itoa(int(*v.TypeID)))
	}
	if v.TypeIDVersion != nil {
		params.always("typeidversion", strconv.Itoa(int(*v.TypeIDVersion)))
	}
	if v.InstanceID != nil {
		params.attr("instanceid", v.InstanceID.String())
	}
	if v.InterfaceID != nil {
		params.attr("interfaceid", v.InterfaceID.String())
	}
	if v.ProfileID != nil {
		params.attr("profileid", *v.ProfileID)
	}
	p.blockIf(len(params.attrs) > 0, newTag("virtualport").attr("type", v.Type), func() { p.empty(params) })
}

func (g *PortGroup) print(p *printer) {
	t := newTag("portgroup").attr("name", g.Name)
	if g.Default {
		t.attr("default", "yes")
	}
	t.state("trustGuestRxFilters", g.TrustGuestRxFilters)
	p.block(t, func() {
		g.VLAN.print(p)
		g.VirtualPort.print(p)
		g.Bandwidth.print(p)
	})
}
