package nat

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// statement is one part of a rule, a match or an action: as nft lists it and
// as the kernel takes it.
type statement interface {
	fmt.Stringer
	exprs() []expr.Any
}

// family is the match of one IP version. nft needs it before an address match
// in an inet table, and does not list it there.
type family byte

const (
	ipv4 family = unix.NFPROTO_IPV4
	ipv6 family = unix.NFPROTO_IPV6
)

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return ipv4
	}
	return ipv6
}

func (f family) String() string {
	if f == ipv4 {
		return "meta nfproto ipv4"
	}
	return "meta nfproto ipv6"
}

func (f family) exprs() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: unix.NFT_REG_1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: []byte{byte(f)}},
	}
}

// field is what a rule looks at in a packet: a link's name or an address.
type field uint8

const (
	inputLink field = iota
	outputLink
	source
	source6
	destination
	destination6
)

// addrField is source or destination in the family of a.
func addrField(f field, a netip.Addr) field {
	if a.Is4() {
		return f
	}
	return f + 1
}

func (f field) String() string {
	return [...]string{"iifname", "oifname", "ip saddr", "ip6 saddr", "ip daddr", "ip6 daddr"}[f]
}

// exprs loads the field into register 1. Offsets are those of the IP headers
// (RFC 791 §3.1, RFC 8200 §3).
func (f field) exprs() []expr.Any {
	switch f {
	case inputLink:
		return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: unix.NFT_REG_1}}
	case outputLink:
		return []expr.Any{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: unix.NFT_REG_1}}
	case source:
		return loadAddr(ipv4, 12, 4)
	case source6:
		return loadAddr(ipv6, 8, 16)
	case destination:
		return loadAddr(ipv4, 16, 4)
	default:
		return loadAddr(ipv6, 24, 16)
	}
}

func loadAddr(f family, offset, size uint32) []expr.Any {
	return append(f.exprs(), &expr.Payload{
		DestRegister: unix.NFT_REG_1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size,
	})
}

// linkIs matches a packet by the name of the link it came in or goes out by.
type linkIs struct {
	field field
	not   bool
	name  string
}

func (l linkIs) String() string {
	if l.not {
		return fmt.Sprintf("%s != %q", l.field, l.name)
	}
	return fmt.Sprintf("%s %q", l.field, l.name)
}

func (l linkIs) exprs() []expr.Any {
	op := expr.CmpOpEq
	if l.not {
		op = expr.CmpOpNeq
	}
	return append(l.field.exprs(), &expr.Cmp{Op: op, Register: unix.NFT_REG_1, Data: linkKey(l.name)})
}

// linkKey is a link's name as the kernel compares it: 16 bytes.
func linkKey(name string) []byte {
	key := make([]byte, unix.IFNAMSIZ)
	copy(key, name)
	return key
}

// addrIn matches packets whose source or destination is in a prefix.
type addrIn struct {
	field  field // source or destination: the prefix gives the family
	prefix netip.Prefix
}

func (m addrIn) String() string {
	return fmt.Sprintf("%s %s", addrField(m.field, m.prefix.Addr()), prefixText(m.prefix))
}

// prefixText leaves out the length of a single address, as nft does.
func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

func (m addrIn) exprs() []expr.Any {
	addr := m.prefix.Addr().AsSlice()
	load := addrField(m.field, m.prefix.Addr()).exprs()
	if !m.prefix.IsSingleIP() {
		load = append(load, &expr.Bitwise{
			SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: uint32(len(addr)),
			Mask: mask(m.prefix.Bits(), len(addr)), Xor: make([]byte, len(addr)),
		})
	}
	return append(load, &expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: addr})
}

// mask is size bytes of which the first bits are set.
func mask(bits, size int) []byte {
	m := make([]byte, size)
	for i := range bits {
		m[i/8] |= 0x80 >> (i % 8)
	}
	return m
}

// dispatch jumps to the chain that a map gives for a field, if any.
type dispatch struct {
	field field
	to    string // the map's name
}

func (d dispatch) String() string { return fmt.Sprintf("%s vmap @%s", d.field, d.to) }

func (d dispatch) exprs() []expr.Any {
	return append(d.field.exprs(), &expr.Lookup{
		SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_VERDICT, IsDestRegSet: true, SetName: d.to,
	})
}

