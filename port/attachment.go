package port

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Attachment is a guest's link that is a port of a network without a libvirt
// which asks for it: a tap, or a link into a network namespace. It is what was
// asked for, completed, and outlives the network's stop and the host's boot.
type Attachment struct {
	UUID    xmlnet.UUID // of the port
	Network xmlnet.UUID
	Link    string // the bridge port
	// Tap and Netns say what was made; both nil is a tap that was there.
	Tap   *Tap
	Netns *Netns
	MAC   net.HardwareAddr // of the guest
	// Addr and Addr6 are kept for the guest; zero is none.
	Addr, Addr6 netip.Addr
	Name        string // in DNS, "" for none
	// MACRule lets only frames of the guest's own addresses pass.
	MACRule   bool
	Isolated  bool
	Group     string // portgroup
	Bandwidth *xmlnet.Bandwidth
	// Key is what another program calls it, "" for none.
	Key string
}

// Tap is how a tap was made.
type Tap struct {
	User, Group         *uint32 `json:",omitempty"` // who may open it
	MultiQueue, VNetHdr bool    `json:",omitempty"`
}

// Netns is a namespace and the link in it.
type Netns struct {
	Path string // when it was attached
	Name string `json:",omitempty"` // of "ip netns", if it was named so
	Link string
	// Dev and Inode tell it from other namespaces, while it is.
	Dev, Inode uint64
}

// Static tells whether the guest has its address without asking for it.
func (a *Attachment) Static() bool { return a.Netns != nil }

// Owner is whose the port is, as libvirt shows it: the guest's name, or else
// that of its link.
func (a *Attachment) Owner() string {
	if a.Name != "" {
		return a.Name
	}
	return a.Link
}

// Port is the network port to ask for.
func (a *Attachment) Port() Port {
	p := Port{
		UUID: a.UUID, Owner: a.Owner(), OwnerUUID: a.UUID, Group: a.Group, MAC: a.MAC, Bandwidth: a.Bandwidth.Clone(),
	}
	if a.Isolated {
		p.Isolated = xmlnet.Yes
	}
	return p
}

// attachmentDoc is an Attachment as it is on disk.
type attachmentDoc struct {
	UUID, Network, Link, MAC string
	Addr, Addr6              netip.Addr
	Tap                      *Tap              `json:",omitempty"`
	Netns                    *Netns            `json:",omitempty"`
	Name                     string            `json:",omitempty"`
	MACRule, Isolated        bool              `json:",omitempty"`
	Group                    string            `json:",omitempty"`
	Bandwidth                *xmlnet.Bandwidth `json:",omitempty"`
	Key                      string            `json:",omitempty"`
}

// Marshal returns a as JSON.
func (a *Attachment) Marshal() ([]byte, error) {
	text, err := json.MarshalIndent(attachmentDoc{
		UUID: a.UUID.String(), Network: a.Network.String(), Link: a.Link, MAC: a.MAC.String(), Addr: a.Addr, Addr6: a.Addr6,
		Tap: a.Tap, Netns: a.Netns, Name: a.Name, MACRule: a.MACRule, Isolated: a.Isolated,
		Group: a.Group, Bandwidth: a.Bandwidth, Key: a.Key,
	}, "", "  ")
	return append(text, '\n'), err
}

// ParseAttachment reads what Marshal wrote.
func ParseAttachment(text []byte) (Attachment, error) {
	var d attachmentDoc
	if err := json.Unmarshal(text, &d); err != nil {
		return Attachment{}, err
	}
	a := Attachment{
		Link: d.Link, Addr: d.Addr, Addr6: d.Addr6, Tap: d.Tap, Netns: d.Netns, Name: d.Name,
		MACRule: d.MACRule, Isolated: d.Isolated, Group: d.Group, Bandwidth: d.Bandwidth, Key: d.Key,
	}
	var err error
	if a.UUID, err = xmlnet.ParseUUID(d.UUID); err != nil {
		return a, fmt.Errorf("port's uuid %q: %w", d.UUID, err)
	}
	if a.Network, err = xmlnet.ParseUUID(d.Network); err != nil {
		return a, fmt.Errorf("network's uuid %q: %w", d.Network, err)
	}
	mac, ok := xmlnet.ParseMAC(d.MAC)
	if !ok || d.Link == "" {
		return a, fmt.Errorf("mac %q of link %q", d.MAC, d.Link)
	}
	a.MAC = mac
	return a, nil
}
