package plan

import (
	"errors"
	"slices"
	"strings"

	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/dnsmasq"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// CheckOptions refuses, with an *xmlnet.Error of kind ConfigUnsupported,
// options of the dnsmasq namespace that our servers cannot do. libvirt takes
// any, and fails to start the network when dnsmasq does not know one.
func CheckOptions(n *xmlnet.Network) error {
	_, err := readOptions(n)
	return err
}

func readOptions(n *xmlnet.Network) (*dnsmasq.Options, error) {
	o, err := dnsmasq.Parse(n.DNSMasqOptions)
	if err == nil {
		err = fits(n, o)
	}
	if err != nil {
		return nil, refuse(xmlnet.ConfigUnsupported, "network '%s': %v", n.Name, err)
	}
	return o, nil
}

// fits finds what an option says of links and addresses that are not the
// network's.
func fits(n *xmlnet.Network, o *dnsmasq.Options) error {
	var errs []error
	for _, l := range o.Links {
		named := n.Bridge.Name != "" && !strings.Contains(n.Bridge.Name, "%")
		if named && l.Value != n.Bridge.Name {
			errs = append(errs, l.Place.Errorf("only the network's bridge %s is listened on", n.Bridge.Name))
		}
	}
	for _, a := range o.Addrs {
		if !slices.Contains(addrs(n), a.Value) {
			errs = append(errs, a.Place.Errorf("%s is not an address of the network", a.Value))
		}
	}
	for _, r := range o.Ranges {
		if ip := ipOf(n, r); ip == nil {
			errs = append(errs, r.Place.Errorf("the range is in no subnet of the network"))
		}
	}
	if o.TFTP && o.TFTPRoot == "" && makeTFTP(n) == nil {
		errs = append(errs, errors.New("dnsmasq:option enable-tftp: only with tftp-root, or a tftp element in the definition"))
	}
	return errors.Join(errs...)
}

// ipOf returns the ip element whose subnet holds a range.
func ipOf(n *xmlnet.Network, r dnsmasq.Range) *xmlnet.IP {
	for i := range n.IPs {
		subnet := n.IPs[i].Prefix.Masked()
		if subnet.Contains(r.Start) && (!r.End.IsValid() || subnet.Contains(r.End)) {
			return &n.IPs[i]
		}
	}
	return nil
}

// addOptions puts into p what the options of n's dnsmasq namespace say. As
// libvirt appends them to its own lines, they come after what the elements
// say.
func addOptions(n *xmlnet.Network, p *Plan) error {
	if len(n.DNSMasqOptions) == 0 {
		return nil
	}
	o, err := readOptions(n)
	if err != nil {
		return err
	}
	addRanges(n, o, p)
	if p.DHCP4 != nil {
		addToDHCP(o, p.DHCP4)
	}
	if p.DHCP6 != nil {
		addToDHCP6(o, p.DHCP6)
	}
	if p.RA != nil {
		addToRA(n, o, p.RA)
	}
	addToTFTP(n, o, p)
	if o.NoDNS {
		p.DNS, p.Names = nil, nil
	}
	if p.DNS != nil {
		addToDNS(n, o, p.DNS)
		p.Names = append(p.Names, o.Names...)
	}
	return nil
}

// addRanges adds to the DHCP service, or makes it for a network that has no
// dhcp element.
func addRanges(n *xmlnet.Network, o *dnsmasq.Options, p *Plan) {
	for _, r := range o.Ranges {
		ip := ipOf(n, r)
		if p.DHCP4 == nil {
			p.DHCP4 = newDHCP4(n, ip)
		}
		if r.End.IsValid() && p.DHCP4.Server == ip.Prefix {
			p.DHCP4.Ranges = append(p.DHCP4.Ranges, r.Range)
		}
	}
}

func addToDHCP(o *dnsmasq.Options, c *dhcpd.Config4) {
	c.Rules = o.Rules
	c.Reservations = append(c.Reservations, o.Reservations...)
	c.NoProbe, c.LogRequests = o.NoProbe, o.LogRequests
	if o.DNS.Domain != "" {
		c.Domain = o.DNS.Domain
	}
	if o.NoDNS {
		c.DNS = false
	}
}

func addToDNS(n *xmlnet.Network, o *dnsmasq.Options, c *dns.Config) {
	more := &o.DNS
	if more.Domain != "" {
		c.Domain = more.Domain
	}
	c.Forwarders = append(c.Forwarders, more.Forwarders...)
	c.DomainForwarders = append(c.DomainForwarders, more.DomainForwarders...)
	c.LocalZones = append(c.LocalZones, more.LocalZones...)
	c.Resolv = c.Resolv && !o.NoResolv
	c.NoPlainNames = c.NoPlainNames || more.NoPlainNames
	c.SRV = append(c.SRV, more.SRV...)
	c.PrivateReverse, c.NoHosts, c.HostsFiles = more.PrivateReverse, more.NoHosts, more.HostsFiles
	c.CNAMEs, c.Records, c.Addresses, c.Zones = more.CNAMEs, more.Records, more.Addresses, more.Zones
	c.LocalTTL, c.Shaping, c.LogQueries = more.LocalTTL, more.Shaping, more.LogQueries
}
