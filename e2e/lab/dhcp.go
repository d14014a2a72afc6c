package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Clients are any number of DHCP clients behind one link, told apart by their
// MAC addresses. They write and read frames themselves, so they need no
// addresses, share no code with a server under test and are quick enough to
// load one.
type Clients struct {
	// Retry is how long a client waits for a reply before it asks again. With
	// MaxRetry it waits twice as long each time, up to that.
	Retry, MaxRetry time.Duration
	// Named has each client send a host name, made of its MAC.
	Named bool

	conn *packet.Conn
	mu   sync.Mutex // guards waiting
	// waiting has the client of each MAC that waits for a reply.
	waiting map[[6]byte]chan Reply
}

// Reply is a server's answer.
type Reply struct {
	Kind   byte // as option 53: Offer, Ack or Nak
	XID    uint32
	Addr   netip.Addr // offered or leased
	Server netip.Addr
	Lease  time.Duration
	// Message is the whole answer, from BOOTP's first field on.
	Message []byte
}

// Message types (RFC 2132 §9.6).
const (
	discover = 1
	Offer    = 2
	request  = 3
	Ack      = 5
	Nak      = 6
	release  = 7
)

// Clients opens the machine's link for DHCP clients, who need it up when they
// send.
func (m *Machine) Clients(t TB, link string) *Clients {
	t.Helper()
	c := &Clients{Retry: time.Second, waiting: make(map[[6]byte]chan Reply)}
	if err := m.Net(func() error { return c.open(link) }); err != nil {
		t.Fatalf("%s: open %s: %v", m.Name, link, err)
	}
	var reader sync.WaitGroup
	reader.Go(c.read)
	t.Cleanup(func() {
		c.conn.Close()
		reader.Wait()
	})
	return c
}

// open takes every UDP datagram to port 68, to whatever MAC address.
func (c *Clients) open(link string) error {
	ifi, err := net.InterfaceByName(link)
	if err != nil {
		return err
	}
	toPort68, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 23, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 36, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 68, SkipTrue: 1},
		bpf.RetConstant{Val: 2048},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return err
	}
	c.conn, err = packet.Listen(ifi, packet.Raw, unix.ETH_P_IP, &packet.Config{Filter: toPort68})
	if err != nil {
		return err
	}
	raw, err := c.conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
	})
	return errors.Join(err, failed)
}

// Get takes a lease for the MAC as a client does that knows nothing: discover,
// offer, request, acknowledgement, from the start again after a refusal.
func (c *Clients) Get(ctx context.Context, mac net.HardwareAddr) (Reply, error) {
	for {
		offer, err := c.ask(ctx, mac, message{kind: discover, xid: newXID()}, 0)
		if err != nil {
			return Reply{}, fmt.Errorf("discover for %s: %w", mac, err)
		}
		reply, err := c.ask(ctx, mac, message{kind: request, xid: offer.XID, want: offer.Addr, server: offer.Server}, 4)
		if ctx.Err() != nil {
			return Reply{}, fmt.Errorf("request %s for %s: %w", offer.Addr, mac, ctx.Err())
		}
		if err == nil && reply.Kind == Ack {
			return reply, nil
		}
	}
}

// Reboot asks for an address that the client had before it was switched off
// (INIT-REBOOT, RFC 2131 §3.2). The reply is an Ack or a Nak.
func (c *Clients) Reboot(ctx context.Context, mac net.HardwareAddr, addr netip.Addr) (Reply, error) {
	return c.ask(ctx, mac, message{kind: request, xid: newXID(), want: addr}, 0)
}

// Renew asks to keep a lease (RENEWING, RFC 2131 §4.3.2), though by broadcast,
// which needs no address. The reply is an Ack or a Nak.
func (c *Clients) Renew(ctx context.Context, mac net.HardwareAddr, lease Reply) (Reply, error) {
	return c.ask(ctx, mac, message{kind: request, xid: newXID(), own: lease.Addr}, 0)
}

// Release gives a lease back.
func (c *Clients) Release(mac net.HardwareAddr, lease Reply) error {
	return c.send(mac, message{kind: release, xid: newXID(), own: lease.Addr, server: lease.Server})
}

// Send puts any frame on the link.
func (c *Clients) Send(frame []byte) error {
	_, err := c.conn.WriteTo(frame, &packet.Addr{HardwareAddr: net.HardwareAddr(broadcast)})
	return err
}

var errNoReply = errors.New("no reply")

// Ask broadcasts what a client says, from BOOTP's first field on, and returns
// the answer. Nothing came after it was said tries times: false.
func (c *Clients) Ask(ctx context.Context, mac net.HardwareAddr, bootp []byte, from netip.Addr, tries int) (Reply, bool) {
	f := make([]byte, headers, headers+len(bootp))
	copy(f, broadcast)
	copy(f[6:], mac)
	binary.BigEndian.PutUint16(f[12:], 0x0800)
	f = append(f, bootp...)
	fillHeaders(f, from)
	xid := binary.BigEndian.Uint32(bootp[4:])
	reply, err := c.exchange(ctx, mac, f, tries, func(r Reply) bool { return r.XID == xid })
	return reply, err == nil
}

// ask sends a message until it is answered, the context ends, or it was sent
// tries times (0: no end).
func (c *Clients) ask(ctx context.Context, mac net.HardwareAddr, m message, tries int) (Reply, error) {
	if c.Named {
		m.name = fmt.Sprintf("guest-%x", []byte(mac))
	}
	return c.exchange(ctx, mac, m.frame(mac), tries, func(r Reply) bool {
		return r.XID == m.xid && (r.Kind == Offer) == (m.kind == discover)
	})
}

