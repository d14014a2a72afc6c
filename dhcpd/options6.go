package dhcpd

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// options6 is a list of encoded DHCPv6 options (RFC 8415 §21.1), as received
// or to be sent.
type options6 []byte

// each calls f with every option, in order. It returns false if the list is
// cut off in the middle of one.
func (o options6) each(f func(code dhcpv6.OptionCode, value []byte)) bool {
	for len(o) > 0 {
		if len(o) < 4 {
			return false
		}
		n := 4 + int(binary.BigEndian.Uint16(o[2:]))
		if n > len(o) {
			return false
		}
		f(dhcpv6.OptionCode(binary.BigEndian.Uint16(o)), o[4:n])
		o = o[n:]
	}
	return true
}

// put appends an option.
func (o *options6) put(code dhcpv6.OptionCode, value ...byte) {
	*o = binary.BigEndian.AppendUint16(*o, uint16(code))
	*o = binary.BigEndian.AppendUint16(*o, uint16(len(value)))
	*o = append(*o, value...)
}

// open begins an option whose value is appended next; close, with what open
// returned, ends it.
func (o *options6) open(code dhcpv6.OptionCode) int {
	o.put(code)
	return len(*o)
}

func (o *options6) close(at int) {
	binary.BigEndian.PutUint16((*o)[at-2:], uint16(len(*o)-at))
}

// putStatus appends a status code option (RFC 8415 §21.13).
func (o *options6) putStatus(code iana.StatusCode, text string) {
	o.put(dhcpv6.OptionStatusCode, append([]byte{byte(code >> 8), byte(code)}, text...)...)
}

// putAddr appends an IA address option (RFC 8415 §21.6).
func (o *options6) putAddr(a netip.Addr, t times6) {
	b := a.As16()
	v := binary.BigEndian.AppendUint32(b[:], seconds32(t.preferred))
	o.put(dhcpv6.OptionIAAddr, binary.BigEndian.AppendUint32(v, seconds32(t.valid))...)
}

// forever is an infinite lifetime (RFC 8415 §7.7).
const forever = infinite32 * time.Second

// seconds32 is a lifetime as it goes over the wire.
func seconds32(d time.Duration) uint32 {
	return uint32(min(d/time.Second, infinite32))
}

// wireName encodes a domain name as RFC 8415 §10 says. Labels that DNS cannot
// hold make it nothing.
func wireName(name string) []byte {
	var b []byte
	for _, label := range strings.Split(strings.Trim(name, "."), ".") {
		if len(label) == 0 || len(label) > 63 {
			return nil
		}
		b = append(append(b, byte(len(label))), label...)
	}
	if len(b) > 254 {
		return nil
	}
	return append(b, 0)
}

// fqdn6 is what a client says of its name in option 39 (RFC 4704).
type fqdn6 struct {
	sent  bool
	flags byte
	host  string // the first label, "" if there is none that is legal
}

func parseFQDN6(v []byte) fqdn6 {
	if len(v) < 1 {
		return fqdn6{}
	}
	return fqdn6{sent: true, flags: v[0], host: legalHost(firstWireLabel(v[1:]))}
}

// answer is option 39's value in a reply: we do the records, whatever the
// client would rather (RFC 4704 §6).
func (f fqdn6) answer(host, domain string) []byte {
	flags := byte(fqdnServerUpdates)
	if f.sent && f.flags&fqdnServerUpdates == 0 {
		flags |= fqdnOverride
	}
	full := wireName(strings.TrimSuffix(host+"."+domain, "."))
	return append([]byte{flags}, full...)
}
