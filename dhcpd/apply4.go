package dhcpd

import (
	"bytes"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// chosen are the rules that count for a client, the last first.
type chosen []*OptionRule

// of returns the rule for an option, nil if none counts.
func (c chosen) of(code uint8) *OptionRule { return c.rule(uint16(code)) }

func (c chosen) rule(code uint16) *OptionRule {
	for _, o := range c {
		if o.Code == code {
			return o
		}
	}
	return nil
}

// choose finds the rules that count for who has tags.
func (r *Rules) choose(tags []string) chosen {
	if len(r.Options) == 0 {
		return nil
	}
	counts := make(map[uint16]*OptionRule, len(r.Options))
	for _, conditional := range []bool{true, false} {
		for i := len(r.Options) - 1; i >= 0; i-- {
			o := &r.Options[i]
			if o.Inside == 0 && len(o.If) > 0 == conditional && counts[o.Code] == nil && o.If.met(tags) {
				counts[o.Code] = o
			}
		}
	}
	var c chosen
	for i := len(r.Options) - 1; i >= 0; i-- {
		if o := &r.Options[i]; counts[o.Code] == o {
			c = append(c, o)
		}
	}
	return c
}

// boot returns the boot rule that counts for who has tags, nil if none.
func (r *Rules) boot(tags []string) *BootRule {
	for _, conditional := range []bool{true, false} {
		for i := len(r.Boots) - 1; i >= 0; i-- {
			if b := &r.Boots[i]; len(b.If) > 0 == conditional && b.If.met(tags) {
				return b
			}
		}
	}
	return nil
}

// putBoot sets the fields that say what to boot: as a boot rule says, or the
// configuration, or the rules for options 66 and 67 for clients that do not
// ask for those.
func (s *service4) putBoot(p *reply4, r *request4, tags []string, rules chosen) {
	p.siaddr = s.addr
	b := s.Rules.boot(tags)
	switch {
	case b != nil:
		p.file, p.sname = b.File, b.ServerName
		if b.Server.IsValid() {
			p.siaddr = b.Server
		}
		return
	case s.BootFile != "" || s.BootServer.IsValid():
		p.file = s.BootFile
		if s.BootServer.IsValid() {
			p.siaddr = s.BootServer
		}
		return
	}
	if o := rules.of(dhcpv4.OptionBootfileName.Code()); o.inField(r) {
		p.file = string(o.Value)
	}
	if o := rules.of(dhcpv4.OptionTFTPServerName.Code()); o.inField(r) {
		p.sname = string(o.Value)
	}
}

// inField tells whether a rule for option 66 or 67 goes into the header.
func (o *OptionRule) inField(r *request4) bool {
	return o != nil && !o.Force && (r.wanted == nil || !r.wants(dhcpv4.GenericOptionCode(uint8(o.Code))))
}

// isOurs are options whose empty rule takes them away, rather than sending
// them empty.
var isOurs = []dhcpv4.OptionCode{
	dhcpv4.OptionSubnetMask, dhcpv4.OptionBroadcastAddress, dhcpv4.OptionRouter,
	dhcpv4.OptionDomainNameServer, dhcpv4.OptionDomainName, dhcpv4.OptionHostName,
}

// isReserved are options that belong to the protocol: no rule sends them.
var isReserved = []dhcpv4.OptionCode{
	dhcpv4.OptionPad, dhcpv4.OptionEnd, dhcpv4.OptionFQDN, dhcpv4.OptionMaximumDHCPMessageSize,
	dhcpv4.OptionOptionOverload, dhcpv4.OptionRenewTimeValue, dhcpv4.OptionRebindingTimeValue,
}

// endInNUL are texts that some ROMs need to end so.
var endInNUL = []dhcpv4.OptionCode{dhcpv4.OptionBootfileName, dhcpv4.OptionTFTPServerName}

func hasCode(codes []dhcpv4.OptionCode, code uint8) bool {
	return slices.ContainsFunc(codes, func(c dhcpv4.OptionCode) bool { return c.Code() == code })
}

// putRules puts the options that the rules give.
func (s *service4) putRules(p *reply4, r *request4, rules chosen) {
	for _, o := range rules {
		code := dhcpv4.GenericOptionCode(uint8(o.Code))
		switch {
		case !o.Force && !r.wants(code), hasCode(isReserved, uint8(o.Code)):
		case len(o.Value) == 0 && hasCode(isOurs, uint8(o.Code)):
		case o.Text && p.holds(o):
		default:
			p.options.put(code, s.value(o)...)
		}
	}
}

// holds tells whether the header has the rule's text already.
func (p *reply4) holds(o *OptionRule) bool {
	switch uint8(o.Code) {
	case dhcpv4.OptionBootfileName.Code():
		return !o.Force && p.file != "" && p.file == string(o.Value)
	case dhcpv4.OptionTFTPServerName.Code():
		return !o.Force && p.sname != "" && p.sname == string(o.Value)
	}
	return false
}

// value is a rule's value on the wire.
func (s *service4) value(o *OptionRule) []byte {
	if o.Inside == 0 && o.Text && hasCode(endInNUL, uint8(o.Code)) {
		return append(bytes.Clone(o.Value), 0)
	}
	if !o.Addrs {
		return o.Value
	}
	v := bytes.Clone(o.Value)
	for i := 0; i+4 <= len(v); i += 4 {
		if [4]byte(v[i:]) == [4]byte{} {
			a := s.addr.As4()
			copy(v[i:], a[:])
		}
	}
	return v
}

// putEncapsulated puts the options that hold others. With options of its
// vendor, a client gets its vendor class back.
func (s *service4) putEncapsulated(p *reply4, r *request4, tags []string) {
	inside := map[uint8][]byte{}
	var order []uint8
	vendors := false
	for i := len(s.Rules.Options) - 1; i >= 0; i-- {
		o := &s.Rules.Options[i]
		outer := dhcpv4.GenericOptionCode(o.Inside)
		if o.Inside == 0 || !o.If.met(tags) || !o.Force && !r.wants(outer) ||
			o.ByVendor && !bytes.Contains(r.vendor, []byte(o.Vendor)) {
			continue
		}
		v := s.value(o)
		if _, ok := inside[o.Inside]; !ok {
			order = append(order, o.Inside)
		}
		inside[o.Inside] = append(append(inside[o.Inside], byte(o.Code), byte(len(v))), v...)
		vendors = vendors || o.ByVendor
	}
	for _, code := range order {
		v := inside[code]
		p.options.put(dhcpv4.GenericOptionCode(code), append(v, dhcpv4.OptionEnd.Code())...)
	}
	class := dhcpv4.OptionClassIdentifier
	if vendors && len(r.vendor) > 0 && !p.options.has(class) {
		p.options.put(class, r.vendor...)
	}
}

// has tells whether an option is there.
func (o *options4) has(code dhcpv4.OptionCode) bool {
	for b := o.b; len(b) >= 2; b = b[2+int(b[1]):] {
		if b[0] == code.Code() {
			return true
		}
	}
	return false
}
