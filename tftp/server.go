package tftp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// How many files are sent at once: in all, as dnsmasq, and to one address.
const (
	maxTransfers = 50
	maxPerClient = 10
	// abandoned is how long a client is silent before another may have its
	// place.
	abandoned = 3 * time.Second
)

// Server serves one directory.
type Server struct {
	log    *slog.Logger
	cfg    Config
	counts struct{ requests, sent, refused, failed, bytes atomic.Uint64 }
}

// Stats counts what a server did since it was made.
type Stats struct {
	Requests uint64 // to read or write
	Sent     uint64 // files
	Refused  uint64 // requests: no such file, not readable, to write, too many
	Failed   uint64 // files that were begun, and not taken to the end
	Bytes    uint64 // of packets with data or options
}

// NewServer returns a server of the directory that cfg names.
func NewServer(log *slog.Logger, cfg Config) *Server {
	return &Server{log: log.With("link", cfg.Link), cfg: cfg}
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	c := &s.counts
	return Stats{
		Requests: c.requests.Load(), Sent: c.sent.Load(), Refused: c.refused.Load(),
		Failed: c.failed.Load(), Bytes: c.bytes.Load(),
	}
}

// exchange is a server on a socket.
type exchange struct {
	*Server
	conn *Conn

	// mu guards transfers. Who holds a transfer may take it, not the other way
	// round.
	mu        sync.Mutex
	transfers map[netip.AddrPort]*transfer
}

// Serve answers what c receives until ctx ends, which is no error, or reading
// fails; files on their way then end too. The caller closes c.
func (s *Server) Serve(ctx context.Context, c *Conn) error {
	x := &exchange{Server: s, conn: c, transfers: make(map[netip.AddrPort]*transfer)}
	stop := context.AfterFunc(ctx, func() { c.udp.SetReadDeadline(time.Unix(1, 0)) })
	err := x.read()
	if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	stop()
	for _, t := range x.all() {
		t.stop()
	}
	return err
}

func (x *exchange) all() []*transfer {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Collect(maps.Values(x.transfers))
}

func (x *exchange) read() error {
	b := make([]byte, 2*maxRequest)
	for {
		n, from, err := x.conn.udp.ReadFromUDPAddrPort(b)
		if err != nil {
			return err
		}
		x.handle(b[:n], from)
	}
}

// handle takes one packet. What fits nothing is dropped: an answer could go to
// somebody who never asked.
func (x *exchange) handle(b []byte, from netip.AddrPort) {
	switch operation(b) {
	case opRead:
		x.counts.requests.Add(1)
		x.begin(b[2:], from)
	case opWrite:
		x.counts.requests.Add(1)
		x.refuse(from, errorPacket(codeIllegal, "Files can only be read"))
	case opAck:
		x.acknowledge(from, b)
	case opError:
		if t := x.find(from); t != nil {
			t.stop()
		}
	}
}

func (x *exchange) find(from netip.AddrPort) *transfer {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.transfers[from]
}

func (x *exchange) acknowledge(from netip.AddrPort, b []byte) {
	t := x.find(from)
	block, ok := parseAck(b)
	if t == nil || !ok {
		return
	}
	t.heard.Store(time.Now().UnixNano())
	t.acknowledged(block)
}

// refuse answers a request with an error.
func (x *exchange) refuse(to netip.AddrPort, packet []byte) {
	x.counts.refused.Add(1)
	if _, err := x.conn.udp.WriteToUDPAddrPort(packet, to); err != nil {
		x.log.Debug("refusal not sent", "addr", to, "err", err)
	}
}

// begin starts to send a file. A request from where one is being sent to was
// sent twice, because our first packet got lost: that is sent again in time.
func (x *exchange) begin(b []byte, from netip.AddrPort) {
	r, err := parseRequest(b, x.mostBlock())
	if err != nil {
		x.refuse(from, errorPacket(codeIllegal, "Malformed request"))
		return
	}
	if x.find(from) != nil {
		return
	}
	f, size, err := x.open(r.name)
	if err != nil {
		x.log.Debug("file not served", "addr", from, "file", printable(r.name), "err", err)
		x.refuse(from, refusal(err))
		return
	}
	t := x.newTransfer(r, f, from)
	if !x.admit(t) {
		f.Close()
		x.refuse(from, errorPacket(codeUndefined, "Too many transfers"))
		return
	}
	t.start(r.acknowledgement(size))
}

// mostBlock is the longest block that clients may have.
func (x *exchange) mostBlock() int {
	if x.cfg.FixedBlock {
		return defaultBlock
	}
	return x.conn.mostBlock
}

func (x *exchange) newTransfer(r request, f io.ReadCloser, to netip.AddrPort) *transfer {
	t := &transfer{
		to: to, source: source(f, r), block: r.block, window: r.window, timeout: r.timeout,
		send: func(p []byte) error {
			x.counts.bytes.Add(uint64(len(p)))
			_, err := x.conn.udp.WriteToUDPAddrPort(p, to)
			return err
		},
	}
	t.ended = func(err error) {
		f.Close()
		x.forget(t)
		x.finish(t, r, err)
	}
	t.heard.Store(time.Now().UnixNano())
	return t
}

// admit makes room for a transfer if it can. The place of a client that has
// long been silent is free for another: clients that are switched off while
// they boot say nothing.
func (x *exchange) admit(t *transfer) bool {
	evicted, ok := x.makeRoom(t)
	if evicted != nil {
		evicted.stop()
	}
	return ok
}

func (x *exchange) makeRoom(t *transfer) (evicted *transfer, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var oldest *transfer
	same := 0
	for _, other := range x.transfers {
		if other.to.Addr() == t.to.Addr() {
			same++
		}
		if oldest == nil || other.heard.Load() < oldest.heard.Load() {
			oldest = other
		}
	}
	if same >= maxPerClient {
		return nil, false
	}
	if len(x.transfers) >= maxTransfers {
		if time.Since(time.Unix(0, oldest.heard.Load())) < abandoned {
			return nil, false
		}
		evicted = oldest
		delete(x.transfers, oldest.to)
	}
	x.transfers[t.to] = t
	return evicted, true
}

// forget gives a transfer's place back, unless another has it.
func (x *exchange) forget(t *transfer) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.transfers[t.to] == t {
		delete(x.transfers, t.to)
	}
}

// finish counts how a transfer ended, and tells a client that waits.
func (x *exchange) finish(t *transfer, r request, err error) {
	if err == nil {
		x.counts.sent.Add(1)
		x.log.Debug("file sent", "addr", t.to, "file", printable(r.name))
		return
	}
	x.counts.failed.Add(1)
	x.log.Debug("file not sent", "addr", t.to, "file", printable(r.name), "err", err)
	if !errors.Is(err, errEnded) {
		t.send(errorPacket(codeUndefined, "Transfer failed"))
	}
}
