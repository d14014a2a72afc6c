package network

import (
	"context"
	"log/slog"
	"net/netip"

	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/lease"
)

// names are what a network's resolver knows: the definition's names and those
// of its leases.
type names struct {
	server  *dns.Server
	records *dns.Records
	leased  map[netip.Addr]dns.Name // what leases gave
}

func newNames(server *dns.Server, cfg dns.Config, fixed []dns.Name) *names {
	n := &names{server: server, records: dns.NewRecords(cfg, fixed), leased: make(map[netip.Addr]dns.Name)}
	server.SetRecords(n.records)
	return n
}

// set gives an address the name of its lease, none if hostname is empty.
func (n *names) set(l lease.Lease, hostname string) {
	var set, del []dns.Name
	if old, ok := n.leased[l.Addr]; ok {
		del = append(del, old)
		delete(n.leased, l.Addr)
	}
	if hostname != "" {
		name := dns.Name{Addr: l.Addr, Names: []string{hostname}, Source: "lease"}
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
	for _, l := range table.Leases() {
		n.set(l, l.Hostname)
	}
	n.server.SetRecords(n.records)
	for {
		changes, err := feed.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				log.Error("follow leases", "err", err)
			}
			return
		}
		for _, c := range changes {
			if c.Kind == lease.Added || c.Kind == lease.Renewed {
				n.set(c.Lease, c.Lease.Hostname)
			} else {
				n.set(c.Lease, "")
			}
		}
		n.server.SetRecords(n.records)
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
