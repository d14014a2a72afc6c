package dns

import (
	"testing"

	"pgregory.net/rapid"
)

// Few hashes, so that keys share branches and whole hashes.
func coarseHash(k int) uint64 { return uint64(k%7)<<57 | uint64(k%3) }

func TestTrieBehavesLikeAMapAndKeepsOldVersions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type version struct {
			trie trie[int, int]
			want map[int]int
		}
		now := version{want: map[int]int{}}
		var old []version
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			old = append(old, now)
			next := version{now.trie, map[int]int{}}
			for k, v := range now.want {
				next.want[k] = v
			}
			k := rapid.IntRange(0, 30).Draw(t, "key")
			if rapid.Bool().Draw(t, "put") {
				v := rapid.Int().Draw(t, "value")
				next.want[k] = v
				next.trie = next.trie.with(coarseHash(k), k, v)
			} else {
				delete(next.want, k)
				next.trie = next.trie.without(coarseHash(k), k)
			}
			now = next
		}
		for i, ver := range append(old, now) {
			for k := range 31 {
				got, ok := ver.trie.get(coarseHash(k), k)
				want, wantOK := ver.want[k]
				if got != want || ok != wantOK {
					t.Fatalf("version %d: key %d: got %d, %v; want %d, %v", i, k, got, ok, want, wantOK)
				}
			}
		}
	})
}

func TestTrieIsEmptyAfterRemovingEverything(t *testing.T) {
	var tr trie[int, int]
	for k := range 2000 {
		tr = tr.with(uint64(k)*0x9e3779b97f4a7c15, k, k)
	}
	for k := range 2000 {
		tr = tr.without(uint64(k)*0x9e3779b97f4a7c15, k)
	}
	if tr.root != nil {
		t.Errorf("root = %+v", tr.root)
	}
}
