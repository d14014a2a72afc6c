package plan

import (
	"github.com/vnetmgr/vnetmgr/firewalld"
	"github.com/vnetmgr/vnetmgr/resolved"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// makeZone plans the firewalld zone of the network's bridge. Like its rules,
// an open network's zone is for others to choose, unless it names one.
func makeZone(n *xmlnet.Network) *firewalld.Binding {
	if n.Forward.Mode == xmlnet.Open && n.Bridge.Zone == "" {
		return nil
	}
	return &firewalld.Binding{Link: n.Bridge.Name, Zone: n.Bridge.Zone, Routed: n.Forward.Mode == xmlnet.RouteMode}
}

// makeRegistration plans what the host's resolver is told; without a resolver
// of the network's own there is nothing to tell.
func makeRegistration(n *xmlnet.Network) *resolved.Registration {
	if n.Domain.Register != xmlnet.Yes || n.DNS.Enable == xmlnet.No || len(n.IPs) == 0 {
		return nil
	}
	return &resolved.Registration{Link: n.Bridge.Name, Domain: n.Domain.Name, Servers: addrs(n)}
}
