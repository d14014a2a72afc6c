package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// addr is an address of a link.
type addr struct {
	index  int          // of the link
	prefix netip.Prefix // address and length, not masked
	peer   netip.Addr   // the other end of a point-to-point link, if any
	usable bool         // IPv6: neither tentative nor found to be a duplicate
}

// addrs lists the addresses of the link with that index, of all links if it
// is 0.
func (c *Conn) addrs(ctx context.Context, index int) ([]addr, error) {
	newRequest := func() *nl.NetlinkRequest {
		req := c.request(unix.RTM_GETADDR, unix.NLM_F_DUMP)
		head := nl.NewIfAddrmsg(unix.AF_UNSPEC)
		head.Index = uint32(index)
		req.AddData(head)
		return req
	}
	var addrs []addr
	err := dump(ctx, newRequest, unix.RTM_NEWADDR, func(m []byte) error {
		a, err := parseAddr(m)
		if err == nil && a.prefix.IsValid() && (index == 0 || a.index == index) {
			addrs = append(addrs, a)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("observe addresses: %w", err)
	}
	return addrs, nil
}

// parseAddr reads an RTM_NEWADDR or RTM_DELADDR message without its header.
// The prefix of an address of another family than IPv4 and IPv6 is invalid.
func parseAddr(m []byte) (addr, error) {
	if len(m) < unix.SizeofIfAddrmsg {
		return addr{}, errShort
	}
	head := nl.DeserializeIfAddrmsg(m)
	flags := uint32(head.IfAddrmsg.Flags)
	// address is the peer if there is one; IPv6 gives local only then.
	var address, local netip.Addr
	for kind, value := range attrs(m[unix.SizeofIfAddrmsg:]) {
		switch kind {
		case unix.IFA_ADDRESS:
			address, _ = netip.AddrFromSlice(value)
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(value)
		case unix.IFA_FLAGS:
			flags = uint32At(value)
		}
	}
	a := addr{
		index:  int(head.Index),
		usable: flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0,
	}
	if local.IsValid() && address.IsValid() && local != address {
		a.peer = address
	}
	if !local.IsValid() {
		local = address
	}
	a.prefix = netip.PrefixFrom(local, int(head.Prefixlen))
	return a, nil
}

// addAddr adds an address to a link: IPv4 with the broadcast address of its
// subnet, IPv6 without duplicate address detection. A bridge without ports has
// no carrier and would otherwise keep its addresses tentative, unusable, until
// the first guest's link is up and a second has passed.
func (c *Conn) addAddr(ctx context.Context, index int, p netip.Prefix) error {
	req := c.request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	head := addrHead(index, p)
	req.AddData(head)
	req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, p.Addr().AsSlice()))
	req.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, p.Addr().AsSlice()))
	switch {
	case p.Addr().Is6():
		head.Flags = unix.IFA_F_NODAD
	case p.Bits() < 31: // smaller subnets have none (RFC 3021)
		req.AddData(nl.NewRtAttr(unix.IFA_BROADCAST, broadcast(p)))
	}
	return change(ctx, req)
}

// deleteAddr removes an address from its link; one that is gone already is
// fine.
func (c *Conn) deleteAddr(ctx context.Context, a addr) error {
	other := a.prefix.Addr()
	if a.peer.IsValid() {
		other = a.peer
	}
	req := c.request(unix.RTM_DELADDR, 0)
	req.AddData(addrHead(a.index, a.prefix))
	req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, a.prefix.Addr().AsSlice()))
	req.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, other.AsSlice()))
	if err := change(ctx, req); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return err
	}
	return nil
}

func addrHead(index int, p netip.Prefix) *nl.IfAddrmsg {
	head := nl.NewIfAddrmsg(family(p.Addr()))
	head.Index, head.Prefixlen = uint32(index), uint8(p.Bits())
	return head
}

// broadcast is the last address of an IPv4 prefix.
func broadcast(p netip.Prefix) []byte {
	b := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(b); bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	return b
}

func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// LinkLocal is the address in fe80::/64 that Apply gives a bridge with that MAC
// address of six bytes, if it has IPv6.
func LinkLocal(mac net.HardwareAddr) netip.Addr { return linkLocal([6]byte(mac)).Addr() }

// linkLocal is the address that a link with that MAC address gives itself
// (RFC 4291 appendix A): the modified EUI-64 in fe80::/64.
func linkLocal(mac [6]byte) netip.Prefix {
	a := [16]byte{0: 0xfe, 1: 0x80, 11: 0xff, 12: 0xfe}
	copy(a[8:11], mac[:3])
	copy(a[13:], mac[3:])
	a[8] ^= 0x02
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}
