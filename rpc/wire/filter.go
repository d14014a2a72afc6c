package wire

import (
	"bufio"
	"encoding/binary"
	"net"
	"sync"
)

// Filter lies between a client library and its connection to a daemon: it
// sees each frame that comes, and sends frames of others between those of the
// library. It is read by one goroutine and written by any number.
type Filter struct {
	net.Conn
	in   *bufio.Reader
	keep func(Frame) (bool, error)
	rest []byte // of the frame that is being read

	writing sync.Mutex // guards out and keeps frames whole
	out     []byte     // beginning of a frame that is being written
}

// NewFilter wraps conn. keep is asked of every frame whether the library gets
// it; an error ends the reading.
func NewFilter(conn net.Conn, keep func(Frame) (bool, error)) *Filter {
	return &Filter{Conn: conn, in: bufio.NewReader(conn), keep: keep}
}

// Read gives the library the frames that are for it.
func (l *Filter) Read(p []byte) (int, error) {
	for len(l.rest) == 0 {
		if err := l.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func (l *Filter) next() error {
	f, err := ReadFrame(l.in, MaxFrame)
	if err != nil {
		return err
	}
	keep, err := l.keep(f)
	if err == nil && keep {
		l.rest, err = rawFrame(f)
	}
	return err
}

// rawFrame returns the bytes of a frame that was read.
func rawFrame(f Frame) ([]byte, error) {
	raw, err := Encode(f.Header, nil)
	if err != nil {
		return nil, err
	}
	raw = append(raw, f.Payload...)
	binary.BigEndian.PutUint32(raw, uint32(len(raw)))
	return raw, nil
}

// Write takes a frame in any number of pieces and sends it whole.
func (l *Filter) Write(p []byte) (int, error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.out = append(l.out, p...)
	for len(l.out) >= 4 {
		n := int(binary.BigEndian.Uint32(l.out))
		if n < MinFrame || len(l.out) < n {
			break
		}
		if _, err := l.Conn.Write(l.out[:n]); err != nil {
			return 0, err
		}
		l.out = l.out[n:]
	}
	return len(p), nil
}

// WriteFrame sends a frame that is not the library's.
func (l *Filter) WriteFrame(frame []byte) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	_, err := l.Conn.Write(frame)
	return err
}
