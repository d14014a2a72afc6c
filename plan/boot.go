package plan

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// The options by which computers that boot say what they are, and one of which
// UEFI's HTTP boot has to hear its own word again.
const (
	optionVendorClass = 60
	optionUserClass   = 77
	optionArch        = 93

	httpClient = "HTTPClient" // UEFI 2.10 §24.7.3.3.1
)

// CheckBoot refuses a boot element in n's metadata that means nothing, or that
// nobody would be told of.
func CheckBoot(n *xmlnet.Network) error {
	files, err := n.BootFiles()
	if err == nil && len(files) > 0 && !slices.ContainsFunc(n.IPs, func(ip xmlnet.IP) bool { return ip.HasDHCP() }) {
		return refuse(xmlnet.ConfigUnsupported, "network '%s': metadata/boot needs an ip with dhcp", n.Name)
	}
	return err
}

// addBoot puts into p what the boot element in n's metadata says. Rules that
// are there already, of the dnsmasq namespace, count first.
func addBoot(n *xmlnet.Network, p *Plan) error {
	files, err := n.BootFiles()
	if err != nil || len(files) == 0 {
		return err
	}
	if p.DHCP6 != nil {
		addBoot6(files, p.DHCP6)
	}
	if p.DHCP4 == nil {
		return nil
	}
	var rules dhcpd.Rules
	// The last rule that fits counts, but the first file.
	for i, f := range slices.Backward(files) {
		addFile(&rules, fmt.Sprintf("boot-file-%d", i+1), f)
	}
	have := &p.DHCP4.Rules
	have.Matches = append(rules.Matches, have.Matches...)
	have.Boots = append(rules.Boots, have.Boots...)
	have.Options = append(rules.Options, have.Options...)
	return nil
}

// addFile adds the rules for one file, whose tags begin with the given one.
func addFile(rules *dhcpd.Rules, tag string, f xmlnet.BootFile) {
	who := matchFile(rules, tag, f, optionArch, optionUserClass)
	rules.Boots = append(rules.Boots, dhcpd.BootRule{If: who, File: f.Name, Server: f.Server})
	if f.HTTP {
		rules.Options = append(rules.Options, dhcpd.OptionRule{
			If: who, Code: optionVendorClass, Value: []byte(httpClient), Force: true, Text: true,
		})
	}
}

// matchFile adds the rules that tell whom a file is for, by the options that
// say architecture and user class, and returns the condition.
func matchFile(rules *dhcpd.Rules, tag string, f xmlnet.BootFile, archOption, classOption uint16) dhcpd.Condition {
	var who dhcpd.Condition
	for _, arch := range f.Archs {
		rules.Matches = append(rules.Matches, dhcpd.Match{
			Tag: tag + "-arch", Option: archOption, Value: binary.BigEndian.AppendUint16(nil, arch),
		})
	}
	if len(f.Archs) > 0 {
		who = append(who, tag+"-arch")
	}
	if f.Class != "" {
		rules.Matches = append(rules.Matches, dhcpd.Match{
			Tag: tag + "-class", Option: classOption, Value: []byte(f.Class), Text: true,
		})
		who = append(who, tag+"-class")
	}
	return who
}
