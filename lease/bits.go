package lease

import "math/bits"

// bitTree is a set of small integers that finds its next member at or after
// any number in constant time: each level has one bit for every word of the
// level below that is not empty, so that 65,536 numbers need three levels.
type bitTree struct {
	levels [][]uint64 // levels[0] holds the members
}

// newBitTree returns an empty set for the numbers below n.
func newBitTree(n int) *bitTree {
	t := &bitTree{}
	for {
		n = (n + 63) / 64
		t.levels = append(t.levels, make([]uint64, n))
		if n <= 1 {
			return t
		}
	}
}

// add puts i into the set.
func (t *bitTree) add(i int) {
	for _, level := range t.levels {
		level[i/64] |= 1 << (i % 64)
		i /= 64
	}
}

// remove takes i out of the set.
func (t *bitTree) remove(i int) {
	for _, level := range t.levels {
		level[i/64] &^= 1 << (i % 64)
		if level[i/64] != 0 {
			return
		}
		i /= 64
	}
}

// next returns the smallest member that is not below i, or -1.
func (t *bitTree) next(i int) int {
	for depth, level := range t.levels {
		word := i / 64
		if word >= len(level) {
			return -1
		}
		if rest := level[word] >> (i % 64) << (i % 64); rest != 0 {
			return t.lowest(depth, word*64+bits.TrailingZeros64(rest))
		}
		i = word + 1
	}
	return -1
}

// lowest returns the smallest member below bit i of a level.
func (t *bitTree) lowest(depth, i int) int {
	for ; depth > 0; depth-- {
		i = i*64 + bits.TrailingZeros64(t.levels[depth-1][i])
	}
	return i
}
