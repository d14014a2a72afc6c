package network

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"

	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/plan"
)

// names are what a network's resolver knows: the definition's names and those
// of its leases.
type names struct {
	server  *dns.Server
	records *dns.Records
}

func newNames(server *dns.Server, cfg dns.Config, fixed []dns.Name) *names {
	n := &names{server: server, records: dns.NewRecords(cfg, fixed)}
	server.SetRecords(n.records)
	return n
}
