package nat

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Statements of the bridge family, where a packet is still a frame. nft puts a
// match of the EtherType before one of what is inside, and does not list it
// there; that is in their exprs.

// bytesAre matches frames by a part that is a value, or is not.
type bytesAre struct {
	text   string // of the field, as nft lists it
	within []expr.Any
	base   expr.PayloadBase
	offset uint32
	not    bool
	value  []byte
	shown  string // the value, as nft lists it
}

func (m bytesAre) String() string {
	if m.not {
		return fmt.Sprintf("%s != %s", m.text, m.shown)
	}
	return fmt.Sprintf("%s %s", m.text, m.shown)
}

func (m bytesAre) exprs() []expr.Any {
	op := expr.CmpOpEq
	if m.not {
		op = expr.CmpOpNeq
	}
	return append(m.within[:len(m.within):len(m.within)],
		&expr.Payload{DestRegister: unix.NFT_REG_1, Base: m.base, Offset: m.offset, Len: uint32(len(m.value))},
		&expr.Cmp{Op: op, Register: unix.NFT_REG_1, Data: m.value})
}

// etherType matches frames by what is in them.
type etherType uint16

const (
	arpFrame etherType = unix.ETH_P_ARP
	ip4Frame etherType = unix.ETH_P_IP
	ip6Frame etherType = unix.ETH_P_IPV6
)

func (t etherType) String() string {
	return "ether type " + map[etherType]string{arpFrame: "arp", ip4Frame: "ip", ip6Frame: "ip6"}[t]
}

func (t etherType) exprs() []expr.Any {
	return bytesAre{base: expr.PayloadBaseLLHeader, offset: 12, value: binary.BigEndian.AppendUint16(nil, uint16(t))}.exprs()
}

// protocol is nft's other way to say the same, which it uses before addresses.
func (t etherType) protocol() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: unix.NFT_REG_1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: binary.BigEndian.AppendUint16(nil, uint16(t))},
	}
}

// frameSourceIsNot matches frames that another sent.
func frameSourceIsNot(mac net.HardwareAddr) statement {
	return bytesAre{text: "ether saddr", base: expr.PayloadBaseLLHeader, offset: 6, not: true, value: mac, shown: mac.String()}
}

// arpMACIsNot matches ARP packets that say the sender had another MAC address
// (RFC 826).
func arpMACIsNot(mac net.HardwareAddr) statement {
	return bytesAre{text: "arp saddr ether", within: arpFrame.exprs(), base: expr.PayloadBaseNetworkHeader, offset: 8,
		not: true, value: mac, shown: mac.String()}
}

// arpAddrIs matches ARP packets of who says to have an address.
func arpAddrIs(a netip.Addr) statement {
	return bytesAre{text: "arp saddr ip", within: arpFrame.exprs(), base: expr.PayloadBaseNetworkHeader, offset: 14,
		value: a.AsSlice(), shown: a.String()}
}

// frameFrom matches IP packets of a source address.
func frameFrom(p netip.Prefix) statement {
	if p.Addr().Is4() {
		return bytesAre{text: "ip saddr", within: ip4Frame.protocol(), base: expr.PayloadBaseNetworkHeader, offset: 12,
			value: p.Addr().AsSlice()[:p.Bits()/8], shown: prefixText(p)}
	}
	return bytesAre{text: "ip6 saddr", within: ip6Frame.protocol(), base: expr.PayloadBaseNetworkHeader, offset: 8,
		value: p.Addr().AsSlice()[:p.Bits()/8], shown: prefixText(p)}
}

// udpPort matches UDP packets by a port: at offset 0 the source's, at 2 the
// destination's.
func udpPort(offset uint32, port uint16) statement {
	name := map[uint32]string{0: "udp sport", 2: "udp dport"}[offset]
	return bytesAre{text: name, within: udp.exprs(), base: expr.PayloadBaseTransportHeader, offset: offset,
		value: binary.BigEndian.AppendUint16(nil, port), shown: fmt.Sprint(port)}
}

// The ICMPv6 messages that a host need not send, and the one that claims an
// address (RFC 4861 §4).
var (
	routerAdvert   = icmp6(134, "nd-router-advert")
	redirect       = icmp6(137, "nd-redirect")
	neighborAdvert = icmp6(136, "nd-neighbor-advert")
)

func icmp6(kind byte, name string) statement {
	within := append(ip6Frame.exprs(),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: unix.NFT_REG_1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: []byte{unix.IPPROTO_ICMPV6}})
	return bytesAre{text: "icmpv6 type", within: within, base: expr.PayloadBaseTransportHeader, value: []byte{kind}, shown: name}
}

// advertised matches neighbor advertisements by the address that they are
// about (RFC 4861 §4.4).
func advertised(p netip.Prefix) statement {
	value := p.Addr().AsSlice()[:p.Bits()/8]
	return bytesAre{text: fmt.Sprintf("@th,64,%d", p.Bits()), base: expr.PayloadBaseTransportHeader, offset: 8,
		value: value, shown: fmt.Sprintf("0x%x", value)}
}

// jumpTo goes to a chain and comes back.
type jumpTo string

func (j jumpTo) String() string { return "jump " + string(j) }

func (j jumpTo) exprs() []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: string(j)}}
}