// exchange sends a frame until an answer comes that is one.
func (c *Clients) exchange(ctx context.Context, mac net.HardwareAddr, frame []byte, tries int, answers func(Reply) bool) (Reply, error) {
	replies := make(chan Reply, 4)
	c.wait(mac, replies)
	defer c.wait(mac, nil)
	retry, wait := time.NewTimer(0), c.Retry
	defer retry.Stop()
	for sent := 0; ; {
		select {
		case <-ctx.Done():
			return Reply{}, ctx.Err()
		case reply := <-replies:
			if answers(reply) {
				return reply, nil
			}
		case <-retry.C:
			if tries > 0 && sent == tries {
				return Reply{}, errNoReply
			}
			if err := c.Send(frame); err != nil {
				return Reply{}, err
			}
			sent++
			retry.Reset(wait)
			wait = min(2*wait, max(c.Retry, c.MaxRetry))
		}
	}
}

func (c *Clients) wait(mac net.HardwareAddr, replies chan Reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if replies == nil {
		delete(c.waiting, [6]byte(mac))
		return
	}
	c.waiting[[6]byte(mac)] = replies
}

// read gives each reply to the client that waits for it.
func (c *Clients) read() {
	buf := make([]byte, 2048)
	for {
		n, _, err := c.conn.ReadFrom(buf)
		if errors.Is(err, unix.ENETDOWN) {
			continue // said once, for a link that is yet to come up
		}
		if err != nil {
			return
		}
		mac, reply, ok := parse(buf[:n])
		if !ok {
			continue
		}
		c.mu.Lock()
		replies := c.waiting[mac]
		c.mu.Unlock()
		select {
		case replies <- reply:
		default: // nobody waits, or has read the last four
		}
	}
}

// message is what a client says.
type message struct {
	kind         byte
	xid          uint32
	own          netip.Addr // ciaddr
	want, server netip.Addr // options 50 and 54
	name         string     // option 12
}

var broadcast = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

const (
	headers   = 14 + 20 + 8 // Ethernet, IPv4, UDP
	bootpSize = 240         // with the magic cookie
)

func (c *Clients) send(mac net.HardwareAddr, m message) error { return c.Send(m.frame(mac)) }

// frame is the message as broadcast by the client, without a UDP checksum,
// which IPv4 lets a sender leave out.
func (m message) frame(mac net.HardwareAddr) []byte {
	f := make([]byte, headers+bootpSize, headers+bootpSize+64)
	copy(f, broadcast)
	copy(f[6:], mac)
	binary.BigEndian.PutUint16(f[12:], 0x0800)
	bootp := f[headers:]
	bootp[0], bootp[1], bootp[2] = 1, 1, 6 // BOOTREQUEST, Ethernet, 6-byte MAC
	binary.BigEndian.PutUint32(bootp[4:], m.xid)
	if m.own.IsValid() {
		copy(bootp[12:], m.own.AsSlice())
	}
	copy(bootp[28:], mac)
	copy(bootp[236:], []byte{99, 130, 83, 99})
	f = append(f, 53, 1, m.kind)
	if m.want.IsValid() {
		f = append(append(f, 50, 4), m.want.AsSlice()...)
	}
	if m.server.IsValid() {
		f = append(append(f, 54, 4), m.server.AsSlice()...)
	}
	if m.name != "" {
		f = append(append(f, 12, byte(len(m.name))), m.name...)
	}
	f = append(f, 55, 4, 1, 3, 6, 15, 255)
	for len(f) < headers+300 { // BOOTP's least size
		f = append(f, 0)
	}
	fillHeaders(f, m.own)
	return f
}

func fillHeaders(f []byte, from netip.Addr) {
	ip, udp := f[14:34], f[34:42]
	ip[0], ip[8], ip[9] = 0x45, 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(ip[2:], uint16(len(f)-14))
	if from.IsValid() {
		copy(ip[12:], from.AsSlice())
	}
	copy(ip[16:], broadcast[:4])
	var sum uint32
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum+sum>>16))
	binary.BigEndian.PutUint16(udp, 68)
	binary.BigEndian.PutUint16(udp[2:], 67)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(f)-34))
}

// parse reads a server's frame.
func parse(f []byte) (mac [6]byte, r Reply, ok bool) {
	if len(f) < headers+bootpSize || f[14] != 0x45 || f[headers] != 2 {
		return mac, r, false
	}
	bootp := f[headers:]
	copy(mac[:], bootp[28:])
	r.XID = binary.BigEndian.Uint32(bootp[4:])
	r.Addr = netip.AddrFrom4([4]byte(bootp[16:20]))
	r.Message = bytes.Clone(bootp)
	for o := bootp[bootpSize:]; len(o) > 1 && o[0] != 255; {
		if o[0] == 0 {
			o = o[1:]
			continue
		}
		size := 2 + int(o[1])
		if size > len(o) {
			return mac, r, false
		}
		value := o[2:size]
		switch {
		case o[0] == 53 && len(value) == 1:
			r.Kind = value[0]
		case o[0] == 54 && len(value) == 4:
			r.Server = netip.AddrFrom4([4]byte(value))
		case o[0] == 51 && len(value) == 4:
			r.Lease = time.Duration(binary.BigEndian.Uint32(value)) * time.Second
		}
		o = o[size:]
	}
	return mac, r, true // without a kind: BOOTP's own
}

func newXID() uint32 {
	var b [4]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint32(b[:])
}
