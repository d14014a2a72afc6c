package dhcpd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/vnetmgr/vnetmgr/lease"
)

// Bounds on what one message makes us do.
const (
	maxRelays = 8  // RFC 8415 §7.6: HOP_COUNT_LIMIT
	maxIAs    = 16 // identity associations; more are not looked at
	maxHints  = 16 // addresses in one; more are not looked at
	// maxDUID is the longest DUID there is (RFC 8415 §11.1).
	maxDUID = 130
)

// request6 is what a DHCPv6 message of a client says, as far as it matters
// here. A field that was not sent is zero.
type request6 struct {
	kind     dhcpv6.MessageType
	xid      [3]byte
	clientID []byte // its DUID
	serverID []byte
	ias      []ia6
	asked    []byte // the option request option, two bytes each; nil asks for all
	rapid    bool   // a Solicit asks for a Reply at once
	name     fqdn6
	options  options6 // all of the client's

	clone bool // see lease.Lease
	port  int  // see lease.Lease

	tags       []string
	ignored    bool // gets no answer
	noHostname bool // its name does not count

	relays []relay6 // those it came through, the one next to us first
	peer   netip.Addr
	mac    net.HardwareAddr // nil if not known
}

// ia6 is an identity association of a client (RFC 8415 §12).
type ia6 struct {
	kind  dhcpv6.OptionCode // OptionIANA, OptionIATA or OptionIAPD
	id    uint32
	hints []hint6
}

// hint6 is an address that the client has or would like.
type hint6 struct {
	addr netip.Addr
	want times6
}

// times6 are the lifetimes of an address.
type times6 struct {
	preferred, valid time.Duration
}

// relay6 is a relay that a message came through.
type relay6 struct {
	hops        byte
	link, peer  netip.Addr
	interfaceID []byte
	hasID       bool
}

var (
	errTruncated = errors.New("message is cut off")
	errTooDeep   = errors.New("message came through too many relays")
)

// parseRequest6 reads a client's message, out of those of relays. It copies
// what it keeps of b.
func parseRequest6(b []byte) (request6, error) {
	r := request6{}
	b = bytes.Clone(b)
	for len(b) > 0 && dhcpv6.MessageType(b[0]) == dhcpv6.MessageTypeRelayForward {
		if len(r.relays) == maxRelays {
			return r, errTooDeep
		}
		inner, err := r.unwrap(b)
		if err != nil {
			return r, err
		}
		b = inner
	}
	if len(b) < 4 {
		return r, errTruncated
	}
	r.kind, r.xid = dhcpv6.MessageType(b[0]), [3]byte(b[1:])
	r.options = b[4:]
	if !r.options.each(r.option) {
		return r, errTruncated
	}
	return r, nil
}

// unwrap notes a relay and returns the message that it passes on.
func (r *request6) unwrap(b []byte) ([]byte, error) {
	const header = 34 // RFC 8415 §9
	if len(b) < header {
		return nil, errTruncated
	}
	relay := relay6{hops: b[1], link: netip.AddrFrom16([16]byte(b[2:])), peer: netip.AddrFrom16([16]byte(b[18:]))}
	var inner []byte
	whole := options6(b[header:]).each(func(code dhcpv6.OptionCode, v []byte) {
		switch code {
		case dhcpv6.OptionRelayMsg:
			inner = v
		case dhcpv6.OptionInterfaceID:
			relay.interfaceID, relay.hasID = v, true
		case dhcpv6.OptionClientLinkLayerAddr: // RFC 6939
			if len(v) == 8 && v[0] == 0 && v[1] == 1 {
				r.mac = v[2:]
			}
		}
	})
	if !whole || inner == nil {
		return nil, errTruncated
	}
	r.relays = append(r.relays, relay)
	r.peer = relay.peer
	return inner, nil
}

