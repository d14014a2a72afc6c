package network

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/lease"
)

// names are what a network's resolver knows: the definition's names and those
// of its leases.
type names struct {
	server *dns.Server

	mu      sync.Mutex // guards below: definition and leases change by themselves
	records *dns.Records
	leased  map[netip.Addr]dns.Name // what leases gave
}

// newNames returns the names of a resolver, none until reset.
func newNames(server *dns.Server) *names {
	return &names{server: server, leased: make(map[netip.Addr]dns.Name)}
}

// reset takes the names of a new definition, beside those of the leases.
func (n *names) reset(cfg dns.Config, fixed []dns.Name) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.records = dns.NewRecords(cfg, fixed).With(slices.Collect(maps.Values(n.leased)), nil)
	n.server.SetRecords(n.records)
}

// set gives addresses the names of their leases, in order; a lease without
// hostname takes away the one before.
func (n *names) set(leases []lease.Lease) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range leases {
		n.setOne(l)
	}
	n.server.SetRecords(n.records)
}

func (n *names) setOne(l lease.Lease) {
	var set, del []dns.Name
	if old, ok := n.leased[l.Addr]; ok {
		del = append(del, old)
		delete(n.leased, l.Addr)
	}
	if l.Hostname != "" {
		name := dns.Name{Addr: l.Addr, Names: []string{l.Hostname}, Source: "lease"}
		set = append(set, name)
		n.leased[l.Addr] = name
	}
	if len(set)+len(del) > 0 {
		n.records = n.records.With(set, del)
	}
}

// followLeases keeps names in step with the network's leases, until ctx ends.
func followLeases(ctx context.Context, log *slog.Logger, table *lease.Table, n *names) {
	feed := table.Subscribe()
	defer feed.Close()
	n.set(table.Leases())
	for {
		changes, err := feed.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				log.Error("follow leases", "err", err)
			}
			return
		}
		leases := make([]lease.Lease, len(changes))
		for i, c := range changes {
			leases[i] = c.Lease
			if c.Kind == lease.Released || c.Kind == lease.Expired {
				leases[i].Hostname = ""
			}
		}
		n.set(leases)
	}
}

// tellOwnAddrs tells the resolver where we serve ourselves, so that it never
// asks us; m.change is held.
func (m *Manager) tellOwnAddrs() {
	var own []netip.Addr
	for _, e := range m.byID {
		if e.plan != nil && e.plan.DNS != nil {
			own = append(own, e.plan.DNS.Addrs...)
		}
	}
	m.resolver.SetOwn(own)
}
