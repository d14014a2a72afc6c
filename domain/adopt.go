package domain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// adoption plans the way to us.
func (m *migration) adoption(ctx context.Context) ([]step, error) {
	if err := m.readTheirs(); err != nil {
		return nil, err
	}
	var steps []step
	if m.ours != nil {
		s, err := m.displaceOurs()
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	steps = append(steps, step{
		what: fmt.Sprintf("define %s in vnetmgr as libvirt has it", m.name),
		do:   m.defineOurs, undo: m.giveUpOurs,
	}, step{
		what: "keep libvirt's definition for a release, in " + m.keptPath(),
		do:   m.keepDoc, undo: m.dropDoc,
	})
	if m.active {
		steps = append(steps, step{
			what: fmt.Sprintf("stop %s in libvirt: its dnsmasq, its firewall rules and bridge %s go", m.name, m.bridge),
			do:   m.stopTheirs, undo: m.startTheirs,
		})
	}
	steps = append(steps, step{
		what: "take over the leases in " + m.statusPath(),
		do:   m.importLeases,
	}, step{
		what: fmt.Sprintf("undefine %s in libvirt", m.name),
		do:   m.removeTheirs,
		undo: func(ctx context.Context) error {
			_, err := m.defineTheirs(ctx)
			return err
		},
	})
	if m.active {
		steps = append(steps, step{
			what: fmt.Sprintf("start %s in vnetmgr on a new bridge %s, and put %d links of running domains on it", m.name, m.bridge, len(m.linksOf(m.name, m.bridge))),
			do:   m.startOurs, undo: m.stopOurs,
		})
	}
	if m.cfg.Facades {
		steps = append(steps, step{
			what: fmt.Sprintf("show %s in libvirt as a facade of vnetmgr's", m.name),
			do:   m.showFacade, undo: m.removeTheirs,
		})
	}
	return steps, nil
}

// readTheirs checks that libvirt has a network that can be moved, and notes
// what moves.
func (m *migration) readTheirs() error {
	switch {
	case m.theirs == nil:
		return fmt.Errorf("libvirt has no network %s", m.name)
	case m.theirs.facade:
		return fmt.Errorf("network %s is vnetmgr's already", m.name)
	case !m.theirs.persistent:
		return fmt.Errorf("network %s of libvirt is transient: nothing would be left to give back", m.name)
	case m.ours != nil && m.ours.Active:
		return fmt.Errorf("vnetmgr has an active network %s of its own: stop it first", m.name)
	}
	n, _, err := xmlnet.Parse([]byte(m.theirs.doc))
	if err != nil {
		return err
	}
	if !n.Forward.Mode.OwnBridge() {
		return fmt.Errorf("network %s needs no move: it has no bridge of its own", m.name)
	}
	m.doc, m.id, m.bridge = m.theirs.doc, n.UUID, n.Bridge.Name
	m.active, m.autostart = m.theirs.active, m.theirs.autostart
	return m.readStatus()
}

// displaceOurs makes room for the network: an inactive one of ours of the
// name, as every first start of the daemon defines a default.
func (m *migration) displaceOurs() (step, error) {
	doc, err := m.nets.XML(m.ours.UUID)
	if err != nil {
		return step{}, err
	}
	old := *m.ours
	return step{
		what: fmt.Sprintf("remove vnetmgr's own inactive network %s", m.name),
		do: func(ctx context.Context) error {
			if err := m.nets.Undefine(ctx, old.UUID); err != nil {
				return err
			}
			return m.restoreStatus()
		},
		undo: func(ctx context.Context) error {
			id, err := m.nets.Define(ctx, doc)
			if err != nil || !old.Autostart {
				return err
			}
			return m.nets.SetAutostart(ctx, id, true)
		},
	}, nil
}

func (m *migration) defineOurs(ctx context.Context) error {
	if _, err := m.nets.Define(ctx, m.doc); err != nil {
		return err
	}
	return m.nets.SetAutostart(ctx, m.id, m.autostart)
}

func (m *migration) keepDoc(context.Context) error {
	if err := os.MkdirAll(m.cfg.KeepDir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(m.keptPath(), []byte(m.doc), 0o600)
}

func (m *migration) dropDoc(context.Context) error {
	if err := os.Remove(m.keptPath()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// importLeases reads the lease file once libvirt's dnsmasq has written its
// last to it.
func (m *migration) importLeases(context.Context) error {
	if err := m.readStatus(); err != nil {
		return err
	}
	return m.nets.ImportLeases(m.id, m.statusPath())
}
