package dhcpd

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// reply4 is a reply before it is encoded. We encode it ourselves: the codec
// sorts options by number, and clients see libvirt's order here.
type reply4 struct {
	kind      dhcpv4.MessageType // MessageTypeNone: BOOTP
	xid       dhcpv4.TransactionID
	broadcast bool
	htype     uint8
	mac       net.HardwareAddr
	ciaddr    netip.Addr
	yiaddr    netip.Addr
	siaddr    netip.Addr
	giaddr    netip.Addr
	sname     string
	file      string
	options   options4
	agentInfo []byte
}

// options4 is a list of encoded options that is never longer than room.
type options4 struct {
	b    []byte
	room int
}

// Sizes of the parts of a message (RFC 2131 §2).
const (
	headerSize4   = 236 + len(magicCookie)
	minReply4     = 300 // what BOOTP clients expect
	bootpOptions  = 64 - len(magicCookie)
	maxOptionSize = 255
	// usualOptions is enough for what most replies have.
	usualOptions = 96

	chaddrSize, snameSize, fileSize = 16, 64, 128

	chaddrAt = 28
	snameAt  = chaddrAt + chaddrSize
	fileAt   = chaddrAt + chaddrSize + snameSize
)

const magicCookie = "\x63\x82\x53\x63"

// newReply4 returns a reply to r with room for as many options as the client
// takes.
func newReply4(kind dhcpv4.MessageType, r *request4) *reply4 {
	p := &reply4{
		kind: kind, xid: r.xid, broadcast: r.broadcast, htype: r.htype, mac: r.mac,
		giaddr: r.giaddr, agentInfo: r.agentInfo,
	}
	if kind == dhcpv4.MessageTypeNone {
		p.options.room = bootpOptions - 1
		return p
	}
	p.options.b = make([]byte, 0, usualOptions)
	p.options.room = r.maxSize - headerSize4 - 1
	if n := len(r.agentInfo); n > 0 && n <= maxOptionSize {
		p.options.room -= 2 + n
	}
	p.options.put(dhcpv4.OptionDHCPMessageType, byte(kind))
	return p
}

// put appends an option; one that does not fit is left out.
func (o *options4) put(code dhcpv4.OptionCode, value ...byte) {
	n := 2 + len(value)
	if len(value) > maxOptionSize || len(o.b)+n > o.room {
		return
	}
	o.b = append(o.b, code.Code(), byte(len(value)))
	o.b = append(o.b, value...)
}

func (o *options4) putAddr(code dhcpv4.OptionCode, a netip.Addr) {
	b := a.As4()
	o.put(code, b[:]...)
}

func (o *options4) putSeconds(code dhcpv4.OptionCode, d time.Duration) {
	seconds := min(d/time.Second, infinite32)
	o.put(code, binary.BigEndian.AppendUint32(nil, uint32(seconds))...)
}

// appendTo appends the reply's bytes to b.
func (p *reply4) appendTo(b []byte) []byte {
	start := len(b)
	b = append(b, byte(dhcpv4.OpcodeBootReply), p.htype, byte(len(p.mac)), 0)
	b = append(b, p.xid[:]...)
	b = append(b, 0, 0, flagByte(p.broadcast), 0)
	for _, a := range [...]netip.Addr{p.ciaddr, p.yiaddr, p.siaddr, p.giaddr} {
		b = appendAddr(b, a)
	}
	b = append(b, make([]byte, chaddrSize+snameSize+fileSize)...)
	copy(b[start+chaddrAt:], p.mac)
	copy(b[start+snameAt:start+snameAt+snameSize-1], p.sname)
	copy(b[start+fileAt:start+fileAt+fileSize-1], p.file)
	b = append(b, magicCookie...)
	b = append(b, p.options.b...)
	if n := len(p.agentInfo); n > 0 && n <= maxOptionSize && p.kind != dhcpv4.MessageTypeNone {
		b = append(b, dhcpv4.OptionRelayAgentInformation.Code(), byte(n)) // last: RFC 3046 §2.1
		b = append(b, p.agentInfo...)
	}
	b = append(b, dhcpv4.OptionEnd.Code())
	if n := len(b) - start; n < minReply4 {
		b = append(b, make([]byte, minReply4-n)...)
	}
	return b
}

func flagByte(broadcast bool) byte {
	if broadcast {
		return 0x80
	}
	return 0
}

// appendAddr appends four bytes, zeros for the invalid address.
func appendAddr(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(b, 0, 0, 0, 0)
	}
	v := a.As4()
	return append(b, v[:]...)
}
