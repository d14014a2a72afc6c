package xmlnet

import (
	"encoding/xml"
	"slices"
)

// DHCPNamespace is that of the element with what libvirt's own elements cannot
// say of a network's DHCP servers. It stands in <metadata>, so that the
// document stays one of libvirt's:
//
//	<dhcp xmlns='https://vnetmgr.org/xmlns/dhcp/1' clones='no' portLimit='no'/>
const DHCPNamespace = "https://vnetmgr.org/xmlns/dhcp/1"

// DHCPSettings are what the dhcp element in a network's metadata says, of the
// servers of both families.
type DHCPSettings struct {
	// OneClient is clones='no': all who go by one client identifier are one
	// client, whatever their MACs.
	OneClient bool
	// Unshared is portLimit='no': one bridge port may have all addresses.
	Unshared bool
}

// DHCPSettings reads the dhcp element in n's metadata. Errors are *Error, and
// name the place.
func (n *Network) DHCPSettings() (DHCPSettings, error) {
	var s DHCPSettings
	i := slices.IndexFunc(n.Metadata, func(m Metadata) bool { return m.Namespace == DHCPNamespace })
	if i < 0 {
		return s, nil
	}
	var doc struct {
		XMLName  xml.Name
		Attrs    []xml.Attr `xml:",any,attr"`
		Children []struct {
			XMLName xml.Name
		} `xml:",any"`
	}
	if err := xml.Unmarshal([]byte(n.Metadata[i].XML), &doc); err != nil {
		return s, errf(XMLError, "metadata/dhcp: %v", err)
	}
	if doc.XMLName.Local != "dhcp" {
		return s, errf(XMLError, "metadata: namespace %s has no element <%s>", DHCPNamespace, doc.XMLName.Local)
	}
	if len(doc.Children) > 0 {
		return s, errf(XMLError, "metadata/dhcp: unknown element <%s>", doc.Children[0].XMLName.Local)
	}
	for _, a := range doc.Attrs {
		if isNamespaceDecl(a.Name) {
			continue
		}
		if err := s.set(a); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *DHCPSettings) set(a xml.Attr) error {
	if a.Value != "yes" && a.Value != "no" {
		return errf(XMLError, "metadata/dhcp: attribute %s is '%s', not yes or no", a.Name.Local, a.Value)
	}
	switch a.Name.Local {
	case "clones":
		s.OneClient = a.Value == "no"
	case "portLimit":
		s.Unshared = a.Value == "no"
	default:
		return errf(XMLError, "metadata/dhcp: unknown attribute %s", a.Name.Local)
	}
	return nil
}
