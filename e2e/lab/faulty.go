package lab

import (
	"bufio"
	"encoding/binary"
	"net"
	"sync"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// Faulty lies between clients of libvirtd and its socket, and has a call go
// wrong when it is told to.
type Faulty struct {
	host *Host
	to   string

	mu    sync.Mutex // guards all that follows
	armed int        // the change that goes wrong, counted from 1 on the next connection; 0 is none, -1 has gone wrong
	cut   bool
}

// Faulty serves path in the place of the UNIX socket at to.
func (h *Host) Faulty(t TB, path, to string) *Faulty {
	t.Helper()
	f := &Faulty{host: h, to: to}
	var l net.Listener
	err := h.enter(func() (err error) {
		l, err = net.Listen("unix", path)
		return err
	})
	if err != nil {
		t.Fatalf("listen on %s: %v", path, err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { l.Close(); running.Wait() })
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(c)
		}
	})
	return f
}

// Arm has the n-th change to a network go wrong that the next connection asks
// for: refused, or with cut made, and the connection closed in the place of
// the answer.
func (f *Faulty) Arm(n int, cut bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed, f.cut = n, cut
}

// Fired reports whether what was armed happened, and disarms.
func (f *Faulty) Fired() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	fired := f.armed == -1
	f.armed = 0
	return fired
}

// takeArm gives the arming to one connection.
func (f *Faulty) takeArm() (armed int, cut bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.armed > 0 {
		armed, f.armed = f.armed, 0
	}
	return armed, f.cut
}

func (f *Faulty) fire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed = -1
}

// serve carries one connection.
func (f *Faulty) serve(client net.Conn) {
	defer client.Close()
	server, err := f.host.Dial(f.to)
	if err != nil {
		return
	}
	defer server.Close()
	armed, cut := f.takeArm()
	fatal := make(chan uint32, 1) // the serial whose answer is the end
	var writing sync.Mutex        // of frames to the client
	go f.answers(client, server, &writing, fatal)
	for r := bufio.NewReader(client); ; {
		frame, err := wire.ReadFrame(r, wire.MaxFrame)
		if err != nil {
			return
		}
		if armed > 0 && isChange(frame) {
			if armed--; armed == 0 {
				f.fire()
				if !cut {
					writing.Lock()
					refuse(client, frame.Header)
					writing.Unlock()
					continue
				}
				fatal <- frame.Serial
			}
		}
		if _, err := server.Write(raw(frame)); err != nil {
			return
		}
	}
}

// answers carries frames to the client until its connection is to end.
func (f *Faulty) answers(client, server net.Conn, writing *sync.Mutex, fatal <-chan uint32) {
	defer client.Close()
	var last *uint32
	for r := bufio.NewReader(server); ; {
		frame, err := wire.ReadFrame(r, wire.MaxFrame)
		if err != nil {
			return
		}
		select {
		case serial := <-fatal:
			last = &serial
		default:
		}
		if last != nil && frame.Type == wire.Reply && frame.Serial == *last {
			return
		}
		writing.Lock()
		_, err = client.Write(raw(frame))
		writing.Unlock()
		if err != nil {
			return
		}
	}
}

// isChange tells whether a call changes a network.
func isChange(f wire.Frame) bool {
	switch f.Proc {
	case wire.NetworkCreate, wire.NetworkDefineXML, wire.NetworkDestroy, wire.NetworkSetAutostart, wire.NetworkUndefine:
		return f.Program == wire.ProgramRemote && f.Type == wire.Call
	}
	return false
}

// refuse answers a call with libvirt's "internal error".
func refuse(to net.Conn, h wire.Header) {
	text := "internal error: refused by the test"
	h.Type, h.Status = wire.Reply, wire.Failed
	frame, err := wire.Encode(h, wire.Error{Code: 1, Domain: 19, Message: &text, Level: 2})
	if err != nil {
		panic(err) // it can be encoded
	}
	_, _ = to.Write(frame) // a client that has gone needs no answer
}

// raw returns the bytes of a frame that was read.
func raw(f wire.Frame) []byte {
	b, err := wire.Encode(f.Header, nil)
	if err != nil {
		panic(err) // it was read
	}
	b = append(b, f.Payload...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}