// proto matches a transport protocol.
type proto byte

const (
	tcp proto = unix.IPPROTO_TCP
	udp proto = unix.IPPROTO_UDP
)

func (p proto) String() string {
	if p == tcp {
		return "meta l4proto tcp"
	}
	return "meta l4proto udp"
}

func (p proto) exprs() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: unix.NFT_REG_1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: []byte{byte(p)}},
	}
}

// answer matches packets of flows that the kernel has let pass before, and
// errors about them.
type answer struct{}

func (answer) String() string { return "ct state established,related" }

func (answer) exprs() []expr.Any {
	bits := binaryutil.NativeEndian.PutUint32(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED)
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: unix.NFT_REG_1},
		&expr.Bitwise{
			SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: 4,
			Mask: bits, Xor: make([]byte, 4),
		},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: unix.NFT_REG_1, Data: make([]byte, 4)},
	}
}

// counter counts packets and bytes; its values are no part of a rule.
type counter struct{}

func (counter) String() string    { return "counter" }
func (counter) exprs() []expr.Any { return []expr.Any{&expr.Counter{}} }

// verdict ends a packet's way through a chain.
type verdict expr.VerdictKind

const (
	accept = verdict(expr.VerdictAccept)
	back   = verdict(expr.VerdictReturn)
	drop   = verdict(expr.VerdictDrop)
)

func (v verdict) String() string {
	return map[verdict]string{accept: "accept", back: "return", drop: "drop"}[v]
}

func (v verdict) exprs() []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictKind(v)}}
}

// reject drops a packet and sends port-unreachable, which ends its sender's
// wait at once.
type reject struct{}

func (reject) String() string { return "reject" }

func (reject) exprs() []expr.Any {
	return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_PORT_UNREACH}}
}

// ports is a range of source ports; the zero value leaves the choice to the
// kernel, which then keeps the port where it can.
type ports struct{ first, last uint16 }

func (p ports) String() string {
	if p == (ports{}) {
		return ""
	}
	return fmt.Sprintf(":%d-%d", p.first, p.last)
}

// load puts the range in two registers; none for the zero value.
func (p ports) load(first, last uint32) []expr.Any {
	if p == (ports{}) {
		return nil
	}
	return []expr.Any{
		&expr.Immediate{Register: first, Data: binaryutil.BigEndian.PutUint16(p.first)},
		&expr.Immediate{Register: last, Data: binaryutil.BigEndian.PutUint16(p.last)},
	}
}

// masquerade translates the source to the address of the output link.
type masquerade struct{ ports ports }

func (m masquerade) String() string {
	if m.ports == (ports{}) {
		return "masquerade"
	}
	return "masquerade to " + m.ports.String()
}

func (m masquerade) exprs() []expr.Any {
	load := m.ports.load(unix.NFT_REG_1, unix.NFT_REG_2)
	if load == nil {
		return []expr.Any{&expr.Masq{}}
	}
	return append(load, &expr.Masq{ToPorts: true, RegProtoMin: unix.NFT_REG_1, RegProtoMax: unix.NFT_REG_2})
}

// snat translates the source to one of a range of IPv4 addresses.
type snat struct {
	first, last netip.Addr
	ports       ports
}

func (s snat) String() string {
	if s.first == s.last {
		return fmt.Sprintf("snat ip to %s%s", s.first, s.ports)
	}
	return fmt.Sprintf("snat ip to %s-%s%s", s.first, s.last, s.ports)
}

func (s snat) exprs() []expr.Any {
	load := []expr.Any{&expr.Immediate{Register: unix.NFT_REG_1, Data: s.first.AsSlice()}}
	nat := &expr.NAT{Type: expr.NATTypeSourceNAT, Family: uint32(nftables.TableFamilyIPv4), RegAddrMin: unix.NFT_REG_1}
	if s.first != s.last {
		load = append(load, &expr.Immediate{Register: unix.NFT_REG_2, Data: s.last.AsSlice()})
		nat.RegAddrMax = unix.NFT_REG_2
	}
	if l := s.ports.load(unix.NFT_REG_3, unix.NFT_REG_4); l != nil {
		load = append(load, l...)
		nat.RegProtoMin, nat.RegProtoMax, nat.Specified = unix.NFT_REG_3, unix.NFT_REG_4, true
	}
	return append(load, nat)
}
