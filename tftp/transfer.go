package tftp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
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

var errSilent = errors.New("the client does not acknowledge")

// transfer sends one file to one client.
type transfer struct {
	to     netip.AddrPort
	cancel context.CancelFunc
	acks   chan uint16
	heard  atomic.Int64 // when the client last acknowledged, Unix nanoseconds

	send   func([]byte) error
	source io.Reader
	block  int // size
	window int

	// waiting are the packets without acknowledgement, the first of which has
	// block number base; sent counts those that are on their way.
	waiting [][]byte
	base    uint16
	sent    int
	asking  bool     // what waits is the acknowledgement of options
	read    bool     // all of source was
	free    [][]byte // for more packets
	last    uint16   // block number of the packet read last

	timeout time.Duration
	tries   int
}

// run sends the file and waits for the acknowledgement of its last block. With
// options, their acknowledgement goes first, as block 0.
func (t *transfer) run(ctx context.Context, options []byte) error {
	if t.base = 1; options != nil {
		t.base, t.waiting, t.asking = 0, [][]byte{options}, true
	}
	for {
		if err := t.fill(); err != nil {
			return err
		}
		if len(t.waiting) == 0 {
			return nil
		}
		for ; t.sent < len(t.waiting); t.sent++ {
			if err := t.send(t.waiting[t.sent]); err != nil {
				return err
			}
		}
		if err := t.await(ctx); err != nil {
			return err
		}
	}
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

// await waits for an acknowledgement of something that waits, or until it is
// time to send all of that again. Acknowledgements of what is done are of
// packets that came twice: answering these would double everything from here
// on (RFC 1123 §4.2.3.1).
func (t *transfer) await(ctx context.Context) error {
	timer := time.NewTimer(min(t.timeout<<t.tries, max(longestTimeout, t.timeout)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case block := <-t.acks:
			done := int(block-t.base) + 1
			if done > len(t.waiting) {
				continue
			}
			t.acknowledged(done)
			return nil
		case <-timer.C:
			if t.tries++; t.tries == maxTries {
				return errSilent
			}
			t.sent = 0
			return nil
		}
	}
}

// acknowledged drops the first packets that wait. Others that wait were lost:
// they go again (RFC 7440 §4).
func (t *transfer) acknowledged(count int) {
	for _, p := range t.waiting[:count] {
		if cap(p) == headerSize+t.block {
			t.free = append(t.free, p)
		}
	}
	t.waiting = slices.Delete(t.waiting, 0, count)
	t.base += uint16(count)
	t.sent, t.tries, t.asking = 0, 0, false
}
