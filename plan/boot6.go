package plan

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// DHCPv6's options for booting: RFC 8415 §21.15, 21.16, RFC 5970 §3.1, 3.3.
const (
	optionUserClass6   = 15
	optionVendorClass6 = 16
	optionBootURL6     = 59
	optionArch6        = 61

	// vendorIntel is the enterprise number under which UEFI speaks of booting.
	vendorIntel = 343
)

// addBoot6 puts into c what the boot element says: there is one option for
// what to boot, and it holds a URL. Rules that are there already count first.
func addBoot6(files []xmlnet.BootFile, c *dhcpd.Config6) {
	var rules dhcpd.Rules
	// The last rule that fits counts, but the first file.
	for i, f := range slices.Backward(files) {
		if url, ok := bootURL6(f, c); ok {
			addFile6(&rules, fmt.Sprintf("boot-file-%d", i+1), f, url)
		}
	}
	c.Rules.Matches = append(rules.Matches, c.Rules.Matches...)
	c.Rules.Options = append(rules.Options, c.Rules.Options...)
}

// bootURL6 is where a file is: as it says, or on the network's TFTP server. A
// file on another's, which has an IPv4 address, is none for DHCPv6.
func bootURL6(f xmlnet.BootFile, c *dhcpd.Config6) (url string, ok bool) {
	switch {
	case strings.Contains(f.Name, "://"):
		return f.Name, true
	case f.Server.IsValid():
		return "", false
	}
	return fmt.Sprintf("tftp://[%s]/%s", c.Server.Addr(), strings.TrimPrefix(f.Name, "/")), true
}

// addFile6 adds the rules for one file, whose tags begin with the given one.
func addFile6(rules *dhcpd.Rules, tag string, f xmlnet.BootFile, url string) {
	who := matchFile(rules, tag, f, optionArch6, optionUserClass6)
	rules.Options = append(rules.Options, dhcpd.OptionRule{If: who, Code: optionBootURL6, Value: []byte(url), Text: true})
	if f.HTTP {
		rules.Options = append(rules.Options, dhcpd.OptionRule{
			If: who, Code: optionVendorClass6, Value: vendorClass6(httpClient), Force: true,
		})
	}
}

// vendorClass6 is a vendor class of one text, as UEFI's HTTP boot looks for it.
func vendorClass6(text string) []byte {
	b := binary.BigEndian.AppendUint32(nil, vendorIntel)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(text))), text...)
}
