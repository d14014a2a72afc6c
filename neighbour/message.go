package neighbour

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Where things are in a frame: Ethernet, IPv6 without extension headers
// (neighbour discovery must have none of them to be believed), ICMPv6.
const (
	atSender   = 6
	atIP       = 14
	atNext     = atIP + 6
	atHops     = atIP + 7
	atSource   = atIP + 8
	atDest     = atIP + 24
	atICMP     = atIP + 40
	atTarget   = atICMP + 8
	atOptions  = atTarget + 16
	maxFrame   = 512
	protoICMP6 = 58
)

// ICMPv6 types (RFC 4443 §4.2, RFC 4861 §4.3, §4.4).
const (
	typeEchoRequest = 128
	typeEchoReply   = 129
	typeSolicit     = 135
	typeAdvertise   = 136
)

// optLinkAddr is the option with the link-layer address of a target.
const optLinkAddr = 2

// filter lets frames pass that heard may read: the kernel drops the rest.
func filter() ([]bpf.RawInstruction, error) {
	return bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 7},
		bpf.LoadAbsolute{Off: atNext, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protoICMP6, SkipTrue: 5},
		bpf.LoadAbsolute{Off: atICMP, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: typeEchoReply, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: typeSolicit, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: typeAdvertise, SkipTrue: 1},
		bpf.RetConstant{Val: maxFrame},
		bpf.RetConstant{Val: 0},
	})
}

// What a frame says.
type saying int

const (
	nothing saying = iota
	claims         // the sender has, or wants, the address
	answers        // it answers our question after the address
)

// heard reads a frame. Its ICMPv6 checksum is not looked at: frames between
// virtual links do not have one yet.
func heard(f []byte) (n Neighbour, says saying) {
	if len(f) < atTarget {
		return n, nothing
	}
	if n.MAC = MAC(f[atSender:]); !n.MAC.unicast() {
		return n, nothing
	}
	source := netip.AddrFrom16([16]byte(f[atSource:]))
	if f[atICMP] == typeEchoReply {
		n.Addr = source
		return n, claims
	}
	// What passed a router is no neighbour's (RFC 4861 §7.1).
	if len(f) < atOptions || f[atHops] != 255 || f[atICMP+1] != 0 {
		return n, nothing
	}
	target := netip.AddrFrom16([16]byte(f[atTarget:]))
	switch f[atICMP] {
	case typeSolicit:
		n.Addr = source
		if source.IsUnspecified() {
			n.Addr = target // whoever wants an address asks who has it
		}
		return n, claims
	case typeAdvertise:
		n.Addr = target
		if !linkAddrIs(f[atOptions:], n.MAC) {
			return n, nothing // it speaks for another station
		}
		if f[atICMP+4]&flagSolicited != 0 {
			return n, answers
		}
		return n, claims
	}
	return n, nothing
}

// flagSolicited is the flag S of an advertisement.
const flagSolicited = 0x40

// linkAddrIs tells whether the target's link-layer address is m, if the
// options name one.
func linkAddrIs(options []byte, m MAC) bool {
	for len(options) >= 8 {
		size := 8 * int(options[1])
		if size == 0 || size > len(options) {
			return false
		}
		if options[0] == optLinkAddr && MAC(options[2:]) != m {
			return false
		}
		options = options[size:]
	}
	return true
}

// A station is an end of a frame.
type station struct {
	mac  MAC
	addr netip.Addr
}

// solicitation asks who has an address: all who may, or with to only that
// station (RFC 4861 §7.2.2, §7.3.3).
func solicitation(from station, target netip.Addr, to *MAC) []byte {
	dest := station{addr: target}
	if to != nil {
		dest.mac = *to
	} else {
		dest = solicitedNode(target)
	}
	t := target.As16()
	body := append([]byte{typeSolicit, 0, 0, 0, 0, 0, 0, 0}, t[:]...)
	body = append(append(body, 1, 1), from.mac[:]...)
	return frame(from, dest, body)
}

// echoRequest asks all nodes to show an address.
func echoRequest(from station) []byte {
	all := station{MAC{0x33, 0x33, 0, 0, 0, 1}, netip.MustParseAddr("ff02::1")}
	return frame(from, all, []byte{typeEchoRequest, 0, 0, 0, 'n', 'b', 0, 1})
}

// solicitedNode is the group of a target (RFC 4291 §2.7.1) on Ethernet
// (RFC 2464 §7).
func solicitedNode(target netip.Addr) station {
	t := target.As16()
	group := [16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: t[13], 14: t[14], 15: t[15]}
	return station{MAC{0x33, 0x33, 0xff, t[13], t[14], t[15]}, netip.AddrFrom16(group)}
}

// frame wraps an ICMPv6 message and fills in its checksum (RFC 8200 §8.1).
func frame(from, to station, body []byte) []byte {
	src, dst := from.addr.As16(), to.addr.As16()
	f := make([]byte, 0, atICMP+len(body))
	f = append(append(append(f, to.mac[:]...), from.mac[:]...), 0x86, 0xdd)
	f = append(f, 0x60, 0, 0, 0, 0, byte(len(body)), protoICMP6, 255)
	f = append(append(f, src[:]...), dst[:]...)
	f = append(f, body...)
	binary.BigEndian.PutUint16(f[atICMP+2:], checksum(f[atSource:], uint32(len(body))+protoICMP6))
	return f
}

// checksum is the Internet's, of b and what sum has already.
func checksum(b []byte, sum uint32) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