// option notes an option of the client.
func (r *request6) option(code dhcpv6.OptionCode, v []byte) {
	switch code {
	case dhcpv6.OptionClientID:
		r.clientID = v
	case dhcpv6.OptionServerID:
		r.serverID = v
	case dhcpv6.OptionORO:
		r.asked = v
	case dhcpv6.OptionRapidCommit:
		r.rapid = true
	case dhcpv6.OptionFQDN:
		r.name = parseFQDN6(v)
	case dhcpv6.OptionIANA, dhcpv6.OptionIAPD:
		r.addIA(code, v, 12)
	case dhcpv6.OptionIATA:
		r.addIA(code, v, 4)
	}
}

// addIA notes an identity association, whose options begin at header. One
// that is not whole, or has been there already, is left out.
func (r *request6) addIA(kind dhcpv6.OptionCode, v []byte, header int) {
	if len(v) < header || len(r.ias) == maxIAs {
		return
	}
	ia := ia6{kind: kind, id: binary.BigEndian.Uint32(v)}
	for _, other := range r.ias {
		if other.kind == kind && other.id == ia.id {
			return
		}
	}
	whole := options6(v[header:]).each(func(code dhcpv6.OptionCode, v []byte) {
		if code == dhcpv6.OptionIAAddr && len(v) >= 24 && len(ia.hints) < maxHints {
			ia.hints = append(ia.hints, hint6{netip.AddrFrom16([16]byte(v)), times6{
				preferred: time.Duration(binary.BigEndian.Uint32(v[16:])) * time.Second,
				valid:     time.Duration(binary.BigEndian.Uint32(v[20:])) * time.Second,
			}})
		}
	})
	if whole {
		r.ias = append(r.ias, ia)
	}
}

// wants tells whether the client asked for an option; one without a list asks
// for all there are.
func (r *request6) wants(code dhcpv6.OptionCode) bool {
	if r.asked == nil {
		return true
	}
	for b := r.asked; len(b) >= 2; b = b[2:] {
		if dhcpv6.OptionCode(binary.BigEndian.Uint16(b)) == code {
			return true
		}
	}
	return false
}

// client is the identity that the lease of an association is held by.
func (r *request6) client(ia *ia6) lease.Client {
	return lease.Client{ID: r.clientID, IAID: ia.id, MAC: r.mac, Six: true, Clone: r.clone, Port: r.port}
}

// findMAC finds the client's hardware address: what a relay said (RFC 6939),
// where the frame came from, what the client's address or its DUID are made
// of. The DUID comes last, because a guest has one for all its interfaces.
func (r *request6) findMAC(from net.HardwareAddr) {
	switch {
	case r.mac != nil:
	case len(r.relays) == 0 && len(from) == 6:
		r.mac = bytes.Clone(from)
	default:
		if r.mac = macOfEUI64(r.peer); r.mac == nil {
			r.mac = macOfDUID(r.clientID)
		}
	}
}

// macOfEUI64 returns the Ethernet address that an interface identifier is
// made of (RFC 4291 appendix A), nil if it is of none.
func macOfEUI64(a netip.Addr) net.HardwareAddr {
	if !a.IsLinkLocalUnicast() || !a.Is6() {
		return nil
	}
	b := a.As16()
	if b[11] != 0xff || b[12] != 0xfe {
		return nil
	}
	return net.HardwareAddr{b[8] ^ 2, b[9], b[10], b[13], b[14], b[15]}
}

// macOfDUID returns the Ethernet address in a DUID-LLT or DUID-LL
// (RFC 8415 §11), nil if there is none.
func macOfDUID(duid []byte) net.HardwareAddr {
	switch {
	case len(duid) == 14 && duid[0] == 0 && duid[1] == 1 && duid[2] == 0 && duid[3] == 1:
		return bytes.Clone(duid[8:])
	case len(duid) == 10 && duid[0] == 0 && duid[1] == 3 && duid[2] == 0 && duid[3] == 1:
		return bytes.Clone(duid[4:])
	}
	return nil
}
