package network

import (
	"context"
	"fmt"

	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/tftp"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// bootFiles asks for the TFTP server, one part for each address. A root that
// is not there keeps the network from starting, as libvirt's does.
func (w *wanted) bootFiles() {
	cfg := w.plan.TFTP
	if cfg == nil {
		return
	}
	w.next.tftp = make(map[string]*tftp.Server)
	for _, addr := range cfg.Addrs {
		key := fmt.Sprintf("TFTP %s %s %t", addr, cfg.Root, cfg.FixedBlock)
		srv := w.have.tftp[key]
		if srv == nil {
			srv = tftp.NewServer(w.m.log, *cfg)
		}
		w.next.tftp[key] = srv
		w.add(key, func() (server, error) {
			if err := tftp.CheckRoot(cfg.Root); err != nil {
				return server{}, &Error{Kind: ErrInternal, Text: err.Error()}
			}
			c, err := w.m.host.ListenTFTP(cfg.Link, addr)
			if err != nil {
				return server{}, err
			}
			return server{
				serve: func(ctx context.Context) error { return srv.Serve(ctx, c) },
				close: func() { c.Close() },
			}, nil
		})
	}
}

// saveBoot is saveBoth for metadata that says what computers boot, or how the
// DHCP servers are: it takes effect at once, and is refused if it means nothing.
func (m *Manager) saveBoot(e *entry, live, config *xmlnet.Network) (err error) {
	var change edit
	if config != e.config {
		if err := plan.CheckMetadata(config); err != nil {
			return err
		}
		change.config = config
	}
	if live != e.live {
		if change.plan, err = m.planLive(m.ctx, live, e.live); err != nil {
			return err
		}
		change.live = live
	}
	return m.commit(m.ctx, e, change)
}
