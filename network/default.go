package network

import (
	"context"
	"fmt"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// defineDefault defines the network "default" on a host that never had a
// definition: libvirt's, in 192.168.122.0/24 or, where the host uses that, the
// first free subnet. Spanning tree is off: with it, a guest's first DHCP
// packets would be lost for the 4 s in which its bridge port listens and
// learns.
func (m *Manager) defineDefault(ctx context.Context) error {
	host, err := m.host.Observe(ctx)
	if err != nil {
		return fmt.Errorf("observe the host: %w", err)
	}
	subnet, ok := bridge.FreeSubnet(host)
	if !ok {
		m.log.Warn("no network default: every 192.168.N.0/24 is in use")
		return nil
	}
	n, _, err := xmlnet.Parse(defaultXML(subnet.Addr().As4()))
	if err != nil {
		return err
	}
	_, err = m.define(ctx, n)
	return err
}

func defaultXML(net [4]byte) []byte {
	prefix := fmt.Sprintf("%d.%d.%d.", net[0], net[1], net[2])
	return fmt.Appendf(nil, `<network>
  <name>default</name>
  <forward mode='nat'/>
  <bridge stp='off' delay='0'/>
  <ip address='%s1' netmask='255.255.255.0'>
    <dhcp>
      <range start='%s2' end='%s254'/>
    </dhcp>
  </ip>
</network>
`, prefix, prefix, prefix)
}
