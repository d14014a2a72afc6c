// Package lease holds DHCP leases: a table with constant-time choice and
// look-up for each network, and one store on disk for all of them.
package lease

import (
	"net"
	"net/netip"
	"time"
)

// Lease is an acknowledged address.
type Lease struct {
	Addr     netip.Addr
	MAC      net.HardwareAddr
	HType    uint8  // MAC's hardware type (RFC 1700); 0 means 1, Ethernet
	ClientID []byte // DHCPv4 client identifier or DHCPv6 DUID; nil if none
	IAID     uint32 // DHCPv6 only
	Hostname string
	// ServerDUID is DHCPv6 only.
	ServerDUID []byte
	// Clone: another client goes by the same identifier, and this one is told
	// apart by its MAC.
	Clone bool
	// Port is the bridge port that the client was behind when it got the lease,
	// as a link's index; 0: not known. It is not kept on disk.
	Port   int
	Start  time.Time
	Expiry time.Time // zero: never
}

// Expired tells whether the lease has ended at now.
func (l Lease) Expired(now time.Time) bool {
	return !l.Expiry.IsZero() && !now.Before(l.Expiry)
}

// Client returns the identity that holds the lease.
func (l Lease) Client() Client {
	return Client{ID: l.ClientID, IAID: l.IAID, HType: l.HType, MAC: l.MAC, Six: l.Addr.Is6(), Clone: l.Clone, Port: l.Port}
}

// Client is how a client names itself: by its identifier (RFC 2131 §4.2) or,
// without one, by its hardware address. In DHCPv6 each of a client's
// associations is one of these, named by its DUID, which it must have, and
// IAID; the MAC says nothing of who it is. Only a clone is named by identifier
// and MAC together.
type Client struct {
	ID    []byte
	IAID  uint32
	HType uint8
	MAC   net.HardwareAddr
	Six   bool // DHCPv6
	Clone bool // see Lease
	Port  int  // see Lease; it says nothing of who the client is
}

// keyRoom is enough for the keys of nearly all clients: a look-up makes one in
// an array of that size, which is no garbage.
const keyRoom = 64

// key is the client's identity as a map key.
func (c Client) key() string {
	var room [keyRoom]byte
	return string(c.appendKey(room[:0]))
}

// appendKey appends the bytes of key.
func (c Client) appendKey(b []byte) []byte {
	if len(c.ID) == 0 {
		return c.appendMACKey(b)
	}
	kind := byte('i')
	if c.Six {
		kind = '6'
	}
	if c.Clone {
		b = append(b, 'c', max(c.HType, 1), byte(len(c.MAC)))
		b = append(b, c.MAC...)
	}
	b = append(b, kind, byte(c.IAID>>24), byte(c.IAID>>16), byte(c.IAID>>8), byte(c.IAID))
	return append(b, c.ID...)
}

// macKey is the client's hardware address as a map key, "" if it has none or
// is not known by it.
func (c Client) macKey() string {
	var room [keyRoom]byte
	return string(c.appendMACKey(room[:0]))
}

// appendMACKey appends the bytes of macKey.
func (c Client) appendMACKey(b []byte) []byte {
	if len(c.MAC) == 0 || c.Six {
		return b
	}
	return append(append(b, 'm', max(c.HType, 1)), c.MAC...)
}

// lookUp finds a client by its key.
func lookUp(index map[string]*slot, c Client) *slot {
	var room [keyRoom]byte
	return index[string(c.appendKey(room[:0]))]
}

// lookUpMAC finds a client by its macKey.
func lookUpMAC(index map[string]*slot, c Client) *slot {
	var room [keyRoom]byte
	return index[string(c.appendMACKey(room[:0]))]
}
