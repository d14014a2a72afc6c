package nat

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// sourceNAT is the bit of a connection's status that says that its source is
// translated (IPS_SRC_NAT of linux/netfilter/nf_conntrack_common.h).
const sourceNAT = 1 << 4

// translatedFlow matches packets of connections whose source is translated, in
// both directions, and errors about them. A new connection is not yet.
type translatedFlow struct{}

func (translatedFlow) String() string { return "ct status snat" }

func (translatedFlow) exprs() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATUS, Register: unix.NFT_REG_1},
		&expr.Bitwise{
			SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: 4,
			Mask: binaryutil.NativeEndian.PutUint32(sourceNAT), Xor: make([]byte, 4),
		},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: unix.NFT_REG_1, Data: make([]byte, 4)},
	}
}

// keep are the rules that let translated connections go on, the first of the
// network's that ask; that they ask is also why the kernel goes on tracking
// and translating.
func (n Network) keep(then verdict) []rule {
	if !n.Keep {
		return nil
	}
	return []rule{line(translatedFlow{}, counter{}, then)}
}

// Kept tells whether the rules that the kernel has of the network with that ID
// and name let translated connections go on ([Network.Keep]): for a program
// that starts again.
func (c *Conn) Kept(ctx context.Context, id, name string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		have, err := c.current()
		switch {
		case errors.Is(err, errChanged) && ctx.Err() == nil:
			continue
		case err != nil:
			return false, fmt.Errorf("read the nftables rules: %w", err)
		}
		keep := line(translatedFlow{}, counter{}, back)
		named := keep
		named.comment = comment(name) // where it is the chain's first
		rules := have.chains[outputChain+id].rules
		return slices.Contains(rules, keep.hash()) || slices.Contains(rules, named.hash()), nil
	}
}

// Flow is a number by which the kernel knows a connection.
type Flow uint32

// Translated returns the connections from these subnets whose source is
// translated, in the network namespace in which c was opened. It fails where
// the kernel cannot list connections (nf_conntrack_netlink).
func (c *Conn) Translated(ctx context.Context, from []netip.Prefix) ([]Flow, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var flows []Flow
	for _, f := range []family{ipv4, ipv6} {
		if !slices.ContainsFunc(from, func(p netip.Prefix) bool { return familyOf(p.Addr()) == f }) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		replies, err := c.read.Execute(netlink.Message{
			Header: netlink.Header{
				Type:  netlink.HeaderType(unix.NFNL_SUBSYS_CTNETLINK<<8 | ctGet),
				Flags: netlink.Request | netlink.Dump,
			},
			Data: nfgen(byte(f), 0),
		})
		if err != nil {
			return nil, fmt.Errorf("list connections: %w", err)
		}
		for _, r := range replies {
			if flow, ok := translatedFrom(r.Data, from); ok {
				flows = append(flows, flow)
			}
		}
	}
	return flows, nil
}

// Messages and attributes of connection tracking (linux/netfilter/
// nfnetlink_conntrack.h), which x/sys does not have.
const (
	ctGet = 1 // IPCTNL_MSG_CT_GET

	ctTupleOriginal = 1 // CTA_TUPLE_ORIG
	ctStatus        = 3 // CTA_STATUS
	ctID            = 12
	ctTupleIP       = 1 // CTA_TUPLE_IP
	ctIPv4Source    = 1 // CTA_IP_V4_SRC
	ctIPv6Source    = 3 // CTA_IP_V6_SRC
)

// translatedFrom reads one connection of the kernel's list: its number, and
// whether it comes from one of the subnets and is translated.
func translatedFrom(msg []byte, from []netip.Prefix) (Flow, bool) {
	const header = 4 // struct nfgenmsg
	if len(msg) < header {
		return 0, false
	}
	ad, err := netlink.NewAttributeDecoder(msg[header:])
	if err != nil {
		return 0, false
	}
	ad.ByteOrder = binary.BigEndian
	var id, status uint32
	var source netip.Addr
	for ad.Next() {
		switch ad.Type() {
		case ctTupleOriginal:
			ad.Nested(func(tuple *netlink.AttributeDecoder) error { return readSource(tuple, &source) })
		case ctStatus:
			status = ad.Uint32()
		case ctID:
			id = ad.Uint32()
		}
	}
	known := ad.Err() == nil && status&sourceNAT != 0
	return Flow(id), known && slices.ContainsFunc(from, func(p netip.Prefix) bool { return p.Contains(source) })
}

// readSource reads the source address of a tuple.
func readSource(tuple *netlink.AttributeDecoder, source *netip.Addr) error {
	for tuple.Next() {
		if tuple.Type() != ctTupleIP {
			continue
		}
		tuple.Nested(func(ip *netlink.AttributeDecoder) error {
			for ip.Next() {
				if t := ip.Type(); t == ctIPv4Source || t == ctIPv6Source {
					addr, ok := netip.AddrFromSlice(ip.Bytes())
					if !ok {
						return syscall.EBADMSG
					}
					*source = addr
				}
			}
			return nil
		})
	}
	return nil
}
