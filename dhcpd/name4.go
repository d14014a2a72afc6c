package dhcpd

import (
	"bytes"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/vnetmgr/vnetmgr/lease"
)

// name4 is the name that a client sent.
type name4 struct {
	host  string // the first label, "" if there is none that is legal
	fqdn  bool   // sent as option 81, which is then answered
	flags byte   // of option 81
}

// Flags of the client FQDN option (RFC 4702 §2.1).
const (
	fqdnServerUpdates = 0x01 // S: the server does the forward record
	fqdnOverride      = 0x02 // O: the server decided against the client
	fqdnEncoded       = 0x04 // E: the name is in DNS wire format
	fqdnNoUpdates     = 0x08 // N: the server does no record
)

// nameOf reads the client FQDN option or else the host name option. Like
// dnsmasq it takes the first label, whatever domain follows: the domain is
// the network's to say, so that no guest can call itself www.example.com.
func nameOf(o dhcpv4.Options) name4 {
	if v := o.Get(dhcpv4.OptionFQDN); len(v) >= 3 {
		n := name4{fqdn: true, flags: v[0]}
		if n.flags&fqdnEncoded != 0 {
			n.host = legalHost(firstWireLabel(v[3:]))
		} else {
			n.host = legalHost(v[3:])
		}
		return n
	}
	return name4{host: legalHost(o.Get(dhcpv4.OptionHostName))}
}

// firstWireLabel returns the first label of a name in DNS wire format.
func firstWireLabel(v []byte) []byte {
	if len(v) == 0 || int(v[0]) >= len(v) {
		return nil
	}
	return v[1 : 1+int(v[0])]
}

// legalHost returns a name's first label if it is letters, digits, hyphens
// and underscores, does not begin with the latter two and has at most 63
// bytes; else "". A trailing NUL is not part of the name.
func legalHost(v []byte) string {
	s, _, _ := strings.Cut(strings.TrimRight(string(v), "\x00"), ".")
	if len(s) > 63 {
		return ""
	}
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && (i == 0 || c != '-' && c != '_') {
			return ""
		}
	}
	return s
}

// nameHeld tells whether a lease's name is that of another client that is
// there: who came first keeps it, or any guest could take another's traffic by
// calling itself the same. (dnsmasq gives it to the last.)
func nameHeld(leases *lease.Table, l lease.Lease) bool {
	if l.Hostname == "" {
		return false
	}
	lookup := leases.LookupName
	if l.Addr.Is6() {
		lookup = leases.LookupName6
	}
	other, ok := lookup(l.Hostname)
	return ok && other.Addr != l.Addr && !bytes.Equal(other.MAC, l.MAC) &&
		(len(l.ClientID) == 0 || l.Clone || other.Clone || !bytes.Equal(other.ClientID, l.ClientID))
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// fqdnAnswer is option 81's value in a reply: we do both records, whatever
// the client would rather.
func fqdnAnswer(sent name4, host, domain string) []byte {
	flags := sent.flags & 0x0f &^ fqdnNoUpdates
	if flags&fqdnServerUpdates == 0 {
		flags |= fqdnServerUpdates | fqdnOverride
	}
	full := host
	if domain != "" {
		full += "." + domain
	}
	v := []byte{flags, 255, 255} // RFC 4702 §2.2: both result codes 255
	if flags&fqdnEncoded == 0 {
		return append(v, full...)
	}
	for _, label := range strings.Split(full, ".") {
		v = append(append(v, byte(len(label))), label...)
	}
	return append(v, 0)
}
