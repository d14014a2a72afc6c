package nat

import (
	"encoding/binary"
	"errors"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// intervalKind marks a map of ranges in the description of its type.
const intervalKind = " interval"

// kind is the map's type as [mapState] has it.
func (m verdictMap) kind() string {
	if m.intervals() {
		return m.key + intervalKind
	}
	return m.key
}

// queue puts a change into the library's batch, in the order that the kernel
// needs: what is referred to before what refers to it, and the reverse for
// what goes.
func (c change) queue(nft *nftables.Conn, t *nftables.Table) error {
	if c.replace {
		nft.DelTable(t)
	}
	nft.AddTable(t)
	var errs []error
	for _, m := range c.maps {
		errs = append(errs, nft.AddSet(m.set(t), nil))
	}
	for _, ch := range c.chains {
		nft.AddChain(ch.hook.define(ch.name, t))
	}
	for _, name := range c.flush {
		nft.FlushChain(&nftables.Chain{Name: name, Table: t})
	}
	for _, m := range c.remove {
		errs = append(errs, nft.SetDeleteElements(m.set(t), m.keys()))
	}
	for _, ch := range c.fill {
		for _, r := range ch.rules {
			nft.AddRule(r.define(t, ch.name))
		}
	}
	for _, m := range c.insert {
		errs = append(errs, nft.SetAddElements(m.set(t), m.jumps()))
	}
	for _, name := range c.surplus {
		nft.DelChain(&nftables.Chain{Name: name, Table: t})
	}
	return errors.Join(errs...)
}

func (m verdictMap) set(t *nftables.Table) *nftables.Set {
	set := &nftables.Set{
		Table: t, Name: m.name, IsMap: true, Interval: m.intervals(), DataType: nftables.TypeVerdict,
		KeyByteOrder: binaryutil.BigEndian,
	}
	switch m.key {
	case "ifname":
		// nft lists strings kept in the other order as empty.
		set.KeyType, set.KeyByteOrder = nftables.TypeIFName, binaryutil.NativeEndian
	case "ipv4_addr":
		set.KeyType = nftables.TypeIPAddr
	default:
		set.KeyType = nftables.TypeIP6Addr
	}
	return set
}

// jumps is the elements as they are added.
func (m verdictMap) jumps() []nftables.SetElement {
	var out []nftables.SetElement
	for _, e := range m.elements {
		keys := e.keys()
		keys[0].VerdictData = &expr.Verdict{Kind: expr.VerdictJump, Chain: e.chain}
		out = append(out, keys...)
	}
	return out
}

// keys is the elements as they are deleted.
func (m verdictMap) keys() []nftables.SetElement {
	var out []nftables.SetElement
	for _, e := range m.elements {
		out = append(out, e.keys()...)
	}
	return out
}

// keys is the element's name, or its first address and the one after its last.
func (e element) keys() []nftables.SetElement {
	if e.link != "" {
		return []nftables.SetElement{{Key: linkKey(e.link)}}
	}
	out := []nftables.SetElement{{Key: e.first.AsSlice()}}
	if end := e.last.Next(); end.IsValid() {
		out = append(out, nftables.SetElement{Key: end.AsSlice(), IntervalEnd: true})
	}
	return out
}

func (r rule) define(t *nftables.Table, chain string) *nftables.Rule {
	var exprs []expr.Any
	for _, s := range r.statements {
		exprs = append(exprs, s.exprs()...)
	}
	var data []byte
	if r.comment != "" {
		data = userdata.AppendString(data, userdata.TypeComment, r.comment)
	}
	data = userdata.Append(data, hashData, binary.BigEndian.AppendUint64(nil, uint64(r.hash())))
	return &nftables.Rule{Table: t, Chain: &nftables.Chain{Name: chain, Table: t}, Exprs: exprs, UserData: data}
}

// define is the hook's chain for the library.
func (h hook) define(name string, t *nftables.Table) *nftables.Chain {
	c := &nftables.Chain{Name: name, Table: t}
	policy := nftables.ChainPolicyAccept
	switch h {
	case forwardHook:
		c.Type, c.Policy = nftables.ChainTypeFilter, &policy
		c.Hooknum, c.Priority = nftables.ChainHookForward, nftables.ChainPriorityFilter
	case postroutingHook:
		c.Type, c.Policy = nftables.ChainTypeNAT, &policy
		c.Hooknum, c.Priority = nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource
	}
	return c
}

// ourTable is the table as it is made, owned where flags say so.
func ourTable(flags nftables.TableFlags) *nftables.Table {
	return &nftables.Table{Name: TableName, Family: unix.NFPROTO_INET, Flags: flags}
}
