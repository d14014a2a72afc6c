package dhcpd

import (
	"encoding/binary"
	"net"
	"strings"
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
// order: mask and broadcast address always, the rest when asked for, and then
// what the rules say, the last rule first. A rule for one of our own options
// replaces it. The next server and the boot file are in the fields of the
// header only: libvirt runs dnsmasq with dhcp-no-override, so that options 66
// and 67 are sent by rules alone.
func (s *service4) putOptions(p *reply4, r *request4, name string) {
	tags := s.allTags(r, p.yiaddr)
	rules := s.Rules.choose(tags)
	s.putBoot(p, r, tags, rules)
	o := &p.options
	ours := func(code dhcpv4.OptionCode) bool { return rules.of(code.Code()) == nil }
	asked := func(code dhcpv4.OptionCode) bool { return ours(code) && r.wants(code) }
	if ours(dhcpv4.OptionSubnetMask) {
		o.put(dhcpv4.OptionSubnetMask, net.CIDRMask(s.subnet.Bits(), 32)...)
	}
	if ours(dhcpv4.OptionBroadcastAddress) {
		o.putAddr(dhcpv4.OptionBroadcastAddress, s.broadcast)
	}
	if s.Router && asked(dhcpv4.OptionRouter) {
		o.putAddr(dhcpv4.OptionRouter, s.addr)
	}
	if s.DNS && asked(dhcpv4.OptionDomainNameServer) {
		o.putAddr(dhcpv4.OptionDomainNameServer, s.addr)
	}
	if s.Domain != "" && asked(dhcpv4.OptionDomainName) {
		o.put(dhcpv4.OptionDomainName, []byte(s.Domain)...)
	}
	s.putName(o, r, name, ours(dhcpv4.OptionHostName))
	s.putRules(p, r, rules)
	if s.MTU > 0 && asked(dhcpv4.OptionInterfaceMTU) {
		o.put(dhcpv4.OptionInterfaceMTU, binary.BigEndian.AppendUint16(nil, uint16(s.MTU))...)
	}
	s.putEncapsulated(p, r, tags)
}

// putName tells the client its name, as option 12 only if no rule does that.
func (s *service4) putName(o *options4, r *request4, name string, ours bool) {
	if name == "" {
		return
	}
	if ours && r.wants(dhcpv4.OptionHostName) {
		// A host's name alone, as dnsmasq sends it: some definitions have the
		// domain with it.
		host, _, _ := strings.Cut(name, ".")
		o.put(dhcpv4.OptionHostName, []byte(host)...)
	}
	if r.name.fqdn {
		o.put(dhcpv4.OptionFQDN, fqdnAnswer(r.name, name, s.Domain)...)
	}
}
