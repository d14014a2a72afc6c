package dhcpd

import (
	"log/slog"
	"sync"
	"sync/atomic"
)

// maxWaiting bounds the replies that wait for the disk. Further requests are
// dropped; clients ask again.
const maxWaiting = 4096

// outbox is the replies of one server on their way to the wire.
type outbox struct {
	debug           *slog.Logger
	send            func([]*frame) error
	sent, unwritten *atomic.Uint64

	outMu   sync.Mutex // guards what follows
	out     []*frame   // whose leases are on disk
	sending bool       // sendOut runs
	ended   bool
	waiting int // replies that wait for the disk or for sendOut
	senders sync.WaitGroup
}

var framePool = sync.Pool{New: func() any { return &frame{b: make([]byte, 0, 640)} }}

// transmit sends frames and gives their buffers back. What cannot be sent is
// as good as lost on the wire.
func (o *outbox) transmit(frames []*frame) {
	if err := o.send(frames); err != nil {
		o.debug.Debug("send replies", "err", err)
	}
	o.sent.Add(uint64(len(frames)))
	for _, f := range frames {
		framePool.Put(f)
	}
}

// bound sends a reply whose lease is on disk, or drops it.
func (o *outbox) bound(f *frame, err error) {
	o.outMu.Lock()
	defer o.outMu.Unlock()
	if err != nil || o.ended {
		o.unwritten.Add(1)
		o.waiting--
		framePool.Put(f)
		return
	}
	o.out = append(o.out, f)
	if !o.sending {
		o.sending = true
		o.senders.Add(1)
		go o.sendOut()
	}
}

// sendOut sends until nothing waits. It has a goroutine of its own so that
// the next leases are written meanwhile.
func (o *outbox) sendOut() {
	defer o.senders.Done()
	var spare []*frame
	for {
		o.outMu.Lock()
		frames := o.out
		if len(frames) == 0 {
			o.sending = false
			o.outMu.Unlock()
			return
		}
		o.out = spare[:0]
		o.outMu.Unlock()
		o.transmit(frames)
		o.wait(-len(frames))
		spare = frames
	}
}

func (o *outbox) wait(n int) {
	o.outMu.Lock()
	o.waiting += n
	o.outMu.Unlock()
}

func (o *outbox) overloaded() bool {
	o.outMu.Lock()
	defer o.outMu.Unlock()
	return o.waiting >= maxWaiting
}

// end waits for what is being sent. Replies that wait for the disk are not
// sent any more.
func (o *outbox) end() {
	o.outMu.Lock()
	o.ended = true
	o.outMu.Unlock()
	o.senders.Wait()
}
