package xmlnet

import (
	"crypto/rand"
	"net"
	"strconv"
	"strings"
)

// maxBridgeID is the last number that libvirt tries for a bridge.
const maxBridgeID = 256

// Complete generates what a definition may leave out and what is stored with
// it once it is generated: UUID and, in modes with an own bridge, MAC address
// and bridge name. taken tells whether a link name is in use, by a link of the
// host or by another network's definition, live or stored. The error, of kind
// InternalError, says that no bridge name is free; n is unchanged then.
func (n *Network) Complete(taken func(link string) bool) error {
	bridge := n.Bridge.Name
	if n.Forward.Mode.OwnBridge() {
		if template, ok := bridgeTemplate(bridge); ok {
			var err error
			if bridge, err = freeBridge(template, taken); err != nil {
				return err
			}
		}
		if n.MAC == nil {
			n.MAC = newMAC()
		}
	}
	n.Bridge.Name = bridge
	if n.UUID.IsZero() {
		n.UUID = NewUUID()
	}
	return nil
}

// bridgeTemplate returns the template, with one %d, of which to take a name;
// ok is false if name is a name. As in libvirt a template with another % in it
// counts as none.
func bridgeTemplate(name string) (template string, ok bool) {
	switch {
	case name == "" || strings.Contains(name, "%d") && strings.Count(name, "%") > 1:
		return "virbr%d", true
	case strings.Contains(name, "%d"):
		return name, true
	}
	return "", false
}

func freeBridge(template string, taken func(string) bool) (string, error) {
	for id := range maxBridgeID + 1 {
		name := strings.Replace(template, "%d", strconv.Itoa(id), 1)
		if !taken(name) {
			return name, nil
		}
	}
	return "", errf(InternalError, "Bridge generation exceeded max id %d", maxBridgeID)
}

// newMAC returns a random address with the prefix of KVM guests.
func newMAC() net.HardwareAddr {
	mac := net.HardwareAddr{0x52, 0x54, 0, 0, 0, 0}
	rand.Read(mac[3:]) // never fails
	return mac
}
