package plan

import (
	"github.com/vnetmgr/vnetmgr/dnsmasq"
	"github.com/vnetmgr/vnetmgr/tftp"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// makeTFTP plans the server of the first tftp root, which is the network's
// only one, as with libvirt. Like dnsmasq it listens on every address, the
// link-local one included.
func makeTFTP(n *xmlnet.Network) *tftp.Config {
	for _, ip := range n.IPs {
		if ip.TFTPRoot != "" {
			return newTFTP(n, ip.TFTPRoot)
		}
	}
	return nil
}

func newTFTP(n *xmlnet.Network, root string) *tftp.Config {
	return &tftp.Config{Link: n.Bridge.Name, Addrs: serverAddrs(n), Root: root}
}

// addToTFTP puts into p what options say: another root, or a server where the
// definition has none.
func addToTFTP(n *xmlnet.Network, o *dnsmasq.Options, p *Plan) {
	if o.TFTPRoot != "" && (o.TFTP || p.TFTP != nil) {
		p.TFTP = newTFTP(n, o.TFTPRoot)
	}
	if p.TFTP != nil {
		p.TFTP.FixedBlock = o.TFTPFixedBlock
	}
}

func (w *lines) tftp(c *tftp.Config) {
	w.line("tftp %s", c.Link)
	w.line("  root %s", c.Root)
	w.when(c.FixedBlock, "  blocks of 512 bytes for all")
	for _, a := range c.Addrs {
		w.line("  listen %s", a)
	}
}
