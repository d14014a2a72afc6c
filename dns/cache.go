package dns

import (
	"hash/maphash"
	"sync"
	"time"
)

// A cache holds answers for as long as their TTLs say, bounded in entries and
// bytes; the least recently used go first. Shards keep readers from waiting
// for each other.
type cache struct {
	seed   maphash.Seed
	shards [cacheShards]cacheShard
}

const (
	cacheShards = 16
	// entryOverhead is what an entry costs beside its key and message: the
	// struct and its map slot.
	entryOverhead = 256
)

type cacheShard struct {
	mu      sync.Mutex // guards all below
	entries map[string]*entry
	recent  entry // the ring's end: its next is the most recently used entry
	bytes   int

	evicted              uint64 // while they were live
	maxEntries, maxBytes int
}

// newCache makes a cache for at most so many entries and bytes.
func newCache(entries, bytes int) *cache {
	c := &cache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		s := &c.shards[i]
		s.entries = map[string]*entry{}
		s.recent.next, s.recent.prev = &s.recent, &s.recent
		s.maxEntries, s.maxBytes = max(1, entries/cacheShards), max(1, bytes/cacheShards)
	}
	return c
}

func (c *cache) shard(hash uint64) *cacheShard { return &c.shards[hash%cacheShards] }

// get returns the live entry of key, nil if there is none. It allocates
// nothing.
func (c *cache) get(key []byte, now time.Time) *entry {
	s := c.shard(maphash.Bytes(c.seed, key))
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[string(key)]
	if e == nil {
		return nil
	}
	if !now.Before(e.expires) {
		s.remove(e)
		return nil
	}
	if s.recent.next != e {
		e.unlink()
		e.link(&s.recent)
	}
	return e
}

// put keeps e until it expires or others push it out.
func (c *cache) put(key string, e *entry) {
	e.key = key
	s := c.shard(maphash.String(c.seed, key))
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.entries[key]; old != nil {
		s.remove(old)
	}
	if e.size() > s.maxBytes {
		return
	}
	s.entries[key] = e
	e.link(&s.recent)
	s.bytes += e.size()
	for len(s.entries) > s.maxEntries || s.bytes > s.maxBytes {
		s.remove(s.recent.prev)
		s.evicted++
	}
}

func (s *cacheShard) remove(e *entry) {
	e.unlink()
	delete(s.entries, e.key)
	s.bytes -= e.size()
}

// link puts e into a ring, after another.
func (e *entry) link(after *entry) {
	e.prev, e.next = after, after.next
	e.prev.next, e.next.prev = e, e
}

func (e *entry) unlink() {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
}
