package network

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/vnetmgr/vnetmgr/journal"
	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// openJournal opens the history of all leases. One that is damaged is put
// aside: it must not keep networks from working.
func (m *Manager) openJournal() (err error) {
	if m.cfg.JournalFile == "" || m.cfg.JournalRecords <= 0 {
		return nil
	}
	var damage error
	if m.journal, damage, err = journal.Open(m.cfg.JournalFile, m.cfg.JournalRecords); damage != nil {
		m.log.Error("lease history is damaged: begun anew", "file", m.cfg.JournalFile, "err", damage)
	}
	return err
}

// closeJournal writes down what waits.
func (m *Manager) closeJournal() error {
	if m.journal == nil {
		return nil
	}
	return m.journal.Close()
}

// history asks for what writes down who had which address when.
func (w *wanted) history() {
	if w.m.journal == nil || w.plan.DHCP4 == nil && w.plan.DHCP6 == nil {
		return
	}
	w.follow("lease history", func(ctx context.Context) { w.m.followHistory(ctx, w.log, w.name, w.e.leases) })
}

// followHistory writes down the changes of a network's leases until ctx ends.
// When that fails (the disk is full) it is tried again every minute: what was
// missed is mended then.
func (m *Manager) followHistory(ctx context.Context, log *slog.Logger, name string, leases *lease.Table) {
	for {
		err := m.writeHistory(ctx, name, leases)
		if ctx.Err() != nil || errors.Is(err, journal.ErrClosed) || errors.Is(err, lease.ErrClosed) {
			return
		}
		log.Error("lease history has a gap, trying again in a minute", "err", err)
		select {
		case <-time.After(time.Minute):
		case <-ctx.Done():
			return
		}
	}
}

func (m *Manager) writeHistory(ctx context.Context, name string, leases *lease.Table) error {
	feed := leases.Subscribe()
	defer feed.Close()
	if err := m.reconcileHistory(ctx, name, leases); err != nil {
		return err
	}
	for ctx.Err() == nil {
		changes, err := feed.Next(ctx)
		if err == nil {
			err = m.journal.Note(ctx, name, changes, clonesAmong(leases, changes))
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return m.writeRest(ctx, name, leases, feed)
}

// writeRest has what came before ctx ended written down. A lease that ends
// before the network starts again would be missed else.
func (m *Manager) writeRest(ctx context.Context, name string, leases *lease.Table, feed *lease.Feed) error {
	for {
		changes, err := feed.Next(ctx)
		if err != nil {
			return err
		}
		err = m.journal.Note(ctx, name, changes, clonesAmong(leases, changes))
		if err != nil && !errors.Is(err, ctx.Err()) {
			return err
		}
	}
}

// reconcileHistory writes down all leases of a network.
func (m *Manager) reconcileHistory(ctx context.Context, name string, table *lease.Table) error {
	leases, clones := table.Leases(), make(journal.Clones)
	for _, l := range leases {
		clones.Add(l, firstOf(table))
	}
	return m.journal.Reconcile(ctx, name, leases, clones)
}

// clonesAmong returns whose clones the clients of changes are.
func clonesAmong(table *lease.Table, changes []lease.Change) journal.Clones {
	clones := make(journal.Clones)
	for _, c := range changes {
		clones.Add(c.Lease, firstOf(table))
	}
	return clones
}

// firstOf returns what finds who had a clone's identifier first.
func firstOf(table *lease.Table) func(lease.Client) (lease.Lease, bool) {
	return func(c lease.Client) (lease.Lease, bool) {
		l, _, ok := table.Rival(c, time.Now())
		return l, ok
	}
}

// History returns who had which address of a network when (ErrNotFound;
// ErrUnsupported where no history is kept).
func (m *Manager) History(id xmlnet.UUID, f journal.Filter) ([]journal.Record, error) {
	m.mu.RLock()
	e, err := m.lookup(id)
	if err != nil {
		m.mu.RUnlock()
		return nil, err
	}
	name := e.current().Name
	m.mu.RUnlock()
	if m.journal == nil {
		return nil, &Error{Kind: ErrUnsupported, Text: "no history of leases is kept: lease_history is 0"}
	}
	return m.journal.Query(name, f)
}
