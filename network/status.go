package network

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/plan"
)

// statusPath is the lease file of a bridge that libvirt and its NSS modules
// read.
func (m *Manager) statusPath(bridge string) string {
	return filepath.Join(m.cfg.StatusDir, bridge+".status")
}

// writeStatus keeps that file in step with the network's leases, until ctx
// ends.
func (m *Manager) writeStatus(ctx context.Context, log *slog.Logger, e *entry, p *plan.Plan) {
	file := lease.StatusFile{Path: m.statusPath(p.Bridge.Name), Log: log}
	if err := file.Run(ctx, e.leases); err != nil {
		log.Error("follow leases for the status file", "err", err)
	}
}

// hasStatus tells whether there is such a file.
func (m *Manager) hasStatus(bridge string) bool {
	_, err := os.Stat(m.statusPath(bridge))
	return err == nil
}

// removeStatus removes the lease file of a network that is gone.
func (m *Manager) removeStatus(bridge string) error {
	if m.cfg.StatusDir == "" || bridge == "" {
		return nil
	}
	if err := os.Remove(m.statusPath(bridge)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
