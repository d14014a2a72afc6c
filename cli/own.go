package cli

import (
	"context"
	"net"
	"sync"

	"github.com/digitalocean/go-libvirt"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// defineLive makes doc the definition of an active network, on disk and in
// force. Only vnetmgr's daemon can.
func (s *session) defineLive(ctx context.Context, doc string, validate bool) (n libvirt.Network, err error) {
	args := wire.XMLFlagsArgs{XML: doc}
	if validate {
		args.Flags = wire.XMLValidate
	}
	var got wire.Network
	err = s.change(ctx, "DEFINE_LIVE", func() error { return s.link.callOwn(wire.OwnDefineLive, args, &got) })
	if hasCode(err, libvirt.ErrRPC) {
		return n, worded("the daemon cannot change a network while it is active: only vnetmgr's can")
	}
	return libvirt.Network{Name: got.Name, UUID: libvirt.UUID(got.UUID)}, err
}

// ownCalls are calls of our own program that wait for their replies.
type ownCalls struct {
	mu      sync.Mutex // guards all that follows
	serial  uint32
	waiting map[uint32]chan wire.Frame
	ended   bool
}

// callOwn calls a procedure of our own program, beside go-libvirt. An error of
// the daemon's is a libvirt.Error, as go-libvirt's are.
func (l *link) callOwn(p wire.Proc, args, ret any) error {
	serial, reply, err := l.own.expect()
	if err != nil {
		return err
	}
	h := wire.Header{Program: wire.ProgramOwn, Version: wire.ProgramOwnVersion, Proc: p, Type: wire.Call, Serial: serial}
	frame, err := wire.Encode(h, args)
	if err != nil {
		return err
	}
	if err := l.WriteFrame(frame); err != nil {
		return err
	}
	f, ok := <-reply
	if !ok {
		return net.ErrClosed
	}
	if f.Status == wire.OK {
		return wire.Unmarshal(f.Payload, ret)
	}
	var refusal wire.Error
	if err := wire.Unmarshal(f.Payload, &refusal); err != nil {
		return err
	}
	return libvirt.Error{Code: uint32(refusal.Code), Message: refusal.Error()}
}

// expect makes the place for a reply.
func (o *ownCalls) expect() (uint32, <-chan wire.Frame, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return 0, nil, net.ErrClosed
	}
	if o.waiting == nil {
		o.waiting = make(map[uint32]chan wire.Frame)
	}
	o.serial++
	reply := make(chan wire.Frame, 1)
	o.waiting[o.serial] = reply
	return o.serial, reply, nil
}

// deliver hands a reply to who waits for it.
func (o *ownCalls) deliver(f wire.Frame) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if reply, ok := o.waiting[f.Serial]; ok {
		delete(o.waiting, f.Serial)
		reply <- f
	}
}

// end tells who waits that no reply will come.
func (o *ownCalls) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, reply := range o.waiting {
		close(reply)
	}
	o.waiting, o.ended = nil, true
}
