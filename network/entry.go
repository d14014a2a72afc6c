package network

import (
	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// entry is one network. Its fields are written with both of Manager's locks
// held and read with either. The definitions are never changed in place.
type entry struct {
	config    *xmlnet.Network // on disk; nil: transient
	live      *xmlnet.Network // in force; nil: inactive
	autostart bool
	leases    *lease.Table

	plan     *plan.Plan // of live
	services *services  // of live
	ports    *ports     // of live
	// registered is the index of the link that the host's resolver was told
	// of, 0 for none.
	registered int
	// kept are connections of before a change of live; nil: none. Manager.change
	// guards it.
	kept *kept
}

// current is the definition in force: live, or the one on disk.
func (e *entry) current() *xmlnet.Network {
	if e.live != nil {
		return e.live
	}
	return e.config
}

func (e *entry) ref() Ref { return Ref{Name: e.current().Name, UUID: e.current().UUID} }

func (e *entry) info() Info {
	n := e.current()
	return Info{
		Ref:        e.ref(),
		Title:      n.Title,
		Bridge:     n.Bridge.Name,
		Active:     e.live != nil,
		Persistent: e.config != nil,
		Autostart:  e.autostart,
		Ports:      e.ports.count(),
	}
}

// bridges are the bridge names that the network holds: the one in force and
// the one on disk.
func (e *entry) bridges() []string {
	var names []string
	for _, n := range []*xmlnet.Network{e.live, e.config} {
		if n != nil && n.Bridge.Name != "" {
			names = append(names, n.Bridge.Name)
		}
	}
	return names
}
