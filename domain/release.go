package domain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// releasing plans the way back to libvirt's own driver.
func (m *migration) releasing(context.Context) ([]step, error) {
	if err := m.readOurs(); err != nil {
		return nil, err
	}
	ourDoc, err := m.nets.XML(m.id)
	if err != nil {
		return nil, err
	}
	var steps []step
	if m.active {
		steps = append(steps, step{
			what: fmt.Sprintf("stop %s in vnetmgr: its rules and bridge %s go", m.name, m.bridge),
			do:   m.stopOurs, undo: m.startOurs,
		})
	}
	steps = append(steps, step{
		what: fmt.Sprintf("undefine %s in vnetmgr", m.name),
		do:   m.giveUpOurs,
		undo: func(ctx context.Context) error { return m.redefineOurs(ctx, ourDoc) },
	}, step{
		what: fmt.Sprintf("define %s in libvirt in place of the facade", m.name),
		do: func(ctx context.Context) error {
			if err := m.stopTheirs(ctx); err != nil {
				return err
			}
			_, err := m.defineTheirs(ctx)
			return err
		},
		undo: m.removeTheirs,
	})
	if m.active {
		steps = append(steps, step{
			what: fmt.Sprintf("start %s in libvirt with the leases in %s, and put %d links of running domains on its bridge", m.name, m.statusPath(), len(m.linksOf(m.name, m.bridge))),
			do:   m.startTheirs, undo: m.stopTheirs,
		})
	}
	return append(steps, step{
		what: "forget libvirt's definition, in " + m.keptPath(),
		do:   m.dropDoc,
	}), nil
}

// readOurs checks that there is a network of ours to give, and notes what
// moves.
func (m *migration) readOurs() error {
	switch {
	case m.ours == nil:
		return fmt.Errorf("vnetmgr has no network %s", m.name)
	case !m.ours.Persistent:
		return fmt.Errorf("network %s is transient: libvirt could not keep it", m.name)
	case m.theirs != nil && !m.theirs.facade:
		return fmt.Errorf("libvirt has a network %s of its own, which is not a facade", m.name)
	}
	m.id, m.bridge = m.ours.UUID, m.ours.Bridge
	m.active, m.autostart = m.ours.Active, m.ours.Autostart
	if err := m.readDoc(); err != nil {
		return err
	}
	n, _, err := xmlnet.Parse([]byte(m.doc))
	if err != nil {
		return err
	}
	if !n.Forward.Mode.OwnBridge() {
		return fmt.Errorf("network %s needs no move: it has no bridge of its own", m.name)
	}
	return m.readStatus()
}

// readDoc reads the definition that libvirt had, or takes ours.
func (m *migration) readDoc() error {
	kept, err := os.ReadFile(m.keptPath())
	if err == nil {
		m.doc = string(kept)
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	m.doc, err = m.nets.XML(m.id)
	return err
}

// redefineOurs takes back that our network was given away.
func (m *migration) redefineOurs(ctx context.Context, doc string) error {
	if err := m.restoreStatus(); err != nil {
		return err
	}
	if _, err := m.nets.Define(ctx, doc); err != nil {
		return err
	}
	return errors.Join(
		m.nets.SetAutostart(ctx, m.id, m.autostart),
		m.nets.ImportLeases(m.id, m.statusPath()))
}
