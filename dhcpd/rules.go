package dhcpd

import (
	"net/netip"
	"slices"
)

// Rules tell clients apart by tags and say what they get for theirs, as
// dnsmasq's options do. Option codes are DHCPv4's or DHCPv6's, as the service
// is; Boots and Broadcast are DHCPv4's alone. A client has the bridge's name as a tag, "known" if
// there is a reservation for it, that reservation's tags, those of its
// range, and those of the matches.
type Rules struct {
	Matches []Match
	TagIfs  []TagIf
	Options []OptionRule
	Boots   []BootRule
	// Ignore are the clients that get no answer, IgnoreNames those whose
	// names do not count, Broadcast those that are answered by broadcast:
	// whoever meets one of the conditions.
	Ignore, IgnoreNames, Broadcast []Condition
}

// Condition is met by who has all its tags, and none of those that begin with
// an exclamation mark. An empty one is met by all.
type Condition []string

func (c Condition) met(tags []string) bool {
	for _, t := range c {
		if t[0] == '!' {
			if slices.Contains(tags, t[1:]) {
				return false
			}
		} else if !slices.Contains(tags, t) {
			return false
		}
	}
	return true
}

func anyMet(all []Condition, tags []string) bool {
	return slices.ContainsFunc(all, func(c Condition) bool { return c.met(tags) })
}

// TagIf gives tags to who meets a condition.
type TagIf struct {
	If   Condition
	Tags []string
}

// Match gives a tag to clients. What it looks at is the first of MAC, Name and
// Option that is set.
type Match struct {
	Tag    string
	MAC    []MACByte // the client's hardware address
	Name   string    // the name that the client sends, a "*" at its end is any rest
	Option uint16    // an option that the client sends
	Value  []byte    // what it holds; nothing is anything
	Mask   []byte    // of Value, nil for all bits
	// Where Value must be: at the start (Exact), at any byte (Text), or at a
	// multiple of its own length.
	Exact, Text bool
}

// MACByte is one byte of a hardware address, or any.
type MACByte struct {
	Value byte
	Any   bool
}

// OptionRule is an option that clients get if they ask for it, or all if it
// is forced. Of the rules for one option whose condition is met the last
// counts, and those without a condition only if there is none with.
type OptionRule struct {
	If    Condition
	Code  uint16
	Value []byte // none takes one of our own options away
	Force bool
	Text  bool // Value is text
	Addrs bool // Value is addresses; 0.0.0.0 or :: is ours
	// Inside puts Code into that option, 0 for none. With Vendor, which needs
	// Inside to be 43, only for clients with that in their vendor class.
	Inside   uint8
	ByVendor bool
	Vendor   string
	// Servers are what DHCPv6's option 56 names, in the form of RFC 5908 §4;
	// Value is nil then.
	Servers []NTPServer
}

// NTPServer is a time server: by address, of which :: is ours, or by name in
// DNS's form.
type NTPServer struct {
	Addr netip.Addr
	Name []byte
}

// BootRule is what to boot. Which rule counts is decided as for OptionRule.
type BootRule struct {
	If         Condition
	File       string
	ServerName string
	Server     netip.Addr // zero: the DHCP server
}
