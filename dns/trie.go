package dns

import (
	"math/bits"
	"slices"
)

// A trie is an immutable hash array mapped trie (Bagwell, "Ideal Hash Trees",
// 2001): with and without return a new one that shares all but the path to
// the changed key, so that a lease among 50,000 costs a few small copies
// while readers go on with the old one. The caller hashes the keys.
type trie[K comparable, V any] struct {
	root *branch[K, V]
}

// trieBits of the hash choose the slot on each level.
const trieBits = 5

// A branch has a slot for each set bit of used, in the bits' order.
type branch[K comparable, V any] struct {
	used  uint32
	slots []slot[K, V]
}

// A slot is either a branch below or the first of the leaves with one hash.
type slot[K comparable, V any] struct {
	sub  *branch[K, V]
	leaf *leaf[K, V]
}

type leaf[K comparable, V any] struct {
	hash uint64
	key  K
	val  V
	next *leaf[K, V] // another key with the very same hash
}

// at returns the bit and index of hash's slot on the level that starts at
// shift.
func (b *branch[K, V]) at(hash uint64, shift uint) (bit uint32, i int) {
	bit = 1 << (hash >> shift & (1<<trieBits - 1))
	return bit, bits.OnesCount32(b.used & (bit - 1))
}

func (t trie[K, V]) get(hash uint64, key K) (val V, ok bool) {
	for b, shift := t.root, uint(0); b != nil; shift += trieBits {
		bit, i := b.at(hash, shift)
		if b.used&bit == 0 {
			return val, false
		}
		if s := &b.slots[i]; s.sub != nil {
			b = s.sub
			continue
		}
		for l := b.slots[i].leaf; l != nil; l = l.next {
			if l.hash == hash && l.key == key {
				return l.val, true
			}
		}
		return val, false
	}
	return val, false
}

func (t trie[K, V]) with(hash uint64, key K, val V) trie[K, V] {
	l := &leaf[K, V]{hash: hash, key: key, val: val}
	if t.root == nil {
		t.root = &branch[K, V]{}
	}
	return trie[K, V]{t.root.with(l, 0)}
}

func (b *branch[K, V]) with(l *leaf[K, V], shift uint) *branch[K, V] {
	bit, i := b.at(l.hash, shift)
	if b.used&bit == 0 {
		return &branch[K, V]{b.used | bit, slices.Insert(slices.Clip(b.slots), i, slot[K, V]{leaf: l})}
	}
	c := &branch[K, V]{b.used, slices.Clone(b.slots)}
	s := &c.slots[i]
	switch {
	case s.sub != nil:
		s.sub = s.sub.with(l, shift+trieBits)
	case s.leaf.hash == l.hash:
		l.next = s.leaf.without(l.key)
		s.leaf = l
	default:
		below := (&branch[K, V]{}).with(s.leaf, shift+trieBits)
		*s = slot[K, V]{sub: below.with(l, shift+trieBits)}
	}
	return c
}

func (t trie[K, V]) without(hash uint64, key K) trie[K, V] {
	if t.root == nil {
		return t
	}
	return trie[K, V]{t.root.without(hash, key, 0)}
}

// without returns nil when nothing is left.
func (b *branch[K, V]) without(hash uint64, key K, shift uint) *branch[K, V] {
	bit, i := b.at(hash, shift)
	if b.used&bit == 0 {
		return b
	}
	var rest slot[K, V]
	if s := b.slots[i]; s.sub != nil {
		rest = s.sub.without(hash, key, shift+trieBits).asSlot()
	} else {
		rest.leaf = s.leaf.without(key)
	}
	if rest == (slot[K, V]{}) {
		return b.drop(bit, i)
	}
	c := &branch[K, V]{b.used, slices.Clone(b.slots)}
	c.slots[i] = rest
	return c
}

// asSlot is how a branch hangs in the one above: a single leaf needs no
// branch of its own.
func (b *branch[K, V]) asSlot() slot[K, V] {
	switch {
	case b == nil:
		return slot[K, V]{}
	case len(b.slots) == 1 && b.slots[0].leaf != nil:
		return b.slots[0]
	}
	return slot[K, V]{sub: b}
}

func (b *branch[K, V]) drop(bit uint32, i int) *branch[K, V] {
	if len(b.slots) == 1 {
		return nil
	}
	return &branch[K, V]{b.used &^ bit, slices.Delete(slices.Clone(b.slots), i, i+1)}
}

// without returns the chain without key; the leaves before it are copied.
func (l *leaf[K, V]) without(key K) *leaf[K, V] {
	if l == nil {
		return nil
	}
	if l.key == key {
		return l.next
	}
	rest := l.next.without(key)
	if rest == l.next {
		return l
	}
	return &leaf[K, V]{l.hash, l.key, l.val, rest}
}
