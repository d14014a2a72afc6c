package xmlnet

import (
	"encoding/xml"
	"fmt"
	"net/netip"
	"slices"
)

// BootNamespace is that of the element that says what computers of different
// kinds boot, which libvirt's own elements cannot. It stands in <metadata>, so
// that the document stays one of libvirt's:
//
//	<boot xmlns='https://vnetmgr.org/xmlns/boot/1'>
//	  <file class='iPXE' name='http://192.0.2.9/menu.ipxe'/>
//	  <file arch='x64-http' name='http://192.0.2.9/ipxe.efi'/>
//	  <file arch='x64-efi' name='ipxe.efi'/>
//	  <file arch='bios' name='undionly.kpxe' server='192.0.2.9'/>
//	</boot>
const BootNamespace = "https://vnetmgr.org/xmlns/boot/1"

// BootFile is what some computers boot.
type BootFile struct {
	// Archs are the kinds of computer, as in DHCP's option 93 (RFC 4578 §2.1,
	// IANA's "Processor Architecture Types"); none: all.
	Archs []uint16
	HTTP  bool   // these boot by HTTP (UEFI 2.5), so Name is a URL
	Class string // they send this user class; "": any or none
	Name  string // a path on the TFTP server, or a URL
	// Server is the TFTP server; zero: the network's own.
	Server netip.Addr
}

// bootArchs are the values of file/@arch.
var bootArchs = map[string]BootFile{
	"bios":       {Archs: []uint16{0}},
	"x86-efi":    {Archs: []uint16{6}},
	"x64-efi":    {Archs: []uint16{7, 9}}, // firmware disagrees about the number
	"arm-efi":    {Archs: []uint16{10}},
	"arm64-efi":  {Archs: []uint16{11}},
	"x64-http":   {Archs: []uint16{16}, HTTP: true},
	"arm64-http": {Archs: []uint16{19}, HTTP: true},
}

// longestBootName is what DHCP's file field has room for, with the zero byte
// that ends it (RFC 2131 §2).
const longestBootName = 127

// BootFiles reads the boot element in n's metadata: what computers boot, the
// first that fits. There is none without one. Errors are *Error, and name the
// place.
func (n *Network) BootFiles() ([]BootFile, error) {
	i := slices.IndexFunc(n.Metadata, func(m Metadata) bool { return m.Namespace == BootNamespace })
	if i < 0 {
		return nil, nil
	}
	var doc struct {
		XMLName xml.Name
		Attrs   []xml.Attr `xml:",any,attr"`
		Files   []bootNode `xml:",any"`
	}
	if err := xml.Unmarshal([]byte(n.Metadata[i].XML), &doc); err != nil {
		return nil, errf(XMLError, "metadata/boot: %v", err)
	}
	if doc.XMLName.Local != "boot" {
		return nil, errf(XMLError, "metadata: namespace %s has no element <%s>", BootNamespace, doc.XMLName.Local)
	}
	for _, a := range doc.Attrs {
		if !isNamespaceDecl(a.Name) {
			return nil, errf(XMLError, "metadata/boot: unknown attribute %s", a.Name.Local)
		}
	}
	var files []BootFile
	for i, node := range doc.Files {
		f, err := node.file()
		if err != nil {
			return nil, errf(XMLError, "metadata/boot/file[%d]: %v", i+1, err)
		}
		files = append(files, f)
	}
	return files, nil
}

// bootNode is a child of <boot>.
type bootNode struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []struct {
		XMLName xml.Name
	} `xml:",any"`
}

func (node bootNode) file() (BootFile, error) {
	// net-metadata puts only the outer element into its namespace.
	if node.XMLName.Local != "file" || node.XMLName.Space != "" && node.XMLName.Space != BootNamespace {
		return BootFile{}, fmt.Errorf("unknown element <%s>", node.XMLName.Local)
	}
	if len(node.Children) > 0 {
		return BootFile{}, fmt.Errorf("unknown element <%s>", node.Children[0].XMLName.Local)
	}
	var f BootFile
	for _, a := range node.Attrs {
		if isNamespaceDecl(a.Name) {
			continue
		}
		if err := f.set(a); err != nil {
			return f, err
		}
	}
	if f.Name == "" || len(f.Name) > longestBootName {
		return f, fmt.Errorf("attribute name must have 1 to %d bytes", longestBootName)
	}
	return f, nil
}

func (f *BootFile) set(a xml.Attr) error {
	switch a.Name.Local {
	case "name":
		f.Name = a.Value
	case "class":
		f.Class = a.Value
	case "arch":
		kind, ok := bootArchs[a.Value]
		if !ok {
			return fmt.Errorf("unknown arch '%s'", a.Value)
		}
		f.Archs, f.HTTP = kind.Archs, kind.HTTP
	case "server":
		addr, err := netip.ParseAddr(a.Value)
		if err != nil || !addr.Is4() {
			return fmt.Errorf("server '%s' is not an IPv4 address", a.Value)
		}
		f.Server = addr
	default:
		return fmt.Errorf("unknown attribute %s", a.Name.Local)
	}
	return nil
}
