package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Clients6 are any number of DHCPv6 clients on one link, told apart by their
// DUIDs; they share the link's address, as perfdhcp's do.
type Clients6 struct {
	// Retry is how long a client waits for a reply before it asks again.
	Retry time.Duration

	conn    *net.UDPConn
	servers netip.AddrPort
	next    atomic.Uint32

	mu      sync.Mutex               // guards waiting
	waiting map[uint32]chan<- Reply6 // by transaction
}

// Reply6 is a server's answer.
type Reply6 struct {
	Kind   byte       // Advertise6 or Replied6
	Addr   netip.Addr // of the one association, zero if there is none
	Server []byte     // its DUID
}

// Message types (RFC 8415 §7.3) and options (§21) as far as they are used.
const (
	solicit6   = 1
	Advertise6 = 2
	request6   = 3
	renew6     = 5
	Replied6   = 7

	optClientID6, optServerID6, optIANA6, optIAAddr6, optORO6, optElapsed6 = 1, 2, 3, 5, 6, 8
)

// Clients6 opens the machine's link for DHCPv6 clients, once it has a
// link-local address.
func (m *Machine) Clients6(t TB, link string) *Clients6 {
	t.Helper()
	c := &Clients6{Retry: time.Second, waiting: make(map[uint32]chan<- Reply6)}
	Eventually(t, 10*time.Second, "a link-local address", func() bool { return m.Net(func() error { return c.open(link) }) == nil })
	var reader sync.WaitGroup
	reader.Go(c.read)
	t.Cleanup(func() {
		c.conn.Close()
		reader.Wait()
	})
	return c
}

func (c *Clients6) open(link string) error {
	ifi, err := net.InterfaceByName(link)
	if err != nil {
		return err
	}
	addrs, err := ifi.Addrs()
	if err != nil {
		return err
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || !p.Addr().Is6() || !p.Addr().IsLinkLocalUnicast() {
			continue
		}
		zone := fmt.Sprint(ifi.Index)
		c.conn, err = net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.Addr().WithZone(zone), 546)))
		if err != nil {
			return err
		}
		c.servers = netip.AddrPortFrom(netip.MustParseAddr("ff02::1:2").WithZone(zone), 547)
		return c.enlarge()
	}
	return errors.New("no link-local address")
}

// enlarge lets many replies wait.
func (c *Clients6) enlarge() error {
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

// Get takes a lease for the client of a MAC: solicit, advertisement, request,
// reply.
func (c *Clients6) Get(ctx context.Context, mac net.HardwareAddr) (Reply6, error) {
	for {
		offer, err := c.ask(ctx, mac, solicit6, Reply6{})
		if err != nil {
			return Reply6{}, fmt.Errorf("solicit for %s: %w", mac, err)
		}
		if !offer.Addr.IsValid() {
			continue
		}
		reply, err := c.ask(ctx, mac, request6, offer)
		if err != nil {
			return Reply6{}, fmt.Errorf("request %s for %s: %w", offer.Addr, mac, err)
		}
		if reply.Addr.IsValid() {
			return reply, nil
		}
	}
}

// Renew renews a lease.
func (c *Clients6) Renew(ctx context.Context, mac net.HardwareAddr, lease Reply6) (Reply6, error) {
	return c.ask(ctx, mac, renew6, lease)
}

// ask sends a message about a lease until it is answered.
func (c *Clients6) ask(ctx context.Context, mac net.HardwareAddr, kind byte, about Reply6) (Reply6, error) {
	xid := c.next.Add(1) & 0xffffff
	replies := make(chan Reply6, 1)
	c.mu.Lock()
	c.waiting[xid] = replies
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, xid)
		c.mu.Unlock()
	}()
	message := message6(kind, xid, mac, about)
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return Reply6{}, ctx.Err()
		case r := <-replies:
			return r, nil
		case <-retry.C:
			if _, err := c.conn.WriteToUDPAddrPort(message, c.servers); err != nil {
				return Reply6{}, err
			}
			retry.Reset(c.Retry)
		}
	}
}

func message6(kind byte, xid uint32, mac net.HardwareAddr, about Reply6) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(kind)<<24|xid)
	b = option6(b, optClientID6, append([]byte{0, 3, 0, 1}, mac...))
	if about.Server != nil {
		b = option6(b, optServerID6, about.Server)
	}
	b = option6(b, optElapsed6, []byte{0, 0})
	b = option6(b, optORO6, []byte{0, 23, 0, 24})
	ia := []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	if about.Addr.IsValid() {
		ia = option6(ia, optIAAddr6, append(about.Addr.AsSlice(), make([]byte, 8)...))
	}
	return option6(b, optIANA6, ia)
}

func option6(b []byte, code uint16, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, code)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

// read gives each reply to the client that waits for it.
func (c *Clients6) read() {
	b := make([]byte, 2048)
	for {
		n, err := c.conn.Read(b)
		if err != nil {
			return
		}
		if n < 4 {
			continue
		}
		r := Reply6{Kind: b[0]}
		r.options(b[4:n])
		c.mu.Lock()
		replies := c.waiting[binary.BigEndian.Uint32(b)&0xffffff]
		c.mu.Unlock()
		select {
		case replies <- r:
		default: // nobody waits any more
		}
	}
}

// options reads what is of interest in a list of options.
func (r *Reply6) options(o []byte) {
	for len(o) >= 4 {
		code, n := binary.BigEndian.Uint16(o), 4+int(binary.BigEndian.Uint16(o[2:]))
		if n > len(o) {
			return
		}
		v := o[4:n]
		switch {
		case code == optServerID6:
			r.Server = append([]byte(nil), v...)
		case code == optIANA6 && len(v) >= 12:
			r.options(v[12:])
		case code == optIAAddr6 && len(v) >= 24 && binary.BigEndian.Uint32(v[20:]) > 0:
			r.Addr = netip.AddrFrom16([16]byte(v))
		}
		o = o[n:]
	}
}
