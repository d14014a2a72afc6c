package network

import (
	"context"

	"github.com/vnetmgr/vnetmgr/tftp"
)

// bootFiles asks for the TFTP server, one part for each address. A root that
// is not there keeps the network from starting, as libvirt's does.
func (w *wanted) bootFiles() {
	cfg := w.plan.TFTP
	if cfg == nil {
		return
	}
	for _, addr := range cfg.Addrs {
		w.add("TFTP "+addr.String()+" "+cfg.Root, func() (server, error) {
			if err := tftp.CheckRoot(cfg.Root); err != nil {
				return server{}, err
			}
			c, err := w.m.host.ListenTFTP(cfg.Link, addr)
			if err != nil {
				return server{}, err
			}
			srv := tftp.NewServer(w.m.log, *cfg)
			return server{
				serve: func(ctx context.Context) error { return srv.Serve(ctx, c) },
				close: func() { c.Close() },
			}, nil
		})
	}
}
