package network

import (
	"context"
	"log/slog"
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
	leases  map[netip.Addr]lease.Lease
	leased  map[netip.Addr]dns.Name // what leases gave
	owners  map[string]string       // domains by MAC address
	given   claims                  // what the definition names
}

// newNames returns the names of a resolver, none until reset.
func newNames(server *dns.Server) *names {
	return &names{server: server, leases: make(map[netip.Addr]lease.Lease), leased: make(map[netip.Addr]dns.Name)}
}

// reset takes the names of a new definition, beside those of the leases.
func (n *names) reset(cfg dns.Config, fixed []dns.Name) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.given = newClaims(cfg, fixed)
	n.records = dns.NewRecords(cfg, fixed)
	clear(n.leased)
	for addr := range n.leases {
		n.rename(addr)
	}
	n.server.SetRecords(n.records)
}

// set takes what became of leases, in order.
func (n *names) set(changes []lease.Change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range changes {
		if c.Kind == lease.Released || c.Kind == lease.Expired {
			delete(n.leases, c.Lease.Addr)
		} else {
			n.leases[c.Lease.Addr] = c.Lease
		}
		n.rename(c.Lease.Addr)
	}
	n.server.SetRecords(n.records)
}

// setOwners takes the domains that have ports now, by MAC address.
func (n *names) setOwners(owners map[string]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.owners = owners
	for addr := range n.leases {
		n.rename(addr)
	}
	n.server.SetRecords(n.records)
}

// rename gives an address the name of its lease.
func (n *names) rename(addr netip.Addr) {
	want := dns.Name{Addr: addr, Source: "lease"}
	if name := n.nameOf(addr); name != "" {
		want.Names = []string{name}
	}
	have, named := n.leased[addr]
	if slices.Equal(have.Names, want.Names) {
		return
	}
	var set, del []dns.Name
	if named {
		del = append(del, have)
		delete(n.leased, addr)
	}
	if want.Names != nil {
		set = append(set, want)
		n.leased[addr] = want
	}
	n.records = n.records.With(set, del)
}

// nameOf is the name that the guest sent or else that of its domain, "" if
// there is neither, or if the definition or the host have it for another.
func (n *names) nameOf(addr netip.Addr) string {
	l, held := n.leases[addr]
	if !held {
		return ""
	}
	for _, name := range []string{l.Hostname, n.owners[l.MAC.String()]} {
		if name != "" && !n.given.forbid(name, addr) && !n.server.HostHas(name) {
			return name
		}
	}
	return ""
}

// forbidden tells whether a name is given to another than addr, or the host's.
func (n *names) forbidden(name string, addr netip.Addr) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.given.forbid(name, addr) || n.server.HostHas(name)
}

// followLeases keeps names in step with the network's leases, until ctx ends.
func followLeases(ctx context.Context, log *slog.Logger, table *lease.Table, n *names) {
	feed := table.Subscribe()
	defer feed.Close()
	var held []lease.Change
	for _, l := range table.Leases() {
		held = append(held, lease.Change{Kind: lease.Added, Lease: l})
	}
	n.set(held)
	for {
		changes, err := feed.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				log.Error("follow leases", "err", err)
			}
			return
		}
		n.set(changes)
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
