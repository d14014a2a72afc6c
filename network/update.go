package network

import (
	"context"
	"errors"

	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Affect says which of a network's definitions a call changes, by libvirt's
// bits (virNetworkUpdateFlags).
type Affect uint32

// AffectCurrent is the definition in force: live of an active network, else
// the one on disk. The others can be had together.
const (
	AffectCurrent Affect = 0
	AffectLive    Affect = 1
	AffectConfig  Affect = 2
)

// affected resolves AffectCurrent, and refuses a definition that e does not
// have.
func (e *entry) affected(a Affect) (Affect, error) {
	if a == AffectCurrent {
		a = AffectConfig
		if e.live != nil {
			a = AffectLive
		}
	}
	switch {
	case a&AffectLive != 0 && e.live == nil:
		return 0, invalid("network is not running")
	case a&AffectConfig != 0 && e.config == nil:
		return 0, invalid("cannot change persistent config of a transient network")
	}
	return a, nil
}

// edit is a change to a network that has been checked and not made yet: nil
// definitions stay as they are.
type edit struct {
	live   *xmlnet.Network
	plan   *plan.Plan // of live
	config *xmlnet.Network
}

// Update makes one change to a network's definitions, by net-update. Both are
// checked before either is changed. A live change takes effect at once, and no
// guest notices what it is not about.
//
// Errors are those of xmlnet's Update and, with what the change makes of the
// network, of starting it. With ErrHook the change is made all the same.
func (m *Manager) Update(ctx context.Context, id xmlnet.UUID, u xmlnet.Update, a Affect) error {
	m.change.Lock()
	defer m.change.Unlock()
	e, err := m.lookup(id)
	if err != nil {
		return err
	}
	if a, err = e.affected(a); err != nil {
		return err
	}
	var change edit
	if a&AffectLive != 0 {
		_, used := e.ports.connections()
		u.InUse = func(dev string) int { return used[dev] }
		if change.live, err = m.updated(e.live, u); err != nil {
			return err
		}
		if change.plan, err = m.planLive(ctx, change.live, e.live); err != nil {
			return err
		}
	}
	if a&AffectConfig != 0 {
		u.InUse = nil // by guests on the live network only
		if change.config, err = m.updated(e.config, u); err != nil {
			return err
		}
	}
	if err := m.commit(ctx, e, change); err != nil {
		return err
	}
	m.log.Info("network updated", "network", e.ref().Name)
	return m.hookUpdated(e, a)
}

// updated is n after an update; what of it was ignored is logged.
func (m *Manager) updated(n *xmlnet.Network, u xmlnet.Update) (*xmlnet.Network, error) {
	changed, warnings, err := n.Update(u)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		m.log.Warn("network update has what libvirt does not know; dropped", "network", n.Name, "what", w.String())
	}
	return changed, nil
}

// commit makes an edit, all of it or nothing: the definition on disk first,
// then the host.
func (m *Manager) commit(ctx context.Context, e *entry, change edit) error {
	was := e.config
	if change.config != nil {
		if err := m.cfg.Dir.SaveDefinition(change.config); err != nil {
			return err
		}
	}
	if change.live != nil {
		if err := m.replan(ctx, e, change.live, change.plan); err != nil {
			if change.config != nil {
				err = errors.Join(err, m.restoreDefinition(change.config.Name, was))
			}
			return err
		}
	}
	if change.config != nil {
		m.mu.Lock()
		e.config = change.config
		m.mu.Unlock()
	}
	return nil
}

// restoreDefinition puts a definition back on disk, or takes it away if there
// was none.
func (m *Manager) restoreDefinition(name string, was *xmlnet.Network) error {
	if was == nil {
		return m.cfg.Dir.RemoveDefinition(name)
	}
	return m.cfg.Dir.SaveDefinition(was)
}
