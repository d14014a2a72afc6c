package bridge

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// FDBEntry is an address that a bridge knows to be behind one of its ports.
type FDBEntry struct {
	MAC  net.HardwareAddr
	Port string // the link
	VLAN uint16 // 0 if the bridge tells no VLANs apart
	// Static entries were set by a program, and do not age.
	Static bool
	Age    time.Duration // since the address was last seen as a sender
}

// FDB reads a bridge's forwarding database without the ports' own addresses,
// sorted by address. The error wraps ErrLinkNotFound if there is no such
// bridge.
func (c *Conn) FDB(ctx context.Context, bridge string) ([]FDBEntry, error) {
	master, err := c.link(ctx, bridge)
	if err != nil {
		return nil, err
	}
	ports, err := c.links(ctx, master.index)
	if err != nil {
		return nil, err
	}
	names := make(map[int32]string, len(ports))
	for _, p := range ports {
		names[int32(p.index)] = p.name
	}
	var found []FDBEntry
	newRequest := func() *nl.NetlinkRequest {
		req := c.request(unix.RTM_GETNEIGH, unix.NLM_F_DUMP)
		req.AddData(&neighbour{family: unix.AF_BRIDGE})
		req.AddData(nl.NewRtAttr(unix.NDA_MASTER, nl.Uint32Attr(uint32(master.index))))
		return req
	}
	err = dump(ctx, newRequest, unix.RTM_NEWNEIGH, func(m []byte) error {
		n, e, err := parseFDB(m)
		if err != nil {
			return err
		}
		name, isPort := names[n.index]
		if n.family != unix.AF_BRIDGE || !isPort || n.state&unix.NUD_PERMANENT != 0 || len(e.MAC) == 0 {
			return nil
		}
		e.Port = name
		found = append(found, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the forwarding database of %s: %w", bridge, err)
	}
	slices.SortFunc(found, func(a, b FDBEntry) int { return bytes.Compare(a.MAC, b.MAC) })
	return found, nil
}

// neighbour is struct ndmsg (linux/neighbour.h), as a part of a request.
type neighbour struct {
	family uint8
	index  int32
	state  uint16
	flags  uint8
	kind   uint8
}

const neighbourSize = 12

// Len is part of nl.NetlinkRequestData.
func (n *neighbour) Len() int { return neighbourSize }

// Serialize is part of nl.NetlinkRequestData.
func (n *neighbour) Serialize() []byte {
	b := make([]byte, neighbourSize)
	b[0] = n.family
	binary.NativeEndian.PutUint32(b[4:], uint32(n.index))
	binary.NativeEndian.PutUint16(b[8:], n.state)
	b[10], b[11] = n.flags, n.kind
	return b
}

// parseFDB reads an RTM_NEWNEIGH message of the bridge family without its
// header. The link is known by its index only.
func parseFDB(m []byte) (n neighbour, e FDBEntry, err error) {
	if len(m) < neighbourSize {
		return n, e, errShort
	}
	n = neighbour{
		family: m[0], index: int32(binary.NativeEndian.Uint32(m[4:])),
		state: binary.NativeEndian.Uint16(m[8:]), flags: m[10], kind: m[11],
	}
	e.Static = n.state&unix.NUD_NOARP != 0
	for kind, value := range attrs(m[neighbourSize:]) {
		switch kind {
		case unix.NDA_LLADDR:
			if len(value) == 6 {
				e.MAC = slices.Clone(value)
			}
		case unix.NDA_VLAN:
			if len(value) >= 2 {
				e.VLAN = binary.NativeEndian.Uint16(value)
			}
		case unix.NDA_CACHEINFO: // confirmed, used, updated, references
			if len(value) >= 12 {
				e.Age = time.Duration(uint32At(value[8:])) * (time.Second / userHZ)
			}
		}
	}
	return n, e, nil
}
