package dnsmasq

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vnetmgr/vnetmgr/dhcpd"
)

// Codes of DHCP options that other options are about (RFC 2132, RFC 3004).
const (
	vendorOptions = 43
	vendorClass   = 60
	userClass     = 77
)

// dhcpOption reads dhcp-option=[tag:tag,][encap:option,|vendor:[class],]option[,value],
// where option6:name is one of DHCPv6.
func (r *reader) dhcpOption(arg string, force bool) error {
	o := dhcpd.OptionRule{Force: force}
	rest, more := arg, true
	for more {
		var part string
		part, rest, more = next(rest)
		if name, six := strings.CutPrefix(part, "option6:"); six {
			return r.addOption6(o, name, rest, more)
		}
		c, isCode, err := codeOf(part)
		if err != nil {
			return err
		}
		if isCode {
			o.Code = uint16(c)
			return r.addOption(o, rest, more)
		}
		if err := optionPart(&o, part); err != nil {
			return err
		}
	}
	return errors.New("no DHCP option is named")
}

// optionPart reads what stands before the option.
func optionPart(o *dhcpd.OptionRule, part string) error {
	if tag, ok := required(part); ok {
		o.If = append(o.If, tag)
		return nil
	}
	kind, what, _ := strings.Cut(part, ":")
	switch kind {
	case "vendor":
		o.Inside, o.ByVendor, o.Vendor = vendorOptions, true, shown(what)
	case "encap":
		n, err := strconv.ParseUint(what, 10, 8)
		if err != nil || n == 0 || n == 255 {
			return fmt.Errorf("bad DHCP option %q", what)
		}
		o.Inside = uint8(n)
	case "vi-encap":
		return errors.New("options by enterprise number (RFC 3925) are not supported")
	default:
		return fmt.Errorf("%q is neither an option nor a tag", shown(part))
	}
	return nil
}

func (r *reader) addOption(o dhcpd.OptionRule, value string, given bool) error {
	k := codes[uint8(o.Code)].kind
	if o.Inside != 0 {
		k = plain
	}
	if k == reserve {
		return fmt.Errorf("DHCP option %d is the server's own", o.Code)
	}
	if given {
		d, err := readDatum(value, k, false)
		if err != nil {
			return err
		}
		o.Value, o.Text, o.Addrs = d.bytes, d.text, d.addrs
	}
	r.o.Rules.Options = append(r.o.Rules.Options, o)
	return nil
}

// dhcpBoot reads dhcp-boot=[tag:tag,]file[,server name[,server address]].
func (r *reader) dhcpBoot(arg string) error {
	c, rest, more := condition(arg)
	if !more {
		return errors.New("no file is named")
	}
	parts := split(rest)
	b := dhcpd.BootRule{If: c, File: parts[0]}
	if len(b.File) > 127 {
		return fmt.Errorf("file name of %d bytes, the field has 127", len(b.File))
	}
	if len(parts) > 1 {
		b.ServerName = parts[1]
	}
	if len(parts) > 2 && parts[2] != "" {
		a, err := netip.ParseAddr(parts[2])
		if err != nil || !a.Is4() {
			return fmt.Errorf("bad IPv4 address %q", parts[2])
		}
		b.Server = a
	}
	if len(parts) > 3 || len(b.ServerName) > 63 {
		return errors.New("file, server name and server address are all there can be")
	}
	r.o.Rules.Boots = append(r.o.Rules.Boots, b)
	return nil
}

func (r *reader) match(m dhcpd.Match) { r.o.Rules.Matches = append(r.o.Rules.Matches, m) }

// matchBoth notes what is about clients of both families.
func (r *reader) matchBoth(m dhcpd.Match) {
	r.match(m)
	r.o.Rules6.Matches = append(r.o.Rules6.Matches, m)
}

// dhcpMatch reads dhcp-match=set:tag,[option6:]option[,value].
func (r *reader) dhcpMatch(arg string) error {
	tag, rest, err := setTag(arg)
	if err != nil {
		return err
	}
	part, value, given := next(rest)
	if name, six := strings.CutPrefix(part, "option6:"); six {
		return r.match6(tag, name, value, given)
	}
	c, isCode, err := codeOf(part)
	switch {
	case err != nil:
		return err
	case !isCode || c == 0 || c == 255:
		return fmt.Errorf("%q is not a DHCP option", shown(part))
	}
	m := dhcpd.Match{Tag: tag, Option: uint16(c)}
	if given {
		k := codes[c].kind
		if k == reserve {
			k = plain
		}
		d, err := readDatum(value, k, true)
		if err != nil {
			return err
		}
		m.Value, m.Mask, m.Exact, m.Text = d.bytes, d.mask, d.isHex, d.text
	}
	r.match(m)
	return nil
}

// dhcpClass reads dhcp-vendorclass and dhcp-userclass=set:tag,text: clients
// whose class has the text anywhere.
func (r *reader) dhcpClass(arg string, code uint8) error {
	tag, rest, err := setTag(arg)
	if err != nil {
		return err
	}
	if strings.HasPrefix(rest, "enterprise:") {
		return errors.New("classes by enterprise number are not supported")
	}
	if rest == "" {
		return errors.New("no class is named")
	}
	m := dhcpd.Match{Tag: tag, Option: uint16(code), Value: []byte(shown(rest)), Text: true}
	r.match(m)
	if code == userClass {
		m.Option = userClass6
		r.o.Rules6.Matches = append(r.o.Rules6.Matches, m)
	}
	return nil
}

// dhcpMAC reads dhcp-mac=set:tag,address, in which bytes may be "*".
func (r *reader) dhcpMAC(arg string) error {
	tag, rest, err := setTag(arg)
	if err != nil {
		return err
	}
	d, ok := hexDatum(shown(rest), true)
	if !ok {
		return fmt.Errorf("bad hardware address %q", shown(rest))
	}
	m := dhcpd.Match{Tag: tag}
	for i, b := range d.bytes {
		m.MAC = append(m.MAC, dhcpd.MACByte{Value: b, Any: d.mask[i] == 0})
	}
	r.matchBoth(m)
	return nil
}

// dhcpNameMatch reads dhcp-name-match=set:tag,name[*].
func (r *reader) dhcpNameMatch(arg string) error {
	tag, rest, err := setTag(arg)
	if err != nil {
		return err
	}
	name := shown(rest)
	if err := checkName(strings.TrimSuffix(name, "*")); err != nil && name != "*" {
		return err
	}
	r.matchBoth(dhcpd.Match{Tag: tag, Name: name})
	return nil
}
