package tftp

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// How long an acknowledgement is waited for: first this, twice as long each
// time after, and not more than maxTries times. A client may ask for another
// first time, by option.
const (
	firstTimeout   = time.Second
	longestTimeout = 8 * time.Second
	maxTries       = 6
)

// readAhead is how much of a file is read at once, at least.
const readAhead = 32 << 10

var (
	errSilent = errors.New("the client does not acknowledge")
	errEnded  = errors.New("ended by the server or the client")
)

// transfer sends one file to one client. It has no goroutine: who brings an
// acknowledgement sends what comes next, since most clients wait for each
// block, and a change of goroutines would take as long as all the rest.
type transfer struct {
	to    netip.AddrPort
	heard atomic.Int64 // when the client last acknowledged, Unix nanoseconds

	send    func([]byte) error
	ended   func(error) // called once, when there is no more to do
	source  io.Reader
	block   int // size
	window  int
	timeout time.Duration

	mu sync.Mutex // guards what follows
	// waiting are the packets without acknowledgement, the first of which has
	// block number base; sent counts those that are on their way.
	waiting [][]byte
	base    uint16
	sent    int
	asking  bool     // what waits is the acknowledgement of options
	read    bool     // all of source was
	free    [][]byte // for more packets
	last    uint16   // block number of the packet read last

	tries    int
	timer    *time.Timer
	deadline time.Time // when to send again; the timer may be early
	over     bool
}

// start sends the first packet. With options that is their acknowledgement,
// as block 0.
func (t *transfer) start(options []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.source = bufio.NewReaderSize(t.source, max(readAhead, t.block))
	if t.base = 1; options != nil {
		t.base, t.waiting, t.asking = 0, [][]byte{options}, true
	}
	t.timer = time.AfterFunc(t.wait(), t.expired)
	t.goOn()
}

// wait is how long an acknowledgement is waited for now.
func (t *transfer) wait() time.Duration {
	return min(t.timeout<<t.tries, max(longestTimeout, t.timeout))
}

// goOn fills the window and sends what is not on its way. The acknowledgement
// of the last block ends the transfer.
func (t *transfer) goOn() {
	if err := t.fill(); err != nil {
		t.end(err)
		return
	}
	if len(t.waiting) == 0 {
		t.end(nil)
		return
	}
	for ; t.sent < len(t.waiting); t.sent++ {
		if err := t.send(t.waiting[t.sent]); err != nil {
			t.end(err)
			return
		}
	}
	t.deadline = time.Now().Add(t.wait())
}

// fill reads until the window is full.
func (t *transfer) fill() error {
	for !t.asking && !t.read && len(t.waiting) < t.window {
		packet := t.packet()
		n, err := io.ReadFull(t.source, packet[headerSize:])
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			t.read = true
		case err != nil:
			return fmt.Errorf("read: %w", err)
		}
		t.last++
		binary.BigEndian.PutUint16(packet, opData)
		binary.BigEndian.PutUint16(packet[2:], t.last)
		t.waiting = append(t.waiting, packet[:headerSize+n])
	}
	return nil
}

// packet is room for a data packet.
func (t *transfer) packet() []byte {
	if n := len(t.free); n > 0 {
		p := t.free[n-1]
		t.free = t.free[:n-1]
		return p[:headerSize+t.block]
	}
	return make([]byte, headerSize+t.block)
}

// acknowledged drops the packets up to a block. Others that wait were lost:
// they go again (RFC 7440 §4). An acknowledgement of what is done is of a
// packet that came twice: answering that would double everything from here on
// (RFC 1123 §4.2.3.1).
func (t *transfer) acknowledged(block uint16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	count := int(block-t.base) + 1
	if t.over || count > len(t.waiting) {
		return
	}
	for _, p := range t.waiting[:count] {
		if cap(p) == headerSize+t.block {
			t.free = append(t.free, p)
		}
	}
	t.waiting = slices.Delete(t.waiting, 0, count)
	t.base += uint16(count)
	t.sent, t.asking = 0, false
	if t.tries > 0 { // the timer is late by now
		t.tries = 0
		t.timer.Reset(t.wait())
	}
	t.goOn()
}

// expired sends all that waits again, if it is time.
func (t *transfer) expired() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	if rest := time.Until(t.deadline); rest > 0 {
		t.timer.Reset(rest)
		return
	}
	if t.tries++; t.tries == maxTries {
		t.end(errSilent)
		return
	}
	t.sent = 0
	t.goOn()
	if !t.over {
		t.timer.Reset(t.wait())
	}
}

// stop ends the transfer, if it has not ended.
func (t *transfer) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.end(errEnded)
	}
}

func (t *transfer) end(err error) {
	t.over = true
	t.timer.Stop()
	t.ended(err)
}
