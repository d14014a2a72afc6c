package dns

import (
	"container/list"
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
	// struct, its list element and map slot.
	entryOverhead = 256
)

type cacheShard struct {
	mu      sync.Mutex // guards all below
	entries map[string]*list.Element
	recent  *list.List // of *entry, the most recently used first
	bytes   int

	evicted              uint64 // while they were live
	maxEntries, maxBytes int
}

// newCache makes a cache for at most so many entries and bytes.
func newCache(entries, bytes int) *cache {
	c := &cache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i] = cacheShard{
			entries:    map[string]*list.Element{},
			recent:     list.New(),
			maxEntries: max(1, entries/cacheShards),
			maxBytes:   max(1, bytes/cacheShards),
		}
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
	el := s.entries[string(key)]
	if el == nil {
		return nil
	}
	e := el.Value.(*entry)
	if !now.Before(e.expires) {
		s.remove(el)
		return nil
	}
	if s.recent.Front() != el {
		s.recent.MoveToFront(el)
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
	s.entries[key] = s.recent.PushFront(e)
	s.bytes += e.size()
	for s.recent.Len() > s.maxEntries || s.bytes > s.maxBytes {
		s.remove(s.recent.Back())
		s.evicted++
	}
}

func (s *cacheShard) remove(el *list.Element) {
	e := s.recent.Remove(el).(*entry)
	delete(s.entries, e.key)
	s.bytes -= e.size()
}
