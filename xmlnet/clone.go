package xmlnet

import "slices"

// Clone returns a copy of n that shares nothing with it.
func (n *Network) Clone() *Network {
	c := *n
	c.Metadata = slices.Clone(n.Metadata)
	c.MAC = slices.Clone(n.MAC)
	c.Forward.NATAddrs = clonePtr(n.Forward.NATAddrs)
	c.Forward.NATPorts = clonePtr(n.Forward.NATPorts)
	c.Forward.Interfaces = slices.Clone(n.Forward.Interfaces)
	c.Forward.Addresses = slices.Clone(n.Forward.Addresses)
	c.DNS = n.DNS.clone()
	c.VLAN = n.VLAN.clone()
	c.Bandwidth = n.Bandwidth.clone()
	c.VirtualPort = n.VirtualPort.clone()
	c.Routes = slices.Clone(n.Routes)
	c.DNSMasqOptions = slices.Clone(n.DNSMasqOptions)
	c.IPs = slices.Clone(n.IPs)
	for i := range c.IPs {
		c.IPs[i] = c.IPs[i].clone()
	}
	c.PortGroups = slices.Clone(n.PortGroups)
	for i := range c.PortGroups {
		g := &c.PortGroups[i]
		g.VLAN, g.VirtualPort, g.Bandwidth = g.VLAN.clone(), g.VirtualPort.clone(), g.Bandwidth.clone()
	}
	return &c
}

func clonePtr[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

func (d DNS) clone() DNS {
	d.Forwarders = slices.Clone(d.Forwarders)
	d.TXT = slices.Clone(d.TXT)
	d.SRV = slices.Clone(d.SRV)
	d.Hosts = slices.Clone(d.Hosts)
	for i := range d.Hosts {
		d.Hosts[i].Names = slices.Clone(d.Hosts[i].Names)
	}
	return d
}

func (ip IP) clone() IP {
	ip.Ranges = slices.Clone(ip.Ranges)
	for i := range ip.Ranges {
		ip.Ranges[i].Lease = clonePtr(ip.Ranges[i].Lease)
	}
	ip.Hosts = slices.Clone(ip.Hosts)
	for i := range ip.Hosts {
		h := &ip.Hosts[i]
		h.MAC, h.Lease = slices.Clone(h.MAC), clonePtr(h.Lease)
	}
	ip.Bootp = clonePtr(ip.Bootp)
	return ip
}

func (v *VLAN) clone() *VLAN {
	c := clonePtr(v)
	if c != nil {
		c.Tags = slices.Clone(v.Tags)
	}
	return c
}

func (b *Bandwidth) clone() *Bandwidth {
	c := clonePtr(b)
	if c != nil {
		c.Inbound, c.Outbound = clonePtr(b.Inbound), clonePtr(b.Outbound)
	}
	return c
}

func (v *VirtualPort) clone() *VirtualPort {
	c := clonePtr(v)
	if c != nil {
		c.ManagerID, c.TypeID, c.TypeIDVersion = clonePtr(v.ManagerID), clonePtr(v.TypeID), clonePtr(v.TypeIDVersion)
		c.InstanceID, c.InterfaceID, c.ProfileID = clonePtr(v.InstanceID), clonePtr(v.InterfaceID), clonePtr(v.ProfileID)
	}
	return c
}
