package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Opening a socket for each query costs more than all the rest of it. So
// queries share sockets, and what a forger has to guess stays large: for each
// server there are several sockets, each connected, so that the kernel drops
// what others send, on a random port of the kernel's choice; a query takes one
// of them at random and has a random id of its own; and a socket serves for a
// few seconds or a few hundred queries, whichever ends first (RFC 5452 §9.2).
// A socket that gets datagrams which answer none of its queries is given up at
// once with all that waits there.
const (
	// sockets is how many are in use for one server when it is busy; there are
	// never more than one for each query that waits.
	socketsEach = 32
	// socketUses and socketAge are when a socket gets no more queries.
	socketUses = 256
	socketAge  = 5 * time.Second
	// socketLinger is how long late answers may come after that.
	socketLinger = 5 * time.Second
	// maxStray is how many datagrams that are no response to a query of ours
	// one socket puts up with: guesses, most likely.
	maxStray = 16
)

// Sockets is the Upstream that asks over UDP, and over TCP when the response
// is truncated.
type Sockets struct {
	mu    sync.Mutex // guards below
	pools map[netip.AddrPort]*socketPool
	live  map[*socket]bool // those that are open
	open  sync.WaitGroup   // their readers
}

// A socketPool has the sockets that are in use for a server.
type socketPool struct {
	mu      sync.Mutex // guards below
	sockets []*socket
}

// A socket is connected to a server and has any number of queries under way.
type socket struct {
	conn net.Conn
	born time.Time

	mu      sync.Mutex // guards below
	uses    int
	waiting int // questions with a query that still waits
	strays  int
	ended   error // set when the reader has ended
	asked   map[uint16]*question
}

// A question is a query under way. What is given up on stays, so that a late
// answer is known as one.
type question struct {
	query  []byte
	answer chan answered // nil: nobody waits any more
}

type answered struct {
	resp []byte
	err  error
}

// NewSockets returns an Upstream without sockets. It opens them as they are
// needed.
func NewSockets() *Sockets {
	return &Sockets{pools: map[netip.AddrPort]*socketPool{}, live: map[*socket]bool{}}
}

// Close closes all sockets; what waits fails.
func (s *Sockets) Close() {
	s.mu.Lock()
	for k := range s.live {
		k.conn.Close()
	}
	s.mu.Unlock()
	s.open.Wait()
}

// Exchange implements Upstream.
func (s *Sockets) Exchange(ctx context.Context, server netip.AddrPort, query []byte) ([]byte, error) {
	resp, err := s.exchangeUDP(ctx, server, query)
	if err != nil {
		return nil, err
	}
	if binary.BigEndian.Uint16(resp[2:])&flagTC == 0 {
		return resp, nil
	}
	return exchangeTCP(ctx, server, query)
}

func (s *Sockets) exchangeUDP(ctx context.Context, server netip.AddrPort, query []byte) ([]byte, error) {
	k, q, err := s.ask(ctx, server, query)
	if err != nil {
		return nil, err
	}
	if _, err := k.conn.Write(query); err != nil {
		k.forget(q)
		return nil, err
	}
	select {
	case a := <-q.answer:
		return a.resp, a.err
	case <-ctx.Done():
		k.forget(q)
		return nil, ctx.Err()
	}
}

// pool returns the server's.
func (s *Sockets) pool(server netip.AddrPort) *socketPool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pools[server]
	if p == nil {
		p = &socketPool{}
		s.pools[server] = p
	}
	return p
}

// ask finds or opens a socket that can take the query, and notes it there.
func (s *Sockets) ask(ctx context.Context, server netip.AddrPort, query []byte) (*socket, *question, error) {
	p := s.pool(server)
	q := &question{query: query, answer: make(chan answered, 1)}
	if k := p.take(q, time.Now()); k != nil {
		return k, q, nil
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", server.String())
	if err != nil {
		return nil, nil, err
	}
	k := &socket{conn: conn, born: time.Now(), asked: map[uint16]*question{}}
	k.take(q)
	p.add(k)
	s.serve(p, k)
	return k, q, nil
}

// serve reads from a socket until it ends.
func (s *Sockets) serve(p *socketPool, k *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[k] = true
	s.open.Go(func() {
		k.read()
		p.remove(k)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.live, k)
	})
}

