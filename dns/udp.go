package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// Serve answers the queries that arrive on conn until ctx ends, and closes
// it. It returns nil then, and the error if reading fails before.
func (s *Server) Serve(ctx context.Context, conn net.PacketConn) error {
	ctx, cancel := context.WithCancel(ctx)
	w := newWaiter(s)
	defer w.wg.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var err error
	if udp, ok := conn.(*net.UDPConn); ok {
		err = w.serveBatches(ctx, udp)
	} else {
		err = w.servePackets(ctx, conn)
	}
	if ctx.Err() != nil {
		return nil
	}
	conn.Close()
	return err
}

// servePackets reads one packet at a time, from any kind of socket.
func (w *waiter) servePackets(ctx context.Context, conn net.PacketConn) error {
	var q query
	r := reply{buf: make([]byte, 0, udpSize)}
	pkt := make([]byte, udpSize+1)
	for {
		n, from, err := conn.ReadFrom(pkt)
		if err != nil {
			if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
				return err
			}
			continue
		}
		send := func(b []byte) { conn.WriteTo(b, from) }
		packed, ask := w.s.handle(pkt[:n], &q, &r, time.Now())
		w.s.trace(&q, func() netip.Addr { return clientOf(from) })
		if packed != nil {
			send(packed)
		} else if ask.from != nil {
			w.start(ctx, &q, ask, clientOf(from), func(l *lookup) { l.send = send })
		}
	}
}

// clientOf is the address that a client's share goes by.
func clientOf(from net.Addr) netip.Addr {
	switch a := from.(type) {
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
