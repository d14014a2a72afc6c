package dns

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ResolverConfig says where a Resolver finds the host's view of the world.
type ResolverConfig struct {
	ResolvConf string // resolv.conf(5), "" for none
	Hosts      string // hosts(5), "" for none
	Upstream   Upstream
	// HostsChanged, if there is one, is called by Run when Hosts was read again.
	HostsChanged func()
	// CacheEntries and CacheBytes bound the cache; 0 is 20,000 and 16 MiB.
	CacheEntries, CacheBytes int
}

const (
	defaultCacheEntries = 20_000
	defaultCacheBytes   = 16 << 20
	// maxFlights bounds the questions under way to upstreams, for all
	// networks: each takes a socket or two.
	maxFlights = 2048
)

// A Resolver asks upstream servers, and remembers: one for all networks, so
// that those with the same upstreams share a cache. It follows the host's
// resolv.conf and hosts files.
type Resolver struct {
	log   *slog.Logger
	cfg   ResolverConfig
	cache *cache

	host  atomic.Pointer[group]   // the upstreams of resolv.conf
	hosts atomic.Pointer[Records] // the hosts file
	own   atomic.Pointer[map[netip.Addr]bool]
	look  chan struct{} // asks Run to look at the files now

	batches sync.Pool // of *batch, for all servers
	lookups sync.Pool // of *lookup, likewise
	ids     ids

	mu      sync.Mutex // guards below
	groups  map[string]*group
	flights map[string]*flight
	// local counts the questions that servers on this host are being asked,
	// by type and name.
	local map[string]int
}

// A flight is a question on its way; those who ask the same wait for it.
type flight struct {
	done  chan struct{}
	e     *entry // set before done is closed; nil if the leader was stopped
	local string // key in Resolver.local, "" if no server is on this host
}

// NewResolver reads the files and is then ready; Run follows them.
func NewResolver(log *slog.Logger, cfg ResolverConfig) *Resolver {
	if cfg.CacheEntries == 0 {
		cfg.CacheEntries = defaultCacheEntries
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = defaultCacheBytes
	}
	if cfg.Upstream == nil {
		cfg.Upstream = NewSockets()
	}
	r := &Resolver{
		log:     log,
		cfg:     cfg,
		cache:   newCache(cfg.CacheEntries, cfg.CacheBytes),
		look:    make(chan struct{}, 1),
		groups:  map[string]*group{},
		flights: map[string]*flight{},
		local:   map[string]int{},
	}
	r.SetOwn(nil)
	r.readResolvConf()
	r.readHosts()
	return r
}

// SetOwn tells which addresses our own servers listen on: an upstream there
// on port 53 is one of them, and is never asked.
func (r *Resolver) SetOwn(addrs []netip.Addr) {
	own := map[netip.Addr]bool{}
	for _, a := range addrs {
		own[a.Unmap().WithZone("")] = true
	}
	r.own.Store(&own)
}

// isOwn tells whether addr is a listening address of ours.
func (r *Resolver) isOwn(addr netip.Addr) bool {
	return (*r.own.Load())[addr.Unmap().WithZone("")]
}

// onHost tells whether addr belongs to this host, as far as we know.
func (r *Resolver) onHost(addr netip.Addr) bool { return addr.IsLoopback() || r.isOwn(addr) }

// skips tells whether an upstream is one of our own servers.
func (r *Resolver) skips(server netip.AddrPort) bool {
	return server.Port() == port && r.isOwn(server.Addr())
}

// group returns the group of servers whose answers are left as they are.
func (r *Resolver) group(servers []netip.AddrPort) *group {
	return r.shapedGroup(servers, newShaping(Shaping{}))
}