// take gives the query to one of the sockets at random. It returns nil when
// there should be another one: there are few yet, and they are busy.
func (p *socketPool) take(q *question, now time.Time) *socket {
	p.mu.Lock()
	defer p.mu.Unlock()
	busy := 0
	for len(p.sockets) > 0 {
		i := rand.IntN(len(p.sockets))
		k := p.sockets[i]
		if now.Sub(k.born) >= socketAge {
			p.drop(i)
			continue
		}
		if busy == 0 && len(p.sockets) < socketsEach && k.isBusy() {
			return nil
		}
		if k.take(q) {
			return k
		}
		// It is worn out, or has the very same id under way.
		p.drop(i)
	}
	return nil
}

// drop takes a socket out of use; its reader goes on until nothing waits. The
// pool is locked.
func (p *socketPool) drop(i int) {
	k, last := p.sockets[i], len(p.sockets)-1
	p.sockets[i] = p.sockets[last]
	p.sockets = p.sockets[:last]
	k.retire()
}

func (p *socketPool) add(k *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sockets = append(p.sockets, k)
}

func (p *socketPool) remove(k *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.sockets {
		if other == k {
			p.drop(i)
			return
		}
	}
}

func (k *socket) isBusy() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.waiting > 0
}

// take notes a query; false if the socket cannot have it.
func (k *socket) take(q *question) bool {
	id := binary.BigEndian.Uint16(q.query)
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, taken := k.asked[id]; taken || k.ended != nil || k.uses >= socketUses {
		return false
	}
	k.asked[id] = q
	k.uses++
	k.waiting++
	return true
}

// forget notes that nobody waits for a query's answer any more.
func (k *socket) forget(q *question) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if q.answer == nil || k.ended != nil {
		return
	}
	q.answer = nil
	if k.waiting--; k.waiting == 0 && k.uses >= socketUses {
		k.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// retire ends the reader as soon as nothing waits.
func (k *socket) retire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.uses = socketUses
	if k.waiting == 0 {
		k.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// read hands out answers until the socket is worn out, or broken.
func (k *socket) read() {
	defer k.conn.Close()
	k.conn.SetReadDeadline(k.born.Add(socketAge + socketLinger))
	buf := make([]byte, 4096) // some send more than they were told to
	for {
		n, err := k.conn.Read(buf)
		if err == nil {
			err = k.handOut(buf[:n])
		}
		if err != nil {
			k.end(err)
			return
		}
	}
}

var errWornOut = errors.New("socket has served its time")

// handOut gives a datagram to the query that it answers.
func (k *socket) handOut(resp []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	q, ok := k.match(resp)
	if !ok {
		if k.strays++; k.strays >= maxStray {
			return fmt.Errorf("%d datagrams from %s that answer another question", maxStray, k.conn.RemoteAddr())
		}
		return nil
	}
	delete(k.asked, binary.BigEndian.Uint16(resp))
	if q.answer != nil {
		q.answer <- answered{resp: append([]byte(nil), resp...)}
		k.waiting--
	}
	if k.waiting == 0 && k.uses >= socketUses {
		return errWornOut
	}
	return nil
}

// match finds the query that a datagram answers. The socket is locked.
func (k *socket) match(resp []byte) (*question, bool) {
	if len(resp) < headerLen {
		return nil, false
	}
	q, ok := k.asked[binary.BigEndian.Uint16(resp)]
	return q, ok && responds(resp, q.query)
}

// end fails what waits.
func (k *socket) end(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = err
	for _, q := range k.asked {
		if q.answer != nil {
			q.answer <- answered{err: err}
		}
	}
}
