package network

import (
	"slices"
	"strings"

	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/radv"
	"github.com/vnetmgr/vnetmgr/tftp"
)

// Stats is what there is, and what servers have counted.
type Stats struct {
	Networks []NetworkStats // all, by name
	Resolver dns.ResolverStats
}

// NetworkStats is Stats of one network. What has no server has no counters.
type NetworkStats struct {
	Info
	Pool4, Pool6 PoolUse // of a network that gives addresses; else zero
	DHCP4        *dhcpd.Stats4
	DHCP6        *dhcpd.Stats6
	RA           *radv.Stats
	DNS          *dns.Stats
	TFTP         []tftp.Stats // a server for each address
}

// PoolUse says how full a pool of addresses is.
type PoolUse struct {
	Size  int // addresses that clients without a reservation can have
	Taken int // of these, those that have a lease, are offered, or were found in use
}

// Stats returns the counters of this moment. It waits for no change.
func (m *Manager) Stats() Stats {
	s := Stats{Resolver: m.resolver.Stats()}
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, e := range m.byID {
		n := NetworkStats{Info: e.info()}
		if e.services != nil {
			e.services.count(&n)
		}
		s.Networks = append(s.Networks, n)
	}
	slices.SortFunc(s.Networks, func(a, b NetworkStats) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// count fills in what the servers counted.
func (s *services) count(n *NetworkStats) {
	shown := s.shown.Load()
	if shown == nil {
		return
	}
	if srv := shown.dhcp4; srv != nil {
		n.DHCP4, n.Pool4 = new(srv.Stats()), s.poolUse(false)
	}
	if srv := shown.dhcp6; srv != nil {
		n.DHCP6, n.Pool6 = new(srv.Stats()), s.poolUse(true)
	}
	if srv := shown.ra; srv != nil {
		n.RA = new(srv.Stats())
	}
	if srv := shown.dns; srv != nil {
		n.DNS = new(srv.Stats())
	}
	for _, srv := range shown.tftp {
		n.TFTP = append(n.TFTP, srv.Stats())
	}
}

func (s *services) poolUse(six bool) PoolUse {
	busy, total := s.e.leases.Use(six)
	return PoolUse{Size: total, Taken: busy}
}
