package plan

import (
	"errors"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// CheckMetadata refuses elements of ours in n's metadata that mean nothing, or
// that nobody would be told of.
func CheckMetadata(n *xmlnet.Network) error {
	_, err := n.DHCPSettings()
	return errors.Join(err, CheckBoot(n))
}

// addDHCPSettings puts into p what the dhcp element in n's metadata says.
func addDHCPSettings(n *xmlnet.Network, p *Plan) error {
	s, err := n.DHCPSettings()
	if p.DHCP4 != nil {
		p.DHCP4.OneClient, p.DHCP4.Unshared = s.OneClient, s.Unshared
	}
	if p.DHCP6 != nil {
		p.DHCP6.OneClient, p.DHCP6.Unshared = s.OneClient, s.Unshared
	}
	return err
}
