package dhcpd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/vnetmgr/vnetmgr/lease"
)

// request4 is what a DHCPv4 or BOOTP request says, as far as it matters here.
// A field that was not sent is zero.
type request4 struct {
	kind      dhcpv4.MessageType // MessageTypeNone: BOOTP
	xid       dhcpv4.TransactionID
	broadcast bool // the client cannot receive unicast yet
	htype     uint8
	mac       net.HardwareAddr
	ciaddr    netip.Addr // the client's, invalid if 0.0.0.0
	giaddr    netip.Addr // the relay's, invalid if 0.0.0.0

	clientID  []byte
	requested netip.Addr
	serverID  netip.Addr
	asksTime  bool
	leaseTime time.Duration // infinite32 seconds: for ever
	maxSize   int           // of a reply's DHCP part
	wanted    []byte        // option codes; nil asks for all there are
	name      name4
	agentInfo []byte // relay agent information, goes back as it came

	clone bool // see lease.Lease
	port  int  // see lease.Lease

	options    dhcpv4.Options // all, in the packet's memory, until tagged
	tagged     bool           // what follows is set
	tags       []string
	vendor     []byte // its vendor class
	ignored    bool   // gets no answer
	noHostname bool   // its name does not count
}

// The sizes of DHCP messages: what every client takes without saying so is
// 576 bytes with its headers (RFC 2131 §2); more than fits into an Ethernet
// frame is never sent.
const (
	ipUDPHeader    = 28
	defaultMaxSize = 576 - ipUDPHeader
	frameMaxSize   = 1500 - ipUDPHeader
)

var errNotRequest = errors.New("not a request")

// parseRequest4 reads a request. It copies what it keeps of b, and may write
// behind b's end if b has the capacity.
func parseRequest4(b []byte) (request4, error) {
	// Some clients, and BOOTP's, leave out the end option.
	m, err := dhcpv4.FromBytes(append(b, dhcpv4.OptionEnd.Code()))
	if err != nil {
		return request4{}, err
	}
	hlen := b[2]
	if m.OpCode != dhcpv4.OpcodeBootRequest {
		return request4{}, errNotRequest
	}
	if hlen > 16 {
		return request4{}, fmt.Errorf("hardware address of %d bytes", hlen)
	}
	o := m.Options
	r := request4{
		kind:      dhcpv4.MessageTypeNone,
		xid:       m.TransactionID,
		broadcast: m.IsBroadcast(),
		htype:     uint8(m.HWType),
		mac:       m.ClientHWAddr,
		ciaddr:    addrOf(m.ClientIPAddr),
		giaddr:    addrOf(m.GatewayIPAddr),
		requested: addrOf(o.Get(dhcpv4.OptionRequestedIPAddress)),
		serverID:  addrOf(o.Get(dhcpv4.OptionServerIdentifier)),
		clientID:  clone(o.Get(dhcpv4.OptionClientIdentifier)),
		wanted:    clone(o.Get(dhcpv4.OptionParameterRequestList)),
		agentInfo: clone(o.Get(dhcpv4.OptionRelayAgentInformation)),
		maxSize:   maxSizeOf(o.Get(dhcpv4.OptionMaximumDHCPMessageSize)),
		name:      nameOf(o),
		options:   o,
	}
	if t := o.Get(dhcpv4.OptionDHCPMessageType); len(t) == 1 {
		r.kind = dhcpv4.MessageType(t[0])
	}
	if t := o.Get(dhcpv4.OptionIPAddressLeaseTime); len(t) == 4 {
		r.asksTime = true
		r.leaseTime = time.Duration(binary.BigEndian.Uint32(t)) * time.Second
	}
	return r, nil
}

// client is the identity that leases are held by.
func (r *request4) client() lease.Client {
	return lease.Client{ID: r.clientID, HType: r.htype, MAC: r.mac, Clone: r.clone, Port: r.port}
}

// wants tells whether the client asked for an option.
func (r *request4) wants(code dhcpv4.OptionCode) bool {
	if r.wanted == nil {
		return true
	}
	for _, c := range r.wanted {
		if c == code.Code() {
			return true
		}
	}
	return false
}

// addrOf reads an address of four bytes; 0.0.0.0 is none.
func addrOf(b []byte) netip.Addr {
	if len(b) != 4 || [4]byte(b) == [4]byte{} {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(b))
}

// clone copies an option's value out of the receive buffer; nil if it is
// empty.
func clone(b []byte) []byte {
	return append([]byte(nil), b...)
}

// maxSizeOf reads option 57, the longest IP datagram that the client takes.
func maxSizeOf(b []byte) int {
	if len(b) != 2 {
		return defaultMaxSize
	}
	n := int(binary.BigEndian.Uint16(b)) - ipUDPHeader
	return min(max(n, defaultMaxSize), frameMaxSize)
}
