package dhcpd

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"unsafe"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// syscallConn is a socket as the runtime's poller lends it.
type syscallConn = syscall.RawConn

// control runs f on a socket's descriptor.
func control(c syscallConn, f func(fd int) error) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = f(int(fd)) }); e != nil {
		return e
	}
	return err
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	length uint32
}

// batchSize is how many packets one system call takes or sends.
const batchSize = 32

// receiveBatch has the buffers for one recvmmsg. It is large and taken from a
// pool only while there is something to read, so that a thousand idle
// networks need none.
type receiveBatch struct {
	headers [batchSize]mmsghdr
	vectors [batchSize]unix.Iovec
	names   [batchSize]unix.RawSockaddrLinklayer
	buffers [batchSize][snapLen]byte
}

var receiveBatches = sync.Pool{New: func() any {
	b := new(receiveBatch)
	for i := range b.headers {
		b.vectors[i].Base = &b.buffers[i][0]
		b.vectors[i].SetLen(snapLen - 1) // the parser appends a byte
		b.headers[i].header.Iov = &b.vectors[i]
		b.headers[i].header.SetIovlen(1)
		b.headers[i].header.Name = (*byte)(unsafe.Pointer(&b.names[i]))
	}
	return b
}}

// wire sends and receives whole packets of one protocol on a link.
type wire struct {
	packets  *packet.Conn
	link     string
	index    int // the link's
	protocol uint16

	sendMu sync.Mutex // one sender at a time uses batch
	batch  *sendBatch
}

func newWire(ifi *net.Interface, protocol uint16) wire {
	return wire{link: ifi.Name, index: ifi.Index, protocol: protocol, batch: newSendBatch()}
}

// receive waits for packets and calls f with each, and with the hardware
// address that it came from; f must not keep them.
func (w *wire) receive(f func(packet []byte, from net.HardwareAddr)) error {
	conn, err := w.packets.SyscallConn()
	if err != nil {
		return err
	}
	var b *receiveBatch
	var n int
	var errno syscall.Errno
	if err := conn.Read(func(fd uintptr) bool {
		b = receiveBatches.Get().(*receiveBatch)
		for i := range b.headers {
			b.headers[i].header.Namelen = unix.SizeofSockaddrLinklayer
		}
		n, errno = recvmmsg(fd, b.headers[:])
		if errno == unix.EAGAIN {
			receiveBatches.Put(b)
			return false
		}
		return true
	}); err != nil {
		return err
	}
	defer receiveBatches.Put(b)
	if errno != 0 {
		return errno
	}
	for i := range n {
		f(b.buffers[i][:b.headers[i].length], b.names[i].Addr[:min(b.names[i].Halen, 8)])
	}
	return nil
}

func recvmmsg(fd uintptr, headers []mmsghdr) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&headers[0])),
			uintptr(len(headers)), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// frame is a packet on its way to a MAC address, or to a relay.
type frame struct {
	mac   net.HardwareAddr // nil: broadcast
	relay netip.Addr       // if valid, b's payload goes to it by UDP
	port  uint16           // relay's, in DHCPv6
	b     []byte           // with room for the IP and UDP headers in front
}

// sendBatch has what one sendmmsg needs.
type sendBatch struct {
	headers [batchSize]mmsghdr
	vectors [batchSize]unix.Iovec
	names   [batchSize]unix.RawSockaddrLinklayer
}

func newSendBatch() *sendBatch {
	b := new(sendBatch)
	for i := range b.headers {
		b.headers[i].header.Iov = &b.vectors[i]
		b.headers[i].header.SetIovlen(1)
		b.headers[i].header.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		b.headers[i].header.Namelen = unix.SizeofSockaddrLinklayer
	}
	return b
}

// send sends frames in order. A frame that the link refuses is dropped, as it
// would be on a wire; only the last error is returned. relay sends those that
// go to a relay.
func (w *wire) send(frames []*frame, relay func(*frame) error) error {
	w.sendMu.Lock()
	defer w.sendMu.Unlock()
	var last error
	for len(frames) > 0 {
		n := 0
		for n < len(frames) && n < batchSize && !frames[n].relay.IsValid() {
			w.set(n, frames[n])
			n++
		}
		if n == 0 {
			last = relay(frames[0])
			n = 1
		} else if err := w.sendRaw(n); err != nil {
			last = err
		}
		frames = frames[n:]
	}
	return last
}

func (c *Conn4) send(frames []*frame) error { return c.wire.send(frames, c.sendRelay) }

func (c *Conn4) sendRelay(f *frame) error {
	_, err := c.relays.WriteToUDPAddrPort(f.b[ipUDPHeader:], netip.AddrPortFrom(f.relay, serverPort4))
	return err
}

// set makes f the batch's i-th packet.
func (w *wire) set(i int, f *frame) {
	b := w.batch
	b.vectors[i].Base = &f.b[0]
	b.vectors[i].SetLen(len(f.b))
	b.names[i] = unix.RawSockaddrLinklayer{
		Family: unix.AF_PACKET, Protocol: network16(w.protocol), Ifindex: int32(w.index), Halen: 6,
		Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	}
	if f.mac != nil {
		copy(b.names[i].Addr[:], f.mac)
	}
}

// network16 is n with its bytes in network order.
func network16(n uint16) uint16 {
	return binary.NativeEndian.Uint16([]byte{byte(n >> 8), byte(n)})
}

// sendRaw sends the first n packets of the batch. One that fails is skipped.
func (w *wire) sendRaw(n int) error {
	conn, err := w.packets.SyscallConn()
	if err != nil {
		return err
	}
	var last error
	sent := 0
	err = conn.Write(func(fd uintptr) bool {
		for sent < n {
			done, errno := sendmmsg(fd, w.batch.headers[sent:n])
			switch errno {
			case 0:
				sent += done
			case unix.EAGAIN:
				return false
			default:
				last = errno
				sent++
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	return last
}

func sendmmsg(fd uintptr, headers []mmsghdr) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&headers[0])),
			uintptr(len(headers)), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}
