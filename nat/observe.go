package nat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// hashData is the type of the user data attribute that holds a rule's hash.
// nft knows 0, the comment, and 1, and passes over others.
const hashData = 0x76

// observe reads our table. It fails with errChanged if the ruleset is not
// that of the given generation, or changes meanwhile.
func (c *Conn) observe(generation uint32) (*state, error) {
	s, failed := c.readTable()
	after, err := c.generation()
	switch {
	case err != nil:
		return nil, err
	case after != generation:
		return nil, errChanged // which may also be why reading failed
	case failed != nil:
		return nil, fmt.Errorf("read table %s %s: %w", familyName(c.family), TableName, failed)
	}
	return s, nil
}

func (c *Conn) readTable() (*state, error) {
	s := stateOf(nil)
	t, err := c.nft.ListTableOfFamily(TableName, c.family)
	if errors.Is(err, unix.ENOENT) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	s.exists, s.flags, s.owner = true, t.Flags, t.Owner
	if err := c.readMaps(t, s); err != nil {
		return nil, err
	}
	return s, errors.Join(c.readChains(s), c.readRules(s))
}

func (c *Conn) readMaps(t *nftables.Table, s *state) error {
	sets, err := c.nft.GetSets(t)
	if err != nil {
		return err
	}
	for _, set := range sets {
		m := mapState{key: set.KeyType.Name, elements: map[element]bool{}}
		if set.Interval {
			m.key += intervalKind
		}
		if !set.IsMap || set.DataType.Name != nftables.TypeVerdict.Name {
			m.key = "no verdict map"
		}
		elements, err := c.nft.GetSetElements(set)
		if err != nil {
			return err
		}
		for _, e := range decodeElements(set, elements) {
			m.elements[e] = true
		}
		s.maps[set.Name] = m
	}
	return nil
}

// decodeElements turns keys as the kernel lists them into elements. A range
// is listed as its first address and, in an element flagged as an end, the
// first one after it, unless it reaches to the last address there is.
func decodeElements(set *nftables.Set, listed []nftables.SetElement) []element {
	var out []element
	if !set.Interval {
		for _, e := range listed {
			out = append(out, element{link: cString(e.Key), chain: verdictChain(e.Val)})
		}
		return out
	}
	slices.SortFunc(listed, func(a, b nftables.SetElement) int {
		if c := slices.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		return boolInt(b.IntervalEnd) - boolInt(a.IntervalEnd) // one range ends where the next starts
	})
	for _, e := range listed {
		addr, ok := netip.AddrFromSlice(e.Key)
		switch {
		case !ok:
			return nil
		case !e.IntervalEnd:
			out = append(out, element{
				first: addr, last: lastAddr(netip.PrefixFrom(addr, 0)), chain: verdictChain(e.Val),
			})
		case len(out) > 0:
			out[len(out)-1].last = addr.Prev()
		}
	}
	return out
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// verdictChain is the chain of a jump, "" for any other verdict. The library
// hands the attributes of a verdict over as they are.
func verdictChain(attrs []byte) string {
	ad, err := netlink.NewAttributeDecoder(attrs)
	if err != nil {
		return ""
	}
	ad.ByteOrder = binary.BigEndian
	var name string
	jump := false
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_VERDICT_CODE:
			jump = int32(ad.Uint32()) == unix.NFT_JUMP
		case unix.NFTA_VERDICT_CHAIN:
			name = ad.String()
		}
	}
	if !jump || ad.Err() != nil {
		return ""
	}
	return name
}

func (c *Conn) readChains(s *state) error {
	chains, err := c.nft.ListChainsOfTableFamily(c.family)
	if err != nil {
		return err
	}
	for _, ch := range chains {
		if ch.Table.Name == TableName {
			s.chains[ch.Name] = chainState{hook: hookOf(ch)}
		}
	}
	return nil
}

func hookOf(c *nftables.Chain) hook {
	if c.Hooknum == nil {
		return noHook
	}
	for _, h := range []hook{forwardHook, postroutingHook, framesHook} {
		kind, number, priority := h.attach()
		if c.Type == kind && *c.Hooknum == number && c.Priority != nil && *c.Priority == priority &&
			c.Policy != nil && *c.Policy == nftables.ChainPolicyAccept {
			return h
		}
	}
	return foreignHook
}

// readRules lists all rules of the table at once, which the library cannot,
// and looks at no more than their hashes.
func (c *Conn) readRules(s *state) error {
	name, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: unix.NFTA_RULE_TABLE, Data: []byte(TableName + "\x00")}})
	if err != nil {
		return err
	}
	rules, err := c.ask(unix.NFT_MSG_GETRULE, netlink.Dump, name)
	if err != nil {
		return err
	}
	for _, msg := range rules {
		chain, hash, err := decodeRule(msg)
		if err != nil {
			return err
		}
		ch := s.chains[chain]
		ch.rules = append(ch.rules, hash)
		s.chains[chain] = ch
	}
	return nil
}

// decodeRule returns the chain and the hash of a listed rule.
func decodeRule(attrs []byte) (chain string, hash ruleHash, err error) {
	ad, err := netlink.NewAttributeDecoder(attrs)
	if err != nil {
		return "", 0, err
	}
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_RULE_CHAIN:
			chain = ad.String()
		case unix.NFTA_RULE_USERDATA:
			hash = hashIn(ad.Bytes())
		}
	}
	return chain, hash, ad.Err()
}

// hashIn finds the hash in a rule's user data: type, length, value, again.
func hashIn(data []byte) ruleHash {
	for len(data) >= 2 && len(data) >= 2+int(data[1]) {
		value := data[2 : 2+int(data[1])]
		if data[0] == hashData && len(value) == 8 {
			return ruleHash(binary.BigEndian.Uint64(value))
		}
		data = data[2+len(value):]
	}
	return 0
}

// generation is the number of the last change to any of the namespace's
// nftables tables, by anyone.
func (c *Conn) generation() (uint32, error) {
	replies, err := c.ask(unix.NFT_MSG_GETGEN, 0, nil)
	if err != nil {
		return 0, fmt.Errorf("read the nftables generation: %w", err)
	}
	for _, attrs := range replies {
		ad, err := netlink.NewAttributeDecoder(attrs)
		if err != nil {
			return 0, err
		}
		ad.ByteOrder = binary.BigEndian
		for ad.Next() {
			if ad.Type() == unix.NFTA_GEN_ID {
				return ad.Uint32(), nil
			}
		}
	}
	return 0, errors.New("read the nftables generation: the kernel gives none")
}

// ask sends a read request and returns the attributes of each reply.
func (c *Conn) ask(kind uint16, flags netlink.HeaderFlags, attrs []byte) ([][]byte, error) {
	replies, err := c.read.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind),
			Flags: netlink.Request | flags,
		},
		Data: append(nfgen(byte(c.family), 0), attrs...),
	})
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for _, r := range replies {
		if len(r.Data) >= 4 {
			out = append(out, r.Data[4:])
		}
	}
	return out, nil
}

// cString is the part of b before its first zero byte.
func cString(b []byte) string {
	if i := slices.Index(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
