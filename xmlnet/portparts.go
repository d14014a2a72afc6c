package xmlnet

import (
	"math"
	"net"
	"slices"
)

// UnmarshalPort reads a <networkport> into a struct with encoding/xml's tags.
// What libvirt ignores is left out and returned as warnings, or with validate
// refused with all that libvirt's schema does not allow, as ParseStrict does
// for a network. An error is an *Error.
func UnmarshalPort(doc []byte, validate bool, into any) ([]Warning, error) {
	if validate {
		if err := conforms(doc, "networkport", portGrammar); err != nil {
			return nil, err
		}
	}
	s, err := scanRoot(doc, portRoot)
	if err != nil {
		return nil, err
	}
	if w := s.invalid; w != nil && validate {
		return nil, errf(XMLInvalidSchema, "did not expect %s in %s, line %d", w.Text, w.Place, w.Line)
	}
	return s.warnings, s.decode(into)
}

// PortParts is the shape of those elements of a network port that networks
// and portgroups have as well. It is for embedding.
type PortParts struct {
	VirtualPortElem *virtualPortDoc `xml:"virtualport"`
	BandwidthElem   *bandwidthDoc   `xml:"bandwidth"`
	VLANElem        *vlanDoc        `xml:"vlan"`
	OptionsElem     struct {
		Isolated string `xml:"isolated,attr"`
	} `xml:"port"`
	FiltersElem struct {
		Trust string `xml:"trustGuest,attr"`
	} `xml:"rxfilters"`
}

// ReadVirtualPort returns the <virtualport>, which must have a type; nil if
// there is none.
func (d *PortParts) ReadVirtualPort() (*VirtualPort, error) {
	return readVirtualPort(d.VirtualPortElem, true)
}

// ReadVLAN returns the <vlan>, nil if there is none.
func (d *PortParts) ReadVLAN() (*VLAN, error) { return readVLAN(d.VLANElem) }

// ReadIsolated returns port/@isolated.
func (d *PortParts) ReadIsolated() Tristate { return tristate(d.OptionsElem.Isolated) }

// ReadTrust returns rxfilters/@trustGuest.
func (d *PortParts) ReadTrust() Tristate { return tristate(d.FiltersElem.Trust) }

// ReadBandwidth returns the <bandwidth>, which of a port may have a classID
// and a floor; nil if it limits nothing.
func (d *PortParts) ReadBandwidth() (*Bandwidth, error) {
	doc := d.BandwidthElem
	if doc == nil {
		return nil, nil
	}
	var got Bandwidth
	if doc.ClassID != "" {
		id, ok := number(doc.ClassID, 10, math.MaxUint32)
		if !ok {
			return nil, errf(InternalError, "Unable to parse class id '%s'", shorten(doc.ClassID))
		}
		got.ClassID = uint32(id)
	}
	var err error
	if got.Inbound, err = readPortRate(doc.Inbound, "inbound"); err != nil {
		return nil, err
	}
	if got.Outbound, err = readPortRate(doc.Outbound, "outbound"); err != nil {
		return nil, err
	}
	if got.Inbound == nil && got.Outbound == nil {
		return nil, nil
	}
	return &got, nil
}

func readPortRate(d *rateDoc, elem string) (*Rate, error) {
	if d == nil {
		return nil, nil
	}
	got, err := d.numbers(elem)
	switch {
	case err != nil:
		return nil, err
	case d.Floor != nil && elem == "outbound":
		return nil, errf(ConfigUnsupported, "'floor' attribute allowed only in <inbound> element")
	case d.Average == nil && (d.Peak != nil || d.Burst != nil):
		return nil, errf(ConfigUnsupported, "'peak' and 'burst' require 'average' attribute in <%s>", elem)
	case d.Average == nil && d.Floor == nil:
		return nil, errf(XMLDetail, "Missing mandatory average or floor attributes in <%s>", elem)
	case got.Average == 0 && got.Floor == 0:
		return nil, nil // limits nothing
	}
	return &got, nil
}

// PCIElement is the shape of an <address> with a PCI address.
type PCIElement struct{ addressDoc }

// Read returns the address; what is absent is 0.
func (d *PCIElement) Read() (PCIAddress, error) { return pciAddress(d.addressDoc) }

// ParseMAC reads a MAC address as libvirt does.
func ParseMAC(text string) (net.HardwareAddr, bool) { return parseMAC(text) }

// Check refuses, with an *Error of kind XMLError, parameters that are foreign
// to v's type.
func (v *VirtualPort) Check() error {
	if v == nil {
		return nil
	}
	return v.checkParams()
}

// Clone returns a copy of v that shares nothing with it; nil of nil.
func (v *VirtualPort) Clone() *VirtualPort { return v.clone() }

// Clone returns a copy of v that shares nothing with it; nil of nil.
func (v *VLAN) Clone() *VLAN { return v.clone() }

// Clone returns a copy of b that shares nothing with it; nil of nil.
func (b *Bandwidth) Clone() *Bandwidth { return b.clone() }

// PortGroup returns the portgroup called name, or with "" the default one; nil
// if there is none.
func (n *Network) PortGroup(name string) *PortGroup {
	i := slices.IndexFunc(n.PortGroups, func(g PortGroup) bool {
		return name != "" && g.Name == name || name == "" && g.Default
	})
	if i < 0 {
		return nil
	}
	return &n.PortGroups[i]
}
