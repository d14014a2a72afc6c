package network

import (
	"context"
	"errors"

	"github.com/vnetmgr/vnetmgr/hook"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// runHook runs the administrator's scripts at a step in n's life. They get n
// and, if it is about one, a network port's element on standard input. The
// client may be gone meanwhile; only the end of the daemon ends a script early.
//
// Except for ports m.change is held, so a script that changes networks through
// us waits until it is killed. It may read whatever it likes.
func (m *Manager) runHook(n *xmlnet.Network, op, subop string, port []byte) error {
	scripts := hook.Scripts{Log: m.log, Path: m.cfg.Hook}
	if !scripts.Any() {
		return nil
	}
	err := scripts.Run(m.ctx, hook.Step{Network: n.Name, Op: op, SubOp: subop}, hookData(n, port))
	if err != nil {
		return &Error{Kind: ErrHook, Text: err.Error()}
	}
	m.taint(n)
	return nil
}

// taint notes, as libvirt does in its log and its status file, that scripts have
// run for an active network, which may not be as its definition says.
func (m *Manager) taint(n *xmlnet.Network) {
	m.mu.RLock()
	var p *ports
	if e := m.byID[n.UUID]; e != nil && e.live != nil {
		p = e.ports
	}
	m.mu.RUnlock()
	if p == nil {
		return
	}
	first, err := p.taint()
	if first {
		m.log.Warn("network is tainted: hook-script", "network", n.Name)
	}
	if err != nil {
		m.log.Error("note that scripts have run", "network", n.Name, "err", err)
	}
}

// hookData is what a script reads, as libvirt writes it.
func hookData(n *xmlnet.Network, port []byte) []byte {
	data := []byte("<hookData>\n")
	data = append(data, n.Format(xmlnet.FormatOptions{Level: 1})...)
	data = append(data, port...)
	return append(data, "</hookData>\n"...)
}

// start brings n up as e's live definition, with the scripts that want to know
// of it; m.change is held. When it fails, the host and the disk are as before,
// and the scripts have been told that it stopped, even if it never started.
func (m *Manager) start(ctx context.Context, e *entry, n *xmlnet.Network) error {
	err := m.runHook(n, "start", "begin", nil)
	if err == nil {
		err = m.startUnhooked(ctx, e, n)
	}
	if err != nil {
		m.hookStopped(n)
		return err
	}
	if err := m.runHook(e.live, "started", "begin", nil); err != nil {
		return errors.Join(err, m.stop(context.WithoutCancel(ctx), e))
	}
	return nil
}

// hookStopped tells the scripts that n stopped. What they say to it is only
// logged.
func (m *Manager) hookStopped(n *xmlnet.Network) {
	m.logHook(n, m.runHook(n, "stopped", "end", nil))
}

func (m *Manager) logHook(n *xmlnet.Network, err error) {
	if err != nil {
		m.log.Warn("hook script failed", "network", n.Name, "err", err)
	}
}

// hookUpdated tells the scripts of a change that was made. As with libvirt,
// their failure is the call's only if nothing live was changed.
func (m *Manager) hookUpdated(e *entry, a Affect) error {
	err := m.runHook(e.current(), "updated", "begin", nil)
	if a&AffectLive == 0 {
		return err
	}
	m.logHook(e.current(), err)
	return nil
}
