package network

import (
	"context"
	"log/slog"

	"github.com/vnetmgr/vnetmgr/plan"
)

func (m *Manager) writeStatus(ctx context.Context, log *slog.Logger, e *entry, p *plan.Plan) {}
func (m *Manager) removeStatus(bridge string) error                                          { return nil }
