// Package journal remembers who had which address when: a bounded file of past
// and present leases, that outlives the leases themselves.
package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vnetmgr/vnetmgr/lease"
)

// End says how a client's time with an address ended.
type End byte

// The ends.
const (
	Held     End = iota // it has not
	Released            // the client gave the address up, or declined it
	Expired             // the lease ran out
	Replaced            // the address became another client's
	Lost                // it ended while the daemon did not run: at Until at the latest
)

// String returns the end in lower case.
func (e End) String() string {
	if int(e) >= len(endNames) {
		return fmt.Sprintf("end %d", byte(e))
	}
	return endNames[e]
}

var endNames = [...]string{"held", "released", "expired", "replaced", "lost"}

// Record says that a client had an address. Renewals lengthen it; a client that
// gives its address up and is back on it within a minute goes on with the same
// record, so that a guest that cycles does not push others' records out.
type Record struct {
	Network  string
	Addr     netip.Addr
	MAC      net.HardwareAddr
	ClientID []byte // DHCPv4 client identifier or DHCPv6 DUID; nil if none
	IAID     uint32 // DHCPv6 only
	Hostname string // the last that it had
	// CloneOf is the MAC of another client that goes by the same identifier, and
	// was there when this one came; nil if none was.
	CloneOf net.HardwareAddr
	From    time.Time
	// Until is when it ended; while it is Held, when the lease expires (zero:
	// never), as a renewal not long ago said.
	Until time.Time
	End   End
}

// sameClient tells whether l is of the client that r is about.
func (r *Record) sameClient(l lease.Lease) bool {
	return bytes.Equal(r.MAC, l.MAC) && bytes.Equal(r.ClientID, l.ClientID) && r.IAID == l.IAID
}

// keySize is the length of a record's key.
const keySize = 8 + 16

// key sorts records by their beginning; two of one network that begin at the
// same nanosecond have different addresses.
func (r *Record) key() []byte {
	b := make([]byte, keySize)
	binary.BigEndian.PutUint64(b, uint64(r.From.UnixNano()))
	a := r.Addr.As16()
	copy(b[8:], a[:])
	return b
}

// value is how the record is stored: what its key does not say, the numbers
// before what has a length. Whose clone the client is stands last, if it is one.
func (r *Record) value() []byte {
	b := make([]byte, 0, 32+len(r.MAC)+len(r.ClientID)+len(r.Hostname))
	b = append(b, byte(r.End))
	until := int64(0)
	if !r.Until.IsZero() {
		until = r.Until.UnixNano()
	}
	b = binary.BigEndian.AppendUint64(b, uint64(until))
	b = binary.BigEndian.AppendUint32(b, r.IAID)
	fields := [][]byte{r.MAC, r.ClientID, []byte(r.Hostname), r.CloneOf}
	if r.CloneOf == nil {
		fields = fields[:3]
	}
	for _, field := range fields {
		b = binary.AppendUvarint(b, uint64(len(field)))
		b = append(b, field...)
	}
	return b
}

// parseRecord reads what key and value store.
func parseRecord(network string, key, value []byte) (Record, error) {
	if len(key) != keySize || len(value) < 13 {
		return Record{}, fmt.Errorf("%w: record %x of %s", ErrDamaged, key, network)
	}
	r := Record{
		Network: network, End: End(value[0]), IAID: binary.BigEndian.Uint32(value[9:]),
		Addr: netip.AddrFrom16([16]byte(key[8:])).Unmap(),
		From: time.Unix(0, int64(binary.BigEndian.Uint64(key))),
	}
	if until := int64(binary.BigEndian.Uint64(value[1:])); until != 0 {
		r.Until = time.Unix(0, until)
	}
	var fields [4][]byte
	rest := value[13:]
	for i := range fields {
		if i == 3 && len(rest) == 0 {
			break // no clone, or written before that was noted
		}
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > uint64(len(rest)-size) {
			return Record{}, fmt.Errorf("%w: record %x of %s", ErrDamaged, key, network)
		}
		if n > 0 {
			fields[i] = bytes.Clone(rest[size : size+int(n)])
		}
		rest = rest[size+int(n):]
	}
	r.MAC, r.ClientID, r.Hostname, r.CloneOf = fields[0], fields[1], string(fields[2]), fields[3]
	return r, nil
}
