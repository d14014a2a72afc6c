package dhcpd

import (
	"encoding/binary"
	"net"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// putLeaseTimes puts our address, the lease's length and, if it ends, when to
// renew it: after a half from us, after seven eighths from anybody.
func (s *service4) putLeaseTimes(p *reply4, length time.Duration, infinite bool) {
	p.options.putAddr(dhcpv4.OptionServerIdentifier, s.addr)
	if infinite {
		p.options.putSeconds(dhcpv4.OptionIPAddressLeaseTime, infinite32*time.Second)
		return
	}
	p.options.putSeconds(dhcpv4.OptionIPAddressLeaseTime, length)
	p.options.putSeconds(dhcpv4.OptionRenewTimeValue, length/2)
	p.options.putSeconds(dhcpv4.OptionRebindingTimeValue, length*7/8)
}

// putOptions puts what tells the client about its network, in dnsmasq's
// order: mask and broadcast address always, the rest when asked for. The next
// server and the boot file are in the fields of the header only: libvirt runs
// dnsmasq with dhcp-no-override, so that options 66 and 67 are never sent.
func (s *service4) putOptions(p *reply4, r *request4, name string) {
	o := &p.options
	p.siaddr, p.file = s.addr, s.BootFile
	if s.BootServer.IsValid() {
		p.siaddr = s.BootServer
	}
	o.put(dhcpv4.OptionSubnetMask, net.CIDRMask(s.subnet.Bits(), 32)...)
	o.putAddr(dhcpv4.OptionBroadcastAddress, s.broadcast)
	if s.Router && r.wants(dhcpv4.OptionRouter) {
		o.putAddr(dhcpv4.OptionRouter, s.addr)
	}
	if s.DNS && r.wants(dhcpv4.OptionDomainNameServer) {
		o.putAddr(dhcpv4.OptionDomainNameServer, s.addr)
	}
	if s.Domain != "" && r.wants(dhcpv4.OptionDomainName) {
		o.put(dhcpv4.OptionDomainName, []byte(s.Domain)...)
	}
	s.putName(o, r, name)
	if s.MTU > 0 && r.wants(dhcpv4.OptionInterfaceMTU) {
		o.put(dhcpv4.OptionInterfaceMTU, binary.BigEndian.AppendUint16(nil, uint16(s.MTU))...)
	}
}

// putName tells the client its name.
func (s *service4) putName(o *options4, r *request4, name string) {
	if name == "" {
		return
	}
	if r.wants(dhcpv4.OptionHostName) {
		o.put(dhcpv4.OptionHostName, []byte(name)...)
	}
	if r.name.fqdn {
		o.put(dhcpv4.OptionFQDN, fqdnAnswer(r.name, name, s.Domain)...)
	}
}
