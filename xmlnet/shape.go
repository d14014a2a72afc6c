package xmlnet

import (
	"encoding/xml"
	"io"

	"libvirt.org/go/libvirtxml"
)

// document is the shape of a definition: libvirtxml's, with those parts
// shadowed that it doesn't have, or in which it can't tell 0 or "" from
// absent, or where it would refuse a number in other words than libvirt.
type document struct {
	XMLName     xml.Name `xml:"network"`
	Title       string   `xml:"title"`
	Description string   `xml:"description"`
	MTU         struct {
		Size string `xml:"size,attr"`
	} `xml:"mtu"`
	Forward     *forwardDoc      `xml:"forward"`
	DNS         dnsDoc           `xml:"dns"`
	VLAN        *vlanDoc         `xml:"vlan"`
	Bandwidth   *bandwidthDoc    `xml:"bandwidth"`
	IPs         []ipDoc          `xml:"ip"`
	Routes      []routeDoc       `xml:"route"`
	VirtualPort *virtualPortDoc  `xml:"virtualport"`
	PortGroups  []portGroupDoc   `xml:"portgroup"`
	Options     []dnsmasqOptions `xml:"http://libvirt.org/schemas/network/dnsmasq/1.0 options"`
	libvirtxml.Network
}

type forwardDoc struct {
	Driver *struct {
		Name  *string `xml:"name,attr"`
		Model string  `xml:"model,attr"`
	} `xml:"driver"`
	NAT       []natDoc     `xml:"nat"`
	Addresses []addressDoc `xml:"address"`
	libvirtxml.NetworkForward
}

type natDoc struct {
	IPv6      string     `xml:"ipv6,attr"`
	Addresses []rangeDoc `xml:"address"`
	Ports     []rangeDoc `xml:"port"`
}

// rangeDoc is anything from a start to an end.
type rangeDoc struct {
	Start *string   `xml:"start,attr"`
	End   *string   `xml:"end,attr"`
	Lease *leaseDoc `xml:"lease"`
}

type addressDoc struct {
	Type     *string `xml:"type,attr"`
	Domain   *string `xml:"domain,attr"`
	Bus      *string `xml:"bus,attr"`
	Slot     *string `xml:"slot,attr"`
	Function *string `xml:"function,attr"`
}

type dnsDoc struct {
	Forwarders []struct {
		Domain string  `xml:"domain,attr"`
		Addr   *string `xml:"addr,attr"`
	} `xml:"forwarder"`
	TXTs []txtDoc     `xml:"txt"`
	SRVs []srvDoc     `xml:"srv"`
	Host []dnsHostDoc `xml:"host"`
	libvirtxml.NetworkDNS
}

type txtDoc struct {
	Name  *string `xml:"name,attr"`
	Value *string `xml:"value,attr"`
}

type dnsHostDoc struct {
	IP *string `xml:"ip,attr"`
	libvirtxml.NetworkDNSHost
}

type srvDoc struct {
	Port     string `xml:"port,attr"`
	Priority string `xml:"priority,attr"`
	Weight   string `xml:"weight,attr"`
	libvirtxml.NetworkDNSSRV
}

type ipDoc struct {
	Prefix *string  `xml:"prefix,attr"`
	DHCP   *dhcpDoc `xml:"dhcp"`
	libvirtxml.NetworkIP
}

type dhcpDoc struct {
	Ranges []rangeDoc `xml:"range"`
	Hosts  []hostDoc  `xml:"host"`
	Bootp  *struct {
		File   string  `xml:"file,attr"`
		Server *string `xml:"server,attr"`
	} `xml:"bootp"`
}

type hostDoc struct {
	MAC   *string   `xml:"mac,attr"`
	ID    *string   `xml:"id,attr"`
	Name  *string   `xml:"name,attr"`
	IP    *string   `xml:"ip,attr"`
	Lease *leaseDoc `xml:"lease"`
}

type leaseDoc struct {
	Expiry *string `xml:"expiry,attr"`
	Unit   *string `xml:"unit,attr"`
}

type routeDoc struct {
	Family  *string `xml:"family,attr"`
	Prefix  *string `xml:"prefix,attr"`
	Gateway *string `xml:"gateway,attr"`
	Metric  *string `xml:"metric,attr"`
	libvirtxml.NetworkRoute
}

type vlanDoc struct {
	Trunk string `xml:"trunk,attr"`
	Tags  []struct {
		ID         *string `xml:"id,attr"`
		NativeMode *string `xml:"nativeMode,attr"`
	} `xml:"tag"`
}

type bandwidthDoc struct {
	ClassID  string   `xml:"classID,attr"`
	Inbound  *rateDoc `xml:"inbound"`
	Outbound *rateDoc `xml:"outbound"`
}

type rateDoc struct {
	Average *string `xml:"average,attr"`
	Peak    *string `xml:"peak,attr"`
	Burst   *string `xml:"burst,attr"`
	Floor   *string `xml:"floor,attr"`
}

type virtualPortDoc struct {
	Type       *string `xml:"type,attr"`
	Parameters struct {
		ManagerID     *string `xml:"managerid,attr"`
		TypeID        *string `xml:"typeid,attr"`
		TypeIDVersion *string `xml:"typeidversion,attr"`
		InstanceID    *string `xml:"instanceid,attr"`
		InterfaceID   *string `xml:"interfaceid,attr"`
		ProfileID     string  `xml:"profileid,attr"`
	} `xml:"parameters"`
}

type portGroupDoc struct {
	VLAN        *vlanDoc        `xml:"vlan"`
	VirtualPort *virtualPortDoc `xml:"virtualport"`
	Bandwidth   *bandwidthDoc   `xml:"bandwidth"`
	Name        string          `xml:"name,attr"`
	Default     string          `xml:"default,attr"`
	Trust       string          `xml:"trustGuestRxFilters,attr"`
}

type dnsmasqOptions struct {
	Option []struct {
		Value *string `xml:"value,attr"`
	} `xml:"option"`
}

// tokenReader plays back the scanner's tokens.
type tokenReader []xml.Token

func (r *tokenReader) Token() (xml.Token, error) {
	if len(*r) == 0 {
		return nil, io.EOF
	}
	t := (*r)[0]
	*r = (*r)[1:]
	return t, nil
}

// shape puts the scanner's tokens into the document's shape.
func (s *scanner) shape() (*document, error) {
	doc := &document{}
	return doc, s.decode(doc)
}

// decode puts the scanner's tokens into the shape of doc, a pointer to it.
func (s *scanner) decode(doc any) error {
	tokens := tokenReader(s.tokens)
	if err := xml.NewTokenDecoder(&tokens).Decode(doc); err != nil {
		return errf(XMLDetail, "read %s: %v", s.root.name, err)
	}
	return nil
}
