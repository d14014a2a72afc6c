package dns

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many datagrams one system call moves. At less load, fewer
// are there to be moved, and nobody waits for more.
const batchSize = 32

// mmsghdr is recvmmsg(2)'s.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// A peer is where a datagram came from: its address, and in control the
// address and link that it arrived at (IP_PKTINFO), which the answer must
// leave by, whatever the routing table thinks of a forged source. (What the
// host sends to its own address has that address's link there, not lo; a
// program of the host that binds to yet another address has to use TCP.)
type peer struct {
	addr    unix.RawSockaddrInet6 // or an Inet4, as its family says
	addrLen uint32
	control [64]byte
	ctlLen  uint64
}

// A batch holds the datagrams of one system call, and their answers.
type batch struct {
	query    query
	reply    reply
	in       [batchSize][udpSize + 1]byte
	out      [batchSize][udpSize]byte
	peers    [batchSize]peer
	iov      [batchSize]unix.Iovec
	msgs     [batchSize]mmsghdr
	outIov   [batchSize]unix.Iovec
	outMsgs  [batchSize]mmsghdr
	answered int // in outMsgs
}

// serveBatches is Serve's loop for UDP sockets of the system. A batch's memory
// is held only while there is something to do: a thousand idle networks share
// a few.
func (w *waiter) serveBatches(ctx context.Context, conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	pool := &w.s.up.batches
	for {
		var b *batch
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			if b == nil {
				b = takeBatch(pool)
			}
			if n = b.receive(fd); n == 0 {
				pool.Put(b)
				b = nil
			}
			return n > 0
		})
		if err != nil {
			return err
		}
		w.handleBatch(ctx, raw, b, n)
		pool.Put(b)
	}
}

func takeBatch(pool *sync.Pool) *batch {
	if b, ok := pool.Get().(*batch); ok {
		return b
	}
	return new(batch)
}

// receive reads what is there; 0 is nothing. Errors of the socket that ICMP
// brought are taken as nothing, too.
func (b *batch) receive(fd uintptr) int {
	for i := range b.msgs {
		p := &b.peers[i]
		b.iov[i].Base = &b.in[i][0]
		b.iov[i].SetLen(len(b.in[i]))
		h := &b.msgs[i].hdr
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&p.addr)), uint32(unsafe.Sizeof(p.addr))
		h.Control = &p.control[0]
		h.SetControllen(len(p.control))
		h.Iov = &b.iov[i]
		h.SetIovlen(1)
	}
	for {
		n, _, errno := syscall.Syscall6(unix.SYS_RECVMMSG, fd,
			uintptr(unsafe.Pointer(&b.msgs)), batchSize, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n)
		case unix.EINTR, unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH:
			continue
		}
		return 0
	}
}

// handleBatch answers n datagrams; those that need an upstream are answered
// later.
func (w *waiter) handleBatch(ctx context.Context, raw syscall.RawConn, b *batch, n int) {
	now := time.Now()
	b.answered = 0
	for i := range n {
		m, p := &b.msgs[i], &b.peers[i]
		p.addrLen, p.ctlLen = m.hdr.Namelen, uint64(m.hdr.Controllen)
		q, r := &b.query, &b.reply
		r.buf = b.out[b.answered][:0]
		packed, ask := w.s.handle(b.in[i][:m.n], q, r, now)
		w.s.trace(q, p.client)
		switch {
		case packed != nil:
			b.queue(packed, p)
		case ask.from != nil:
			w.start(ctx, q, ask, p.client(), func(l *lookup) { l.sock, l.to = raw, *p })
		}
	}
	if b.answered > 0 {
		send(raw, b.outMsgs[:b.answered])
	}
}

// queue adds an answer to what is sent at the end of the batch.
func (b *batch) queue(packed []byte, to *peer) {
	i := b.answered
	to.fill(&b.outMsgs[i], &b.outIov[i], packed)
	b.answered++
}

// fill makes m carry packed to p.
func (p *peer) fill(m *mmsghdr, iov *unix.Iovec, packed []byte) {
	iov.Base = &packed[0]
	iov.SetLen(len(packed))
	m.hdr = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&p.addr)), Namelen: p.addrLen, Iov: iov}
	m.hdr.SetIovlen(1)
	if p.ctlLen > 0 && !p.viaLoopback() {
		m.hdr.Control = &p.control[0]
		m.hdr.SetControllen(int(p.ctlLen))
	}
}

// send sends all it can. A datagram that can't be sent is dropped, as the
// network might have done: its client asks again.
func send(raw syscall.RawConn, msgs []mmsghdr) {
	// The error is that the socket is closed.
	_ = raw.Write(func(fd uintptr) bool {
		for len(msgs) > 0 {
			n, _, errno := syscall.Syscall6(unix.SYS_SENDMMSG, fd,
				uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
			switch errno {
			case 0:
				msgs = msgs[n:]
			case unix.EINTR:
			default:
				msgs = msgs[1:]
			}
		}
		return true
	})
}

// loopback is the index of lo in every network namespace.
const loopback = 1

// viaLoopback tells whether the datagram's link is lo: then the answer's way
// is the routing table's to say, as local routes belong to other links.
func (p *peer) viaLoopback() bool {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&p.control[0]))
	data := p.control[unix.CmsgLen(0):]
	switch {
	case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO:
		return binary.NativeEndian.Uint32(data) == loopback
	case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO:
		return binary.NativeEndian.Uint32(data[16:]) == loopback
	}
	return true
}

// client is the address that the peer's share goes by.
func (p *peer) client() netip.Addr {
	if p.addr.Family == unix.AF_INET {
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(&p.addr))
		return netip.AddrFrom4(a.Addr)
	}
	return netip.AddrFrom16(p.addr.Addr).Unmap()
}
