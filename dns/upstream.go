package dns

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	codec "github.com/miekg/dns"
)

// An Upstream carries a query to a server and brings its response.
type Upstream interface {
	// Exchange returns the response to query, a packed message, that server
	// gave: one with the same id and question, and not truncated. It ends
	// with ctx.
	Exchange(ctx context.Context, server netip.AddrPort, query []byte) ([]byte, error)
}

// exchangeTCP asks with the length prefix of RFC 1035 §4.2.2.
func exchangeTCP(ctx context.Context, server netip.AddrPort, query []byte) ([]byte, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", server.String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(query)))
	if _, err := c.Write(append(framed, query...)); err != nil {
		return nil, err
	}
	resp, err := readFramed(c, nil, maxTCP)
	if err != nil {
		return nil, err
	}
	if !responds(resp, query) {
		return nil, fmt.Errorf("%s answers another question over TCP", server)
	}
	return resp, nil
}

// readFramed reads one length-prefixed message of at most limit bytes, into
// buf if it is large enough.
func readFramed(r io.Reader, buf []byte, limit int) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(size[:]))
	if n > limit {
		return nil, fmt.Errorf("message of %d bytes, at most %d allowed", n, limit)
	}
	if n > cap(buf) {
		buf = make([]byte, n)
	}
	_, err := io.ReadFull(r, buf[:n])
	return buf[:n], err
}

// responds tells whether resp answers query: the same id, and the same
// question, which servers that refuse may leave out.
func responds(resp, query []byte) bool {
	if len(resp) < headerLen || resp[0] != query[0] || resp[1] != query[1] {
		return false
	}
	flags := binary.BigEndian.Uint16(resp[2:])
	if flags&flagQR == 0 || flags&opcodeMask != 0 {
		return false
	}
	if binary.BigEndian.Uint16(resp[4:]) == 0 {
		return flags&rcodeMask != 0
	}
	end := skipName(query, headerLen) + 4
	if len(resp) < end || binary.BigEndian.Uint16(resp[4:]) != 1 {
		return false
	}
	for i := headerLen; i < end; i++ {
		if lower(resp[i]) != lower(query[i]) {
			return false
		}
	}
	return true
}

// A carrier is an Upstream with ids for its queries.
type carrier struct {
	Upstream
	ids *ids
}

// ids are unpredictable numbers, read from the kernel many at a time: a system
// call for each query would be one of the dearest things in it.
type ids struct {
	mu   sync.Mutex // guards all below
	left []byte
	buf  [512]byte
}

// put fills in the id of a query.
func (i *ids) put(query []byte) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.left) < 2 {
		if _, err := rand.Read(i.buf[:]); err != nil {
			return fmt.Errorf("random id: %w", err)
		}
		i.left = i.buf[:]
	}
	copy(query[:2], i.left)
	i.left = i.left[2:]
	return nil
}

// upstreamQuery packs q for an upstream, but for its id. AD asks for the bit in
// the response (RFC 6840 §5.7).
func upstreamQuery(q *query, edns bool) []byte {
	b := make([]byte, headerLen, headerLen+len(q.raw)+optLen)
	binary.BigEndian.PutUint16(b[2:], flagRD|flagAD|q.flags&flagCD)
	binary.BigEndian.PutUint16(b[4:], 1)
	b = append(append(b, q.name...), q.raw[len(q.name):]...)
	if !edns {
		return b
	}
	b[11] = 1
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(b, codec.TypeOPT)
	b = binary.BigEndian.AppendUint16(b, udpSize)
	var do uint32
	if q.do {
		do = ednsDO
	}
	b = binary.BigEndian.AppendUint32(b, do)
	return append(b, 0, 0)
}

// errNoAnswer is for responses that another server may know better.
var errNoAnswer = errors.New("server does not answer the question")

// ask sends q to one server and checks what comes back. A server that does
// not know EDNS is asked again without (RFC 6891 §6.2.2).
func ask(ctx context.Context, c carrier, server netip.AddrPort, shape *shaping, q *query) (*entry, error) {
	for _, edns := range []bool{true, false} {
		packed := upstreamQuery(q, edns)
		if err := c.ids.put(packed); err != nil {
			return nil, err
		}
		resp, err := c.Exchange(ctx, server, packed)
		if err != nil {
			return nil, err
		}
		if !responds(resp, packed) {
			return nil, fmt.Errorf("%s: %w", server, errNoAnswer)
		}
		switch rcode := int(resp[3] & rcodeMask); rcode {
		case codec.RcodeSuccess, codec.RcodeNameError:
			e, err := newEntry(q, resp, time.Now(), shape)
			if err != nil {
				return nil, fmt.Errorf("%s: %w: %w", server, errNoAnswer, err)
			}
			return e, nil
		case codec.RcodeFormatError, codec.RcodeNotImplemented:
			continue
		default:
			return nil, fmt.Errorf("%s: %w: %s", server, errNoAnswer, codec.RcodeToString[rcode])
		}
	}
	return nil, fmt.Errorf("%s: %w", server, errNoAnswer)
}
