package dns

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync/atomic"

	codec "github.com/miekg/dns"
)

// Stats counts what a network's server did since it was made. Each query that
// deserves an answer is counted once in Queries and once in one of Malformed,
// Local, CacheHits and CacheMisses.
type Stats struct {
	Queries     uint64 // over UDP and TCP
	TCPQueries  uint64 // those over TCP
	Malformed   uint64 // refused before their question counted
	Local       uint64 // answered from what the network and the host know
	CacheHits   uint64
	CacheMisses uint64 // not known: RateLimited, or waiting for upstreams
	RateLimited uint64 // refused: the client was beyond its share
	// Of the answers:
	NXDomain  uint64
	ServFail  uint64 // no upstream answered
	Refused   uint64 // whatever for
	Rebinding uint64 // emptied: they led to a private address
}

// counters is Stats while it is counted.
type counters struct {
	queries, tcp, malformed, local, hits, misses, limited atomic.Uint64
	nxDomain, servFail, refused, rebinding                atomic.Uint64
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	c := &s.counts
	return Stats{
		Queries: c.queries.Load(), TCPQueries: c.tcp.Load(), Malformed: c.malformed.Load(),
		Local: c.local.Load(), CacheHits: c.hits.Load(), CacheMisses: c.misses.Load(), RateLimited: c.limited.Load(),
		NXDomain: c.nxDomain.Load(), ServFail: c.servFail.Load(), Refused: c.refused.Load(), Rebinding: c.rebinding.Load(),
	}
}

// received counts a query, and answered or missed what became of it.
func (c *counters) received(q *query) {
	c.queries.Add(1)
	if q.tcp {
		c.tcp.Add(1)
	}
}

func (c *counters) answered(r *reply, packed []byte) {
	if r.cached {
		c.hits.Add(1)
	} else {
		c.local.Add(1)
	}
	c.code(packed)
}

// code counts an answer's code.
func (c *counters) code(packed []byte) {
	switch binary.BigEndian.Uint16(packed[2:]) & rcodeMask {
	case codec.RcodeNameError:
		c.nxDomain.Add(1)
	case codec.RcodeServerFailure:
		c.servFail.Add(1)
	case codec.RcodeRefused:
		c.refused.Add(1)
	}
}

// fetched counts an answer that upstreams gave.
func (c *counters) fetched(e *entry, packed []byte) {
	if e.disarmed {
		c.rebinding.Add(1)
	}
	c.code(packed)
}

// ResolverStats counts what all networks' servers share, since the Resolver
// was made.
type ResolverStats struct {
	CacheEntries, CacheBytes int // of this moment; bytes as the cache's bound counts them
	CacheEvicted             uint64
	Upstreams                []UpstreamStats // by address
}

// UpstreamStats counts the queries that one server was sent, and those of them
// that it did not answer.
type UpstreamStats struct {
	Addr              netip.AddrPort
	Queries, Failures uint64
}

// Stats returns the counters.
func (r *Resolver) Stats() ResolverStats {
	var s ResolverStats
	for i := range r.cache.shards {
		c := &r.cache.shards[i]
		c.mu.Lock()
		s.CacheEntries += len(c.entries)
		s.CacheBytes += c.bytes
		s.CacheEvicted += c.evicted
		c.mu.Unlock()
	}
	s.Upstreams = r.upstreamStats()
	return s
}

// upstreamStats adds up what the groups know of each server.
func (r *Resolver) upstreamStats() []UpstreamStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []UpstreamStats
	at := map[netip.AddrPort]int{}
	for _, g := range r.groups {
		for _, s := range g.servers {
			i, known := at[s.addr]
			if !known {
				i = len(all)
				at[s.addr] = i
				all = append(all, UpstreamStats{Addr: s.addr})
			}
			all[i].Queries += s.queries.Load()
			all[i].Failures += s.failures.Load()
		}
	}
	slices.SortFunc(all, func(a, b UpstreamStats) int {
		return cmp.Or(a.Addr.Addr().Compare(b.Addr.Addr()), cmp.Compare(a.Addr.Port(), b.Addr.Port()))
	})
	return all
}
