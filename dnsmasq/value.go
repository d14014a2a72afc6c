package dnsmasq

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// A datum is a DHCP option's value, and what it was written as.
type datum struct {
	bytes []byte
	mask  []byte // of a pattern with wildcards
	isHex bool
	text  bool
	addrs bool // addresses that may be rewritten
}

// readDatum reads a value for an option of a kind: as what it looks like, if
// the kind leaves that open. In a pattern, hexadecimal bytes may be "*".
func readDatum(value string, k kind, pattern bool) (datum, error) {
	switch k {
	case addresses:
		return addressList(value)
	case text:
		return textDatum(value)
	case search:
		b, err := searchList(split(value))
		return datum{bytes: b}, err
	case number1, number2, number4:
		if b, ok := decimal(value, map[kind]int{number1: 1, number2: 2, number4: 4}[k]); ok {
			return datum{bytes: b}, nil
		}
	}
	if d, ok := hexDatum(value, pattern); ok {
		return d, nil
	}
	if b, ok := decimal(value, 0); ok {
		return datum{bytes: b}, nil
	}
	if looksLikeAddresses(value) {
		return addressList(value)
	}
	return textDatum(value)
}

func textDatum(value string) (datum, error) {
	s := shown(value)
	if len(s) > 255 {
		return datum{}, errors.New("a DHCP option has at most 255 bytes")
	}
	return datum{bytes: []byte(s), text: true}, nil
}

// hexDatum reads bytes in hexadecimal with colons between them.
func hexDatum(value string, pattern bool) (d datum, ok bool) {
	parts := strings.Split(value, ":")
	if len(parts) < 2 {
		return d, false
	}
	d.isHex = true
	for _, p := range parts {
		if p == "*" && pattern {
			d.bytes, d.mask = append(d.bytes, 0), append(d.mask, 0)
			continue
		}
		b, err := strconv.ParseUint(p, 16, 8)
		if err != nil || len(p) > 2 {
			return d, false
		}
		d.bytes, d.mask = append(d.bytes, byte(b)), append(d.mask, 0xff)
	}
	return d, len(d.bytes) <= 255
}

// decimal reads an integer of size bytes, or of as many as it needs if size is
// 0 and no letter at its end says how many: b, s (two) or i (four).
func decimal(value string, size int) (b []byte, ok bool) {
	if value == "" {
		return nil, false
	}
	if n := map[byte]int{'b': 1, 's': 2, 'i': 4}[value[len(value)-1]]; n > 0 {
		value, size = value[:len(value)-1], n
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < -1<<31 || n >= 1<<32 || value[0] == '+' {
		return nil, false
	}
	u := uint32(n)
	switch {
	case size > 0:
	case u>>16 != 0:
		size = 4
	case u>>8 != 0:
		size = 2
	default:
		size = 1
	}
	return binary.BigEndian.AppendUint32(nil, u)[4-size:], true
}

// looksLikeAddresses tells whether a value is nothing but what addresses and
// prefixes are made of.
func looksLikeAddresses(value string) bool {
	return strings.ContainsAny(value, "0123456789") && strings.Trim(value, "0123456789.,/ ") == "" && value[0] != '/'
}

// addressList reads addresses, and prefixes in the form of RFC 3442.
func addressList(value string) (datum, error) {
	d := datum{addrs: true}
	for _, part := range split(value) {
		host, bits, isPrefix := strings.Cut(part, "/")
		a, err := netip.ParseAddr(host)
		if err != nil || !a.Is4() {
			return d, fmt.Errorf("bad IPv4 address %q", part)
		}
		octets := a.As4()
		if !isPrefix {
			d.bytes = append(d.bytes, octets[:]...)
			continue
		}
		n, err := strconv.ParseUint(bits, 10, 8)
		if err != nil || n > 32 {
			return d, fmt.Errorf("bad prefix %q", part)
		}
		d.bytes = append(append(d.bytes, byte(n)), octets[:(n+7)/8]...)
		d.addrs = false
	}
	if len(d.bytes) > 255 {
		return d, errors.New("a DHCP option has at most 255 bytes")
	}
	return d, nil
}

// searchList packs domains as RFC 3397 says: in DNS's form, where the end of
// one that was there before is a pointer to it.
func searchList(domains []string) ([]byte, error) {
	var b []byte
	at := map[string]int{}
	for _, d := range domains {
		if err := checkName(d); err != nil {
			return nil, err
		}
		d = strings.ToLower(strings.TrimSuffix(d, "."))
		for {
			if off, ok := at[d]; ok {
				b = binary.BigEndian.AppendUint16(b, 0xc000|uint16(off))
				break
			}
			at[d] = len(b)
			label, rest, more := strings.Cut(d, ".")
			b = append(append(b, byte(len(label))), label...)
			if d = rest; !more {
				b = append(b, 0)
				break
			}
		}
	}
	if len(b) > 255 {
		return nil, errors.New("a DHCP option has at most 255 bytes")
	}
	return b, nil
}
