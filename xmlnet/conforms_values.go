package xmlnet

import (
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// What the schema's values are. Types of RELAX NG ignore blanks around a
// value, patterns don't.

func anyText(string) bool { return true }

// oneOf is a list of words.
func oneOf(words ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(words, strings.Join(strings.Fields(s), " ")) }
}

var (
	yesOrNo = oneOf("yes", "no")
	onOrOff = oneOf("on", "off")
)

// like is a pattern for the whole value.
func like(pattern string) func(string) bool {
	return regexp.MustCompile(`\A(?:` + pattern + `)\z`).MatchString
}

var (
	deviceName  = like(`[\w.\-\\:/]+`)
	zoneName    = like(`[\w\-]+`)
	dnsName     = like(`[a-zA-Z0-9.\-]+`)
	plainName   = like(`[\w+\-]+`)
	oneLine     = like(`[^\n]+`)
	somePath    = like(`[^\n\r]+`)
	uuidText    = like(`[[:xdigit:]]{32}|[[:xdigit:]]{8}-(?:[[:xdigit:]]{4}-){3}[[:xdigit:]]{12}`)
	unicastMAC  = like(`[[:xdigit:]][02468aAcCeE](?::[[:xdigit:]]{2}){5}`)
	hexByte     = like(`0x[[:xdigit:]]{1,2}`)
	hexThree    = like(`0x[[:xdigit:]]{1,6}`)
	hexFour     = like(`(?:0x)?[[:xdigit:]]{1,8}`)
	hexSlot     = like(`(?:0x)?[01]?[[:xdigit:]]`)
	hexFunction = like(`(?:0x)?[0-7]`)
	digits      = like(`[0-9]+`)
)

// either of two.
func or(a, b func(string) bool) func(string) bool {
	return func(s string) bool { return a(s) || b(s) }
}

// both of two.
func and(a, b func(string) bool) func(string) bool {
	return func(s string) bool { return a(s) && b(s) }
}

// integer is a whole number from least to most, with a sign if signed.
func integer(least, most string, signed bool) func(string) bool {
	low, _ := new(big.Int).SetString(least, 10)
	high, _ := new(big.Int).SetString(most, 10)
	return func(s string) bool {
		s = strings.Trim(s, " \t\r\n")
		bare := s
		if signed && s != "" && strings.Contains("+-", s[:1]) {
			bare = s[1:]
		}
		if !digits(bare) {
			return false
		}
		n, ok := new(big.Int).SetString(s, 10)
		return ok && n.Cmp(low) >= 0 && n.Cmp(high) <= 0
	}
}

var (
	uint32Value = integer("0", "4294967295", false)
	uint64Value = integer("0", "18446744073709551615", false)
	short       = integer("0", "65535", true)
	byteValue   = or(hexByte, integer("0", "255", true))
	threeBytes  = or(hexThree, integer("0", "16777215", true))
	pciDomain   = or(hexFour, uint32Value)
	pciSlot     = or(hexSlot, integer("0", "31", true))
	pciFunction = or(hexFunction, integer("0", "7", true))
	plainUint32 = and(digits, uint32Value)
	plainUint64 = and(digits, uint64Value)
	positive    = and(digits, func(s string) bool { return strings.Trim(s, "0") != "" })
	speed       = and(digits, integer("1", "18014398509481984", false))
	burst       = and(digits, integer("1", "4294967295", false))
	profileID   = func(s string) bool { return len([]rune(s)) <= 39 }
)

// ipv4Text is a dotted quad.
func ipv4Text(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is4()
}

// ipText is an address of either family. An IPv4 address in an IPv6 one comes
// behind six groups, behind "::", or behind groups that begin with it.
func ipText(s string) bool {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return false
	}
	i := strings.LastIndexByte(s, ':')
	if a.Is4() || !strings.Contains(s[i:], ".") {
		return true
	}
	before := s[:i+1]
	return strings.HasPrefix(before, "::") || strings.HasSuffix(before, "::") || !strings.Contains(before, "::")
}

// duidText is one of the four kinds of DUID that RFC 8415 §11 and RFC 6355
// have, in bytes of one or two digits.
func duidText(s string) bool {
	parts := strings.Split(s, ":")
	for _, p := range parts {
		if len(p) == 0 || len(p) > 2 || strings.Trim(p, "0123456789abcdefABCDEF") != "" {
			return false
		}
	}
	if len(parts) < 7 || strings.Trim(parts[0], "0") != "" {
		return false
	}
	var least, most int
	switch strings.TrimPrefix(parts[1], "0") {
	case "1": // link-layer address and time
		least, most = 14, 16
	case "2": // enterprise number
		least, most = 7, 130
	case "3": // link-layer address
		least, most = 10, 12
	case "4": // UUID
		return len(parts) == 18
	}
	ethernet := parts[1] == "2" || parts[1] == "02" ||
		strings.Trim(parts[2], "0") == "" && len(strings.TrimPrefix(parts[3], "0")) == 1 && parts[3] != "0"
	return len(parts) >= least && len(parts) <= most && ethernet
}
