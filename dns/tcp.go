package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// idle is how long a connection may rest between queries (RFC 7766 §6.2.3).
	idle = 10 * time.Second
	// maxTCP is the largest message that the length prefix can tell.
	maxTCP = 1<<16 - 1
	// maxTCPQuery is the largest query that is read.
	maxTCPQuery = 4096
	// acceptPause follows an accept that failed for lack of something.
	acceptPause = 50 * time.Millisecond
)

// ServeTCP answers the queries of the connections that l accepts until ctx
// ends, and closes l. It returns nil then, and the error if l fails before.
func (s *Server) ServeTCP(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // out of files or memory: others may give some back
			rest(ctx, acceptPause)
			continue
		}
		client := clientOf(c.RemoteAddr())
		if !s.conns.enter(client) {
			c.Close()
			continue
		}
		wg.Go(func() {
			defer s.conns.leave(client)
			s.serveConn(ctx, c, client)
		})
	}
}

// rest waits for d or the end of ctx.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// serveConn answers the queries of one connection in their order.
func (s *Server) serveConn(ctx context.Context, c net.Conn, client netip.Addr) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var q query
	var r reply
	pkt := make([]byte, 0, plainSize)
	for ctx.Err() == nil {
		if c.SetDeadline(time.Now().Add(idle)) != nil || ctx.Err() != nil {
			return
		}
		var err error
		if pkt, err = readFramed(c, pkt, maxTCPQuery); err != nil {
			return
		}
		packed := s.answerTCP(ctx, pkt, &q, &r, client)
		if packed == nil {
			return
		}
		framed := binary.BigEndian.AppendUint16(nil, uint16(len(packed)))
		if _, err := c.Write(append(framed, packed...)); err != nil {
			return
		}
	}
}

// answerTCP returns nil for what deserves no answer.
func (s *Server) answerTCP(ctx context.Context, pkt []byte, q *query, r *reply, client netip.Addr) []byte {
	q.tcp = true
	packed, ask := s.handle(pkt, q, r, time.Now())
	s.trace(q, func() netip.Addr { return client })
	if packed == nil && ask.from != nil {
		packed = s.forward(ctx, q, r, ask, client)
	}
	return packed
}
