// Package wire is libvirt's remote protocol as bytes: frames, XDR, the
// procedures of the network driver with their arguments, and a small client.
// Its source is libvirt's src/rpc/virnetprotocol.x and
// src/remote/remote_protocol.x, written down from the wire.
package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The programs that share the framing.
const (
	ProgramRemote    = 0x20008086
	ProgramKeepalive = 0x6b656570
	ProgramVersion   = 1 // of both
)

// The keepalive program's procedures; both are messages without payload.
const (
	KeepalivePing Proc = 1
	KeepalivePong Proc = 2
)

// Type says what a frame is.
type Type uint32

// The frame types. With the two that carry file descriptors, a count follows
// the header, and as many marker bytes follow the frame.
const (
	Call Type = iota
	Reply
	Message // an event, or keepalive
	Stream
	CallWithFDs
	ReplyWithFDs
	StreamHole
)

// Status says how a call ended.
type Status uint32

// The states of a reply; a call carries OK.
const (
	OK Status = iota
	Failed
	Continue
)

// Bounds of a frame's length word, which counts itself.
const (
	MinFrame = 28
	MaxFrame = 32<<20 + 4
)

// maxFDs is libvirt's limit of descriptors in one frame.
const maxFDs = 32

// Header heads every frame.
type Header struct {
	Program uint32
	Version uint32
	Proc    Proc
	Type    Type
	Serial  uint32
	Status  Status
}

// Frame is one packet of the protocol; Payload is XDR.
type Frame struct {
	Header
	Payload []byte
}

// Errors of the framing; a peer that causes one is not answered.
var (
	ErrLength = errors.New("frame length out of bounds")
	ErrFDs    = errors.New("bad file descriptor count in frame")
)

// ReadFrame reads one frame of at most limit bytes. Memory grows with what
// has arrived, not with what the length word announces. Descriptors sent
// along are dropped: no procedure of the network driver takes any.
func ReadFrame(r *bufio.Reader, limit int) (Frame, error) {
	word, err := r.Peek(4)
	if err != nil {
		return Frame{}, partial(err, len(word))
	}
	n := binary.BigEndian.Uint32(word)
	if n < MinFrame || int64(n) > int64(min(limit, MaxFrame)) {
		return Frame{}, fmt.Errorf("%w: %d", ErrLength, n)
	}
	head, err := r.Peek(MinFrame)
	if err != nil {
		return Frame{}, partial(err, len(head))
	}
	f := Frame{Header: readHeader(head[4:])}
	r.Discard(MinFrame) // cannot fail: it is buffered
	if f.Payload, err = readPayload(r, int(n)-MinFrame); err != nil {
		return Frame{}, partial(err, MinFrame)
	}
	if f.Type == CallWithFDs || f.Type == ReplyWithFDs {
		return f, dropFDs(r, &f)
	}
	return f, nil
}

// partial turns an end of file within a frame into io.ErrUnexpectedEOF.
func partial(err error, have int) error {
	if err == io.EOF && have > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

func readHeader(b []byte) Header {
	word := func(i int) uint32 { return binary.BigEndian.Uint32(b[4*i:]) }
	return Header{word(0), word(1), Proc(word(2)), Type(word(3)), word(4), Status(word(5))}
}

// readPayload allocates in steps, so that an announced but unsent megabyte
// costs nothing.
func readPayload(r io.Reader, n int) ([]byte, error) {
	const step = 64 << 10
	b := make([]byte, 0, min(n, step))
	for len(b) < n {
		start := len(b)
		more := min(n-start, max(start, step))
		b = append(b, make([]byte, more)...)
		if _, err := io.ReadFull(r, b[start:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// dropFDs takes the count off the payload and the marker bytes off the stream.
// The kernel closes the descriptors themselves, because nobody asked for
// control messages.
func dropFDs(r *bufio.Reader, f *Frame) error {
	if len(f.Payload) < 4 {
		return ErrFDs
	}
	n := binary.BigEndian.Uint32(f.Payload)
	if n > maxFDs {
		return fmt.Errorf("%w: %d", ErrFDs, n)
	}
	f.Payload = f.Payload[4:]
	_, err := r.Discard(int(n))
	return partial(err, 1)
}

// Encode returns a whole frame with body as its payload; a nil body is none.
// It fails when body exceeds a limit of the protocol.
func Encode(h Header, body any) ([]byte, error) {
	b := make([]byte, 4, 128)
	for _, w := range [...]uint32{h.Program, h.Version, uint32(h.Proc), uint32(h.Type), h.Serial, uint32(h.Status)} {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	b, err := Append(b, body)
	if err != nil {
		return nil, fmt.Errorf("encode %v: %w", h.Proc, err)
	}
	if len(b) > MaxFrame {
		return nil, fmt.Errorf("encode %v: %w: %d", h.Proc, ErrLength, len(b))
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b, nil
}

// Keepalive returns the frame that pings or answers a ping.
func Keepalive(p Proc) []byte {
	b, err := Encode(Header{Program: ProgramKeepalive, Version: ProgramVersion, Proc: p, Type: Message}, nil)
	if err != nil {
		panic(err) // a frame without payload always fits
	}
	return b
}

// IsKeepalive tells whether h is a ping or a pong.
func (h Header) IsKeepalive() bool {
	return h.Program == ProgramKeepalive && h.Version == ProgramVersion && h.Type == Message
}
