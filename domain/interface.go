package domain

import (
	"encoding/xml"
	"fmt"
	"net"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Interface is a network card of an active domain, as libvirt's live
// definition says.
type Interface struct {
	Domain string
	UUID   xmlnet.UUID // the domain's
	MAC    net.HardwareAddr
	Target string // the link on the host: vnet0; "" if there is none
	// Network and Bridge are what it is connected to: a network of libvirt's
	// and the bridge that it got there, or a bridge.
	Network string
	Bridge  string
	// Port is the UUID of its port on the network, as libvirt's network driver
	// gave it; zero if it has none.
	Port     xmlnet.UUID
	Isolated bool // from other isolated ports of the bridge
}

// parseInterfaces reads the interfaces from a domain's XML.
func parseInterfaces(doc string) ([]Interface, error) {
	var d struct {
		XMLName    xml.Name `xml:"domain"`
		Name       string   `xml:"name"`
		UUID       string   `xml:"uuid"`
		Interfaces []struct {
			MAC struct {
				Address string `xml:"address,attr"`
			} `xml:"mac"`
			Target struct {
				Dev string `xml:"dev,attr"`
			} `xml:"target"`
			Source struct {
				Network string `xml:"network,attr"`
				Bridge  string `xml:"bridge,attr"`
				Port    string `xml:"portid,attr"`
			} `xml:"source"`
			Port struct {
				Isolated string `xml:"isolated,attr"`
			} `xml:"port"`
		} `xml:"devices>interface"`
	}
	if err := xml.Unmarshal([]byte(doc), &d); err != nil {
		return nil, fmt.Errorf("domain XML: %w", err)
	}
	id, err := xmlnet.ParseUUID(d.UUID)
	if err != nil {
		return nil, fmt.Errorf("domain XML: %w", err)
	}
	var all []Interface
	for _, i := range d.Interfaces {
		mac, err := net.ParseMAC(i.MAC.Address)
		if err != nil {
			return nil, fmt.Errorf("domain XML of %s: %w", d.Name, err)
		}
		port, err := xmlnet.ParseUUID(i.Source.Port)
		if err != nil {
			port = xmlnet.UUID{} // an interface that is no network's has none
		}
		all = append(all, Interface{
			Domain: d.Name, UUID: id, MAC: mac, Target: i.Target.Dev,
			Network: i.Source.Network, Bridge: i.Source.Bridge,
			Port: port, Isolated: i.Port.Isolated == "yes",
		})
	}
	return all, nil
}