// shapedGroup returns the group of servers, the same one for the same servers
// and shape: those share what is cached.
func (r *Resolver) shapedGroup(servers []netip.AddrPort, shape *shaping) *group {
	names := []string{shape.key}
	for _, s := range servers {
		names = append(names, s.String())
	}
	key := strings.Join(names, " ")
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.groups[key]
	if g == nil {
		g = &group{id: uint32(len(r.groups)), shape: shape}
		for _, s := range servers {
			g.servers = append(g.servers, &server{addr: s})
		}
		r.groups[key] = g
	}
	return g
}

// maxKey is the longest cache key.
const maxKey = 4 + 1 + 4 + maxName

// appendKey appends what answers depend on: the servers, the bits that change
// what they answer, and the question.
func appendKey(key []byte, g *group, q *query) []byte {
	var bits byte
	if q.do {
		bits |= 1
	}
	if q.flags&flagCD != 0 {
		bits |= 2
	}
	key = append(binary.BigEndian.AppendUint32(key, g.id), bits)
	key = binary.BigEndian.AppendUint16(key, q.qtype)
	key = binary.BigEndian.AppendUint16(key, q.qclass)
	return append(key, q.name...)
}

// cached returns the cache's answer to q, nil if it has none.
func (r *Resolver) cached(g *group, q *query, now time.Time) *entry {
	var key [maxKey]byte
	return r.cache.get(appendKey(key[:0], g, q), now)
}

// resolve answers q from g's servers, or says that it failed. Equal questions
// at one time become one. Client is who asks.
func (r *Resolver) resolve(ctx context.Context, g *group, q *query, client netip.Addr) *entry {
	key := string(appendKey(nil, g, q))
	if r.onHost(client) && r.loops(q) {
		return failed(q, time.Now())
	}
	for ctx.Err() == nil {
		f, leader := r.join(key, g, q)
		if f == nil {
			break
		}
		if leader {
			return r.lead(ctx, key, f, g, q)
		}
		select {
		case <-f.done:
			if f.e != nil {
				return f.e
			}
		case <-ctx.Done():
		}
	}
	return failed(q, time.Now())
}

// localKey names a question whatever its bits.
func localKey(q *query) string {
	return string(binary.BigEndian.AppendUint16(nil, q.qtype)) + string(q.name)
}

// loops tells, for a query from this host, whether a server on this host is
// being asked the same: then that server asks us in turn, and waiting for it
// would only end with its patience.
func (r *Resolver) loops(q *query) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.local[localKey(q)] > 0
}

// join returns the flight of key, and whether the caller is to lead it; nil
// when there are too many.
func (r *Resolver) join(key string, g *group, q *query) (f *flight, leader bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.flights[key]; f != nil {
		return f, false
	}
	// Another may have landed since the caller looked.
	if e := r.cache.get([]byte(key), time.Now()); e != nil {
		f := &flight{done: make(chan struct{}), e: e}
		close(f.done)
		return f, false
	}
	if len(r.flights) >= maxFlights {
		return nil, false
	}
	f = &flight{done: make(chan struct{})}
	if slices.ContainsFunc(g.servers, func(s *server) bool { return r.onHost(s.addr.Addr()) }) {
		f.local = localKey(q)
		r.local[f.local]++
	}
	r.flights[key] = f
	return f, true
}

// lead asks the servers and shares the answer.
func (r *Resolver) lead(ctx context.Context, key string, f *flight, g *group, q *query) *entry {
	e := race(ctx, r.log, carrier{r.cfg.Upstream, &r.ids}, g.order(time.Now(), r.skips), g.shape, q)
	if e == nil {
		r.lookNow()
		e = failed(q, time.Now())
	}
	// A leader that was stopped knows nothing for those who wait.
	if ctx.Err() == nil {
		f.e = e
		if e.cacheable() {
			r.cache.put(key, e)
		}
	}
	r.land(key, f)
	return e
}

func (r *Resolver) land(key string, f *flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.flights, key)
	if f.local != "" {
		if r.local[f.local]--; r.local[f.local] == 0 {
			delete(r.local, f.local)
		}
	}
	close(f.done)
}
