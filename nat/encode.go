package nat

import (
	"encoding/binary"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

type encoder = netlink.AttributeEncoder

// tableBatch makes the messages of one table's transaction.
type tableBatch struct {
	batch
	table string
}

func (b *tableBatch) addTable(flags nftables.TableFlags) {
	b.add("", unix.NFT_MSG_NEWTABLE, netlink.Create, func(ae *encoder) {
		ae.String(unix.NFTA_TABLE_NAME, b.table)
		ae.Uint32(unix.NFTA_TABLE_FLAGS, uint32(flags))
	})
}

func (b *tableBatch) delTable() {
	b.add("", unix.NFT_MSG_DELTABLE, 0, func(ae *encoder) {
		ae.String(unix.NFTA_TABLE_NAME, b.table)
	})
}

// change adds the messages of a change, in the order that the kernel needs:
// what is referred to before what refers to it, and the reverse for what goes.
func (b *tableBatch) change(c change, flags nftables.TableFlags) {
	if c.replace {
		b.delTable()
	}
	b.addTable(flags)
	for i, m := range c.maps {
		b.addMap(m, uint32(i+1))
	}
	for _, ch := range c.chains {
		b.addChain(ch)
	}
	for _, name := range c.flush {
		b.flushChain(name)
	}
	for _, m := range c.remove {
		for _, e := range m.elements {
			b.element(unix.NFT_MSG_DELSETELEM, 0, m.name, element{link: e.link, first: e.first, last: e.last}, "")
		}
	}
	for _, ch := range c.fill {
		for i, r := range ch.rules {
			b.addRule(ch, r, ch.hashes[i])
		}
	}
	for _, m := range c.insert {
		for _, e := range m.elements {
			b.element(unix.NFT_MSG_NEWSETELEM, netlink.Create, m.name, e, c.about[e.chain])
		}
	}
	for _, name := range c.surplus {
		b.add("", unix.NFT_MSG_DELCHAIN, 0, b.chainName(name))
	}
}

// Values of nft's own data about a set (NFTNL_UDATA_SET_KEYBYTEORDER): by them
// it lists keys; strings marked with the wrong one are listed as empty.
const (
	hostOrder = 1
	bigEndian = 2
)

func (b *tableBatch) addMap(m verdictMap, id uint32) {
	flags, order, key := uint32(unix.NFT_SET_MAP), uint32(bigEndian), nftables.TypeIFName
	switch m.key {
	case "ifname":
		order = hostOrder
	case "ipv4_addr":
		key = nftables.TypeIPAddr
	default:
		key = nftables.TypeIP6Addr
	}
	if m.intervals() {
		flags |= unix.NFT_SET_INTERVAL
	}
	b.add("", unix.NFT_MSG_NEWSET, netlink.Create, func(ae *encoder) {
		ae.String(unix.NFTA_SET_TABLE, b.table)
		ae.String(unix.NFTA_SET_NAME, m.name)
		ae.Uint32(unix.NFTA_SET_FLAGS, flags)
		ae.Uint32(unix.NFTA_SET_KEY_TYPE, key.GetNFTMagic())
		ae.Uint32(unix.NFTA_SET_KEY_LEN, key.Bytes)
		ae.Uint32(unix.NFTA_SET_DATA_TYPE, unix.NFT_DATA_VERDICT)
		ae.Uint32(unix.NFTA_SET_ID, id)
		ae.Bytes(unix.NFTA_SET_USERDATA, userdata.AppendUint32(nil, userdata.NFTNL_UDATA_SET_KEYBYTEORDER, order))
	})
}

// element adds or deletes an element: its name, or its first address and, as
// an element of its own, the one after its last. Without a chain it is given
// no verdict.
func (b *tableBatch) element(kind uint16, flags netlink.HeaderFlags, set string, e element, about string) {
	b.add(about, kind, flags, func(ae *encoder) {
		ae.String(unix.NFTA_SET_ELEM_LIST_TABLE, b.table)
		ae.String(unix.NFTA_SET_ELEM_LIST_SET, set)
		ae.Nested(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(list *encoder) error {
			if e.link != "" {
				elementKey(list, linkKey(e.link), 0, e.chain)
				return nil
			}
			elementKey(list, e.first.AsSlice(), 0, e.chain)
			if end := e.last.Next(); end.IsValid() {
				elementKey(list, end.AsSlice(), unix.NFT_SET_ELEM_INTERVAL_END, "")
			}
			return nil
		})
	})
}

func elementKey(list *encoder, key []byte, flags uint32, chain string) {
	list.Nested(unix.NFTA_LIST_ELEM, func(ae *encoder) error {
		if flags != 0 {
			ae.Uint32(unix.NFTA_SET_ELEM_FLAGS, flags)
		}
		ae.Nested(unix.NFTA_SET_ELEM_KEY, func(ae *encoder) error {
			ae.Bytes(unix.NFTA_DATA_VALUE, key)
			return nil
		})
		if chain != "" {
			ae.Nested(unix.NFTA_SET_ELEM_DATA, func(ae *encoder) error { return jump(ae, chain) })
		}
		return nil
	})
}

func jump(ae *encoder, chain string) error {
	ae.Nested(unix.NFTA_DATA_VERDICT, func(ae *encoder) error {
		ae.Int32(unix.NFTA_VERDICT_CODE, unix.NFT_JUMP)
		ae.String(unix.NFTA_VERDICT_CHAIN, chain)
		return nil
	})
	return nil
}

// attach is where in the kernel a base chain is called, and its type.
func (h hook) attach() (kind nftables.ChainType, number nftables.ChainHook, priority nftables.ChainPriority) {
	switch h {
	case forwardHook:
		return nftables.ChainTypeFilter, *nftables.ChainHookForward, *nftables.ChainPriorityFilter
	case framesHook:
		// NF_BR_PRI_NAT_DST_BRIDGED, before the bridge looks at the address.
		return nftables.ChainTypeFilter, *nftables.ChainHookPrerouting, -300
	}
	return nftables.ChainTypeNAT, *nftables.ChainHookPostrouting, *nftables.ChainPriorityNATSource
}

func (b *tableBatch) addChain(c chain) {
	b.add(c.about, unix.NFT_MSG_NEWCHAIN, netlink.Create, func(ae *encoder) {
		b.chainName(c.name)(ae)
		if c.hook == noHook {
			return
		}
		kind, number, priority := c.hook.attach()
		ae.Nested(unix.NFTA_CHAIN_HOOK, func(ae *encoder) error {
			ae.Uint32(unix.NFTA_HOOK_HOOKNUM, uint32(number))
			ae.Int32(unix.NFTA_HOOK_PRIORITY, int32(priority))
			return nil
		})
		ae.Uint32(unix.NFTA_CHAIN_POLICY, uint32(nftables.ChainPolicyAccept))
		ae.String(unix.NFTA_CHAIN_TYPE, string(kind))
	})
}

func (b *tableBatch) chainName(name string) func(*encoder) {
	return func(ae *encoder) {
		ae.String(unix.NFTA_CHAIN_TABLE, b.table)
		ae.String(unix.NFTA_CHAIN_NAME, name)
	}
}

// flushChain deletes all rules of a chain.
func (b *tableBatch) flushChain(name string) {
	b.add("", unix.NFT_MSG_DELRULE, 0, func(ae *encoder) {
		ae.String(unix.NFTA_RULE_TABLE, b.table)
		ae.String(unix.NFTA_RULE_CHAIN, name)
	})
}

func (b *tableBatch) addRule(c chain, r rule, h ruleHash) {
	b.add(c.about, unix.NFT_MSG_NEWRULE, netlink.Create|netlink.Append, func(ae *encoder) {
		ae.String(unix.NFTA_RULE_TABLE, b.table)
		ae.String(unix.NFTA_RULE_CHAIN, c.name)
		ae.Nested(unix.NFTA_RULE_EXPRESSIONS, r.encode)
		ae.Bytes(unix.NFTA_RULE_USERDATA, userData(r.comment, h))
	})
}

// encode is the rule's expressions, as list elements.
func (r rule) encode(list *encoder) error {
	for _, s := range r.statements {
		for _, e := range s.exprs() {
			data, err := encode(e)
			if err != nil {
				return err
			}
			list.Bytes(netlink.Nested|unix.NFTA_LIST_ELEM, data)
		}
	}
	return nil
}

// encode is an expression as the kernel takes it. The library leaves the
// flags out of a masquerade to ports; without NF_NAT_RANGE_PROTO_SPECIFIED,
// which the kernel adds to snat by itself but not here, it lists the ports and
// does not use them.
func encode(e expr.Any) ([]byte, error) {
	m, ok := e.(*expr.Masq)
	if !ok || !m.ToPorts {
		return expr.Marshal(unix.NFPROTO_INET, e)
	}
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	ae.String(unix.NFTA_EXPR_NAME, "masq")
	ae.Nested(unix.NFTA_EXPR_DATA, func(ae *encoder) error {
		ae.Uint32(unix.NFTA_MASQ_FLAGS, unix.NF_NAT_RANGE_PROTO_SPECIFIED)
		ae.Uint32(unix.NFTA_MASQ_REG_PROTO_MIN, m.RegProtoMin)
		ae.Uint32(unix.NFTA_MASQ_REG_PROTO_MAX, m.RegProtoMax)
		return nil
	})
	return ae.Encode()
}

// userData is what the kernel keeps with the rule for us: nft's comment and
// our hash.
func userData(comment string, h ruleHash) []byte {
	var data []byte
	if comment != "" {
		data = userdata.AppendString(data, userdata.TypeComment, comment)
	}
	return userdata.Append(data, hashData, binary.BigEndian.AppendUint64(nil, uint64(h)))
}
