package nat

import (
	"hash/fnv"
	"maps"
	"slices"

	"github.com/google/nftables"
)

// state is what our table holds: read from the kernel, or as a compiled table
// will leave it there. Rules are known by their hashes only.
type state struct {
	exists bool
	flags  nftables.TableFlags
	owner  uint32 // the netlink port that alone may change the table; 0 any
	maps   map[string]mapState
	chains map[string]chainState
}

type mapState struct {
	key      string // as nft names the type, with the map's flags
	elements map[element]bool
}

type chainState struct {
	hook  hook
	rules []ruleHash
}

// ruleHash stands for a rule's text; 0 is a rule that is not ours.
type ruleHash uint64

// hash is kept in the kernel with the rule. encoding is part of it: it is
// raised when the kernel form of a statement changes while its text does not.
func (r rule) hash() ruleHash {
	const encoding = "1 "
	h := fnv.New64a()
	h.Write([]byte(encoding))
	h.Write([]byte(r.String()))
	return ruleHash(max(h.Sum64(), 1))
}

// intervalKind marks a map of ranges in the description of its type.
const intervalKind = " interval"

// kind is the map's type as mapState has it.
func (m verdictMap) kind() string {
	if m.intervals() {
		return m.key + intervalKind
	}
	return m.key
}

// stateOf is what the kernel holds once t was applied; t may be nil.
func stateOf(t *table) *state {
	s := &state{exists: t != nil, maps: map[string]mapState{}, chains: map[string]chainState{}}
	if t == nil {
		return s
	}
	for _, m := range t.maps {
		elements := make(map[element]bool, len(m.elements))
		for _, e := range m.elements {
			elements[e] = true
		}
		s.maps[m.name] = mapState{m.kind(), elements}
	}
	for _, c := range t.chains {
		s.chains[c.name] = chainState{c.hook, c.hashes}
	}
	return s
}

// change is what turns one state into another, in one transaction.
type change struct {
	replace bool // delete the table first: it has what ours cannot have
	table   bool // set the table's flags
	maps    []verdictMap
	chains  []chain  // to add, without their rules
	flush   []string // chains to empty
	fill    []chain  // chains to give their rules, new or emptied ones
	surplus []string // chains to delete, after everything else
	remove  []verdictMap
	insert  []verdictMap
	about   map[string]string // whose chains they are, for errors
}

func (c change) empty() bool {
	return !c.replace && !c.table && len(c.maps) == 0 && len(c.chains) == 0 && len(c.flush) == 0 &&
		len(c.surplus) == 0 && len(c.remove) == 0 && len(c.insert) == 0
}

// changes compares the kernel's table with the wanted one, which next
// describes. A network whose part is as it should be is not touched, so that
// its counters go on.
func (s *state) changes(want *table, next *state) change {
	if s.exists && !s.mendable(next) {
		all := (&state{}).changes(want, next)
		all.replace = true
		return all
	}
	c := change{
		table: !s.exists || s.flags != next.flags || s.owner != next.owner,
		about: map[string]string{},
	}
	for _, m := range want.maps {
		s.mapChange(m, next.maps[m.name], &c)
	}
	for _, ch := range want.chains {
		c.about[ch.name] = ch.about
		s.chainChange(ch, next.chains[ch.name], &c)
	}
	for _, name := range slices.Sorted(maps.Keys(s.chains)) {
		if _, wanted := next.chains[name]; !wanted {
			c.flush = append(c.flush, name)
			c.surplus = append(c.surplus, name)
		}
	}
	return c
}

// mendable says whether the table can become the next one by adding and
// removing elements, chains and rules. If not, it was made by something else,
// and is replaced whole; only then can a packet that is on its way through the
// base chains at that moment pass both the new table, not yet valid, and the
// old one, no longer valid.
func (s *state) mendable(next *state) bool {
	// A table gets its owner when it is made, or takes a new one after the
	// old one has gone.
	const persist = nftables.TableFlagPersist
	if s.flags&persist != next.flags&persist {
		return false
	}
	for name, m := range s.maps {
		if m.key != next.maps[name].key {
			return false
		}
	}
	for name, c := range s.chains {
		if want, known := next.chains[name]; known && c.hook != want.hook {
			return false
		}
	}
	return true
}

func (s *state) mapChange(want verdictMap, next mapState, c *change) {
	have, exists := s.maps[want.name]
	if !exists {
		c.maps = append(c.maps, want)
	}
	surplus, missing := want, want
	surplus.elements, missing.elements = nil, nil
	for e := range have.elements {
		if !next.elements[e] {
			surplus.elements = append(surplus.elements, e)
		}
	}
	for _, e := range want.elements {
		if !have.elements[e] {
			missing.elements = append(missing.elements, e)
		}
	}
	if len(surplus.elements) > 0 {
		c.remove = append(c.remove, surplus)
	}
	if len(missing.elements) > 0 {
		c.insert = append(c.insert, missing)
	}
}

func (s *state) chainChange(want chain, next chainState, c *change) {
	have, exists := s.chains[want.name]
	switch {
	case !exists:
		c.chains = append(c.chains, want)
	case slices.Equal(have.rules, next.rules):
		return
	default:
		c.flush = append(c.flush, want.name)
	}
	c.fill = append(c.fill, want)
}
