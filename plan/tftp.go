package plan

import (
	"github.com/vnetmgr/vnetmgr/tftp"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// makeTFTP plans the server of the first tftp root, which is the network's
// only one, as with libvirt. Like dnsmasq it listens on every address, the
// link-local one included.
func makeTFTP(n *xmlnet.Network) *tftp.Config {
	for _, ip := range n.IPs {
		if ip.TFTPRoot != "" {
			return &tftp.Config{Link: n.Bridge.Name, Addrs: serverAddrs(n), Root: ip.TFTPRoot}
		}
	}
	return nil
}

func (w *lines) tftp(c *tftp.Config) {
	w.line("tftp %s", c.Link)
	w.line("  root %s", c.Root)
	for _, a := range c.Addrs {
		w.line("  listen %s", a)
	}
}
