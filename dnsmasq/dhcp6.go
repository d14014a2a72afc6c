package dnsmasq

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/vnetmgr/vnetmgr/dhcpd"
)

// userClass6 is DHCPv6's option for user classes (RFC 8415 §21.15).
const userClass6 = 15

// kind6 is what a DHCPv6 option holds.
type kind6 int

const (
	plain6   kind6 = iota // as the value looks
	addrs6                // IPv6 addresses in brackets
	text6                 // a text
	names6                // domain names, not compressed (RFC 8415 §10)
	strings6              // texts with their lengths in front
	time6                 // a time as of a lease, in seconds
	ntp6                  // servers in the form of RFC 5908
)

// codes6 are the options that dnsmasq has names for (`dnsmasq --help dhcp6`),
// and those whose form it knows.
var codes6 = map[uint16]struct {
	name string
	kind kind6
}{
	21: {"sip-server-domain", names6}, 22: {"sip-server", addrs6}, 23: {"dns-server", addrs6},
	24: {"domain-search", names6}, 27: {"nis-server", addrs6}, 28: {"nis+-server", addrs6},
	29: {"nis-domain", names6}, 30: {"nis+-domain", names6}, 31: {"sntp-server", addrs6},
	32: {"information-refresh-time", time6}, 41: {"posix-timezone", text6}, 42: {"tzdb-timezone", text6},
	userClass6: {"", strings6}, 56: {"ntp-server", ntp6}, 59: {"bootfile-url", text6}, 60: {"bootfile-param", strings6},
}

// code6 reads an option's name or number, after "option6:".
func code6(text string) (uint16, error) {
	for c, o := range codes6 {
		if o.name != "" && strings.EqualFold(o.name, text) {
			return c, nil
		}
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("unknown DHCPv6 option %q", shown(text))
	}
	return uint16(n), nil
}

// addOption6 notes a DHCPv6 option, with what o says of whom it is for.
func (r *reader) addOption6(o dhcpd.OptionRule, name, value string, given bool) error {
	if o.Inside != 0 {
		return errors.New("DHCPv6 options inside others are not supported")
	}
	code, err := code6(name)
	if err != nil {
		return err
	}
	o.Code = code
	if given {
		if err := setValue6(&o, value); err != nil {
			return err
		}
	}
	r.o.Rules6.Options = append(r.o.Rules6.Options, o)
	return nil
}

func setValue6(o *dhcpd.OptionRule, value string) (err error) {
	k := codes6[o.Code].kind
	if k == plain6 && strings.HasPrefix(value, "[") {
		k = addrs6
	}
	switch k {
	case addrs6:
		o.Value, err = addresses6(split(value))
		o.Addrs = true
	case names6:
		o.Value, err = names(split(value))
	case strings6:
		o.Value = counted(split(value))
	case time6:
		o.Value, err = seconds4(value)
	case ntp6:
		return setServers(o, value)
	case text6:
		o.Value, o.Text = []byte(shown(value)), true
	default:
		return setPlain6(o, value)
	}
	return err
}

func setPlain6(o *dhcpd.OptionRule, value string) error {
	d, err := textDatum(value)
	if h, ok := hexDatum(value, false); ok {
		d, err = h, nil
	} else if b, ok := decimal(value, 0); ok {
		d, err = datum{bytes: b}, nil
	}
	o.Value, o.Text = d.bytes, d.text
	return err
}

// addr6 reads an address in brackets. What dnsmasq makes of [::] and of
// [fd00::], our own address, is :: here.
func addr6(text string) (netip.Addr, error) {
	inner, open := strings.CutPrefix(text, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	a, err := netip.ParseAddr(inner)
	switch {
	case !open || !closed || err != nil || !a.Is6() || a.Zone() != "":
		return a, fmt.Errorf("%q is not an IPv6 address in brackets", shown(text))
	case a == netip.MustParseAddr("fd00::"):
		return netip.IPv6Unspecified(), nil
	case a == netip.MustParseAddr("fe80::"):
		return a, errors.New("the server's link-local address is not supported here, use [::]")
	}
	return a, nil
}

func addresses6(parts []string) ([]byte, error) {
	var b []byte
	for _, p := range parts {
		a, err := addr6(p)
		if err != nil {
			return nil, err
		}
		v := a.As16()
		b = append(b, v[:]...)
	}
	return b, nil
}

// names encodes domain names, one after the other.
func names(domains []string) ([]byte, error) {
	var b []byte
	for _, d := range domains {
		if err := checkName(d); err != nil {
			return nil, err
		}
		for label := range strings.SplitSeq(strings.TrimSuffix(d, "."), ".") {
			b = append(append(b, byte(len(label))), label...)
		}
		b = append(b, 0)
	}
	return b, nil
}

func counted(texts []string) []byte {
	var b []byte
	for _, t := range texts {
		t = shown(t)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(t))), t...)
	}
	return b
}

func seconds4(value string) ([]byte, error) {
	t, ok := leaseTime(value)
	if !ok {
		return nil, fmt.Errorf("bad time %q", shown(value))
	}
	if t.Infinite {
		return []byte{0xff, 0xff, 0xff, 0xff}, nil
	}
	return binary.BigEndian.AppendUint32(nil, uint32(t.Duration/time.Second)), nil
}

// setServers reads time servers: addresses in brackets, names, or the option's
// bytes.
func setServers(o *dhcpd.OptionRule, value string) error {
	if d, ok := hexDatum(value, false); ok {
		o.Value = d.bytes
		return nil
	}
	for _, p := range split(value) {
		var n dhcpd.NTPServer
		var err error
		if strings.HasPrefix(p, "[") {
			n.Addr, err = addr6(p)
		} else {
			n.Name, err = names([]string{p})
		}
		if err != nil {
			return err
		}
		o.Servers = append(o.Servers, n)
	}
	return nil
}

// match6 reads what dhcp-match says of a DHCPv6 option.
func (r *reader) match6(tag, name, value string, given bool) error {
	code, err := code6(name)
	if name == "client-arch" {
		code, err = 61, nil
	}
	if err != nil {
		return err
	}
	m := dhcpd.Match{Tag: tag, Option: code}
	if given {
		k := plain
		if code == 61 { // RFC 5970 §3.3
			k = number2
		}
		d, err := readDatum(value, k, true)
		if err != nil {
			return err
		}
		m.Value, m.Mask, m.Exact, m.Text = d.bytes, d.mask, d.isHex, d.text
	}
	r.o.Rules6.Matches = append(r.o.Rules6.Matches, m)
	return nil
}
