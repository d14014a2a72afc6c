package dns

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	codec "github.com/miekg/dns"
)

// Limits of one network. A guest that goes beyond its share is refused; the
// others' share stays.
const (
	maxQueries       = 512 // waiting for upstreams
	maxQueriesClient = 128
	maxConns         = 128 // TCP connections
	maxConnsClient   = 16
)

// A Server answers one network's queries: on any number of sockets, from one
// configuration and one set of records, which may be replaced at any time.
type Server struct {
	log     *slog.Logger
	up      *Resolver
	policy  atomic.Pointer[policy]
	records atomic.Pointer[Records]
	queries *admission
	conns   *admission
	rates   rates
	counts  counters
}

// NewServer makes a server without records. Up is shared by all networks.
func NewServer(log *slog.Logger, cfg Config, up *Resolver) *Server {
	s := &Server{
		log:     log.With("link", cfg.Link),
		up:      up,
		queries: newAdmission(maxQueries, maxQueriesClient),
		conns:   newAdmission(maxConns, maxConnsClient),
	}
	s.SetConfig(cfg)
	s.SetRecords(NewRecords(cfg, nil))
	return s
}

// SetConfig replaces the configuration for the queries from now on. Records
// hold the domain, too: new ones must follow if it changes.
func (s *Server) SetConfig(cfg Config) { s.policy.Store(newPolicy(cfg, s.up)) }

// SetRecords replaces the records for the queries from now on.
func (s *Server) SetRecords(r *Records) { s.records.Store(r) }

func (s *Server) view() view { return view{s.policy.Load(), s.records.Load(), s.up} }

// handle answers a packet from what is known, into r. It returns nil for
// packets that deserve no answer, and for those that need an upstream's: then
// ask says which. It allocates nothing in the common cases.
func (s *Server) handle(pkt []byte, q *query, r *reply, now time.Time) (packed []byte, ask missing) {
	rcode := q.parse(pkt)
	if rcode == rcodeSilence {
		return nil, ask
	}
	s.counts.received(q)
	if rcode != 0 {
		s.counts.malformed.Add(1)
		return r.status(q, 0, rcode), ask
	}
	v := s.view()
	r.cached = false
	if packed, ask = v.answer(q, r, now); packed != nil {
		s.counts.answered(r, packed)
	} else {
		s.counts.misses.Add(1)
	}
	return packed, ask
}

// forward asks the upstreams and writes the answer into r.
func (s *Server) forward(ctx context.Context, q *query, r *reply, ask missing, client netip.Addr) []byte {
	if !s.admit(client) {
		return s.limited(q, r)
	}
	defer s.queries.leave(client)
	return s.fetch(ctx, q, r, ask, client)
}

// fetch is forward for a client that was admitted.
func (s *Server) fetch(ctx context.Context, q *query, r *reply, ask missing, client netip.Addr) []byte {
	e := s.up.resolve(ctx, ask.from, q, client)
	packed := e.appendReply(r, q, time.Now(), !ask.exists)
	s.counts.fetched(e, packed)
	return packed
}

// limited refuses a query of a client beyond its share.
func (s *Server) limited(q *query, r *reply) []byte {
	s.counts.limited.Add(1)
	s.counts.refused.Add(1)
	return r.status(q, 0, codec.RcodeRefused)
}

// admit tells whether the client may have upstreams asked now; then
// s.queries.leave must follow. The host itself has no rate: others may ask
// through it.
func (s *Server) admit(client netip.Addr) bool {
	rate := s.policy.Load().rate
	if s.up.onHost(client) {
		rate = 0
	}
	return s.rates.allow(client, rate, time.Now()) && s.queries.enter(client)
}

// trace logs a query if the configuration says so. Client is only called then.
func (s *Server) trace(q *query, client func() netip.Addr) {
	if s.policy.Load().logs && len(q.name) > 0 {
		s.log.Info("query", "addr", client(), "name", shownName(q.name), "type", codec.Type(q.qtype).String())
	}
}

// HostHas tells whether the host's hosts files have a name, alone or with the
// network's domain.
func (s *Server) HostHas(name string) bool {
	v := s.view()
	wire, ok := foldedName(name)
	if !ok {
		return false
	}
	has := func(wire string) bool {
		o := v.hostsOwner([]byte(wire))
		return o != nil && len(o.given) > 0
	}
	if v.policy.domain == "" || has(wire) {
		return has(wire)
	}
	full, ok := joined(wire, v.policy.domain)
	return ok && has(full)
}
