package port

import (
	"fmt"
	"slices"

	"libvirt.org/go/libvirtxml"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// document is the shape of a port: libvirtxml's, where it can tell absent
// from empty and 0.
type document struct {
	UUID  string                      `xml:"uuid"`
	Owner libvirtxml.NetworkPortOwner `xml:"owner"`
	Group string                      `xml:"group"`
	MAC   libvirtxml.NetworkPortMAC   `xml:"mac"`
	Plug  plugDoc                     `xml:"plug"`
	xmlnet.PortParts
}

type plugDoc struct {
	Type            *string `xml:"type,attr"`
	Bridge          string  `xml:"bridge,attr"`
	MACTableManager string  `xml:"macTableManager,attr"`
	Dev             string  `xml:"dev,attr"`
	Mode            string  `xml:"mode,attr"`
	Managed         string  `xml:"managed,attr"`
	Driver          struct {
		Name  string `xml:"name,attr"`
		Model string `xml:"model,attr"`
	} `xml:"driver"`
	Address *xmlnet.PCIElement `xml:"address"`
}

// Parse reads a port as libvirt 11 does. What libvirt ignores is ignored and
// returned as warnings; with validate it is refused. An error is an
// *xmlnet.Error.
func Parse(doc []byte, validate bool) (Port, []xmlnet.Warning, error) {
	var d document
	warnings, err := xmlnet.UnmarshalPort(doc, validate, &d)
	if err != nil {
		return Port{}, nil, err
	}
	var p Port
	for _, read := range []func(*document) error{p.readIdentity, p.readMAC, p.readParts, p.readPlug} {
		if err := read(&d); err != nil {
			return Port{}, nil, err
		}
	}
	return p, warnings, nil
}

func refuse(k xmlnet.Kind, format string, args ...any) error {
	return &xmlnet.Error{Kind: k, Text: fmt.Sprintf(format, args...)}
}

func (p *Port) readIdentity(d *document) (err error) {
	switch {
	case d.UUID == "":
		return refuse(xmlnet.InternalError, "network port has no uuid")
	case d.Owner.Name == "":
		return refuse(xmlnet.InternalError, "network port has no owner name")
	case d.Owner.UUID == "":
		return refuse(xmlnet.InternalError, "network port has no owner UUID")
	}
	p.Owner, p.Group = d.Owner.Name, d.Group
	if p.UUID, err = parseUUID(d.UUID); err != nil {
		return err
	}
	p.OwnerUUID, err = parseUUID(d.Owner.UUID)
	return err
}

func parseUUID(text string) (xmlnet.UUID, error) {
	id, err := xmlnet.ParseUUID(text)
	if err != nil {
		return id, refuse(xmlnet.InternalError, "Unable to parse UUID '%.60s'", text)
	}
	return id, nil
}

func (p *Port) readMAC(d *document) error {
	if d.MAC.Address == "" {
		return refuse(xmlnet.InternalError, "network port has no mac")
	}
	mac, ok := xmlnet.ParseMAC(d.MAC.Address)
	if !ok {
		return refuse(xmlnet.InternalError, "Unable to parse MAC '%.60s'", d.MAC.Address)
	}
	p.MAC = mac
	return nil
}

func (p *Port) readParts(d *document) (err error) {
	if p.VirtualPort, err = d.ReadVirtualPort(); err != nil {
		return err
	}
	if p.Bandwidth, err = d.ReadBandwidth(); err != nil {
		return err
	}
	if p.VLAN, err = d.ReadVLAN(); err != nil {
		return err
	}
	p.Isolated, p.TrustGuestRxFilters = d.ReadIsolated(), d.ReadTrust()
	return nil
}

func (p *Port) readPlug(d *document) error {
	if d.Plug.Type == nil {
		return nil
	}
	kind := slices.Index(plugNames[:], *d.Plug.Type)
	if kind < 0 {
		return refuse(xmlnet.XMLError, "Invalid value for attribute 'type' in element 'plug': '%.60s'.", *d.Plug.Type)
	}
	p.Plug.Kind = PlugKind(kind)
	switch p.Plug.Kind {
	case NetworkPlug, BridgePlug:
		return p.Plug.readBridge(&d.Plug)
	case DirectPlug:
		return p.Plug.readDirect(&d.Plug)
	case HostdevPlug:
		return p.Plug.readHostdev(&d.Plug)
	}
	return nil
}

func (p *Plug) readBridge(d *plugDoc) error {
	if d.Bridge == "" {
		return refuse(xmlnet.XMLError, "Missing network port bridge name")
	}
	p.Bridge = d.Bridge
	for _, m := range []xmlnet.MACTableManager{xmlnet.MACTableUnset, xmlnet.MACTableKernel, xmlnet.MACTableLibvirt} {
		if d.MACTableManager == m.String() {
			p.MACTableManager = m
			return nil
		}
	}
	return refuse(xmlnet.XMLError, "Invalid macTableManager setting '%.60s' in network port", d.MACTableManager)
}

func (p *Plug) readDirect(d *plugDoc) error {
	if d.Dev == "" {
		return refuse(xmlnet.XMLError, "Missing network port link device name")
	}
	p.Dev, p.Mode = d.Dev, xmlnet.VEPA
	if d.Mode == "" {
		return nil
	}
	for _, m := range []xmlnet.ForwardMode{xmlnet.VEPA, xmlnet.Private, xmlnet.BridgeMode, xmlnet.Passthrough} {
		if d.Mode == m.String() {
			p.Mode = m
			return nil
		}
	}
	return refuse(xmlnet.XMLError, "Invalid mode setting '%.60s' in network port", d.Mode)
}

func (p *Plug) readHostdev(d *plugDoc) (err error) {
	switch {
	case d.Driver.Name != "" && !slices.Contains([]string{"kvm", "vfio", "xen"}, d.Driver.Name):
		return refuse(xmlnet.XMLError, "Missing network port driver name")
	case d.Address == nil:
		return refuse(xmlnet.XMLError, "Missing network port PCI address")
	}
	p.Driver, p.DriverModel = d.Driver.Name, d.Driver.Model
	switch d.Managed { // anything else was refused before
	case "yes":
		p.Managed = xmlnet.Yes
	case "no":
		p.Managed = xmlnet.No
	}
	p.PCI, err = d.Address.Read()
	return err
}
