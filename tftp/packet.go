package tftp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Operations (RFC 1350 §5, RFC 2347).
const (
	opRead  = 1
	opWrite = 2
	opData  = 3
	opAck   = 4
	opError = 5
	opOAck  = 6
)

// Error codes (RFC 1350 appendix I).
const (
	codeUndefined = 0
	codeNotFound  = 1
	codeAccess    = 2
	codeIllegal   = 4
)

const headerSize = 4 // of a data packet: operation and block number

// Limits of what a request may ask for.
const (
	defaultBlock       = 512
	minBlock, maxBlock = 8, 65464 // RFC 2348
	maxWindow          = 64       // blocks; each transfer keeps as many in memory
	maxRequest         = 1024     // bytes
	maxName            = 512
)

// request is a read request.
type request struct {
	name     string
	netascii bool
	options  []option // those that we know and can do, in the client's order

	block   int // size
	window  int // blocks for one acknowledgement
	timeout time.Duration
}

// option is an option and the value that we accept.
type option struct{ name, value string }

const sizeOption = "tsize"

var errMalformed = errors.New("malformed request")

// parseRequest reads a read request after its operation: name, mode and pairs
// of option and value, each ended by a zero byte. No block is longer than
// mostBlock; at 512 bytes there is no choice.
func parseRequest(b []byte, mostBlock int) (request, error) {
	r := request{block: defaultBlock, window: 1, timeout: firstTimeout}
	if len(b) > maxRequest || len(b) == 0 || b[len(b)-1] != 0 {
		return r, errMalformed
	}
	fields := strings.Split(string(b[:len(b)-1]), "\x00")
	if len(fields)%2 != 0 || fields[0] == "" || len(fields[0]) > maxName {
		return r, errMalformed
	}
	r.name = fields[0]
	switch strings.ToLower(fields[1]) {
	case "octet":
	case "netascii":
		r.netascii = true
	default:
		return r, errMalformed
	}
	for i := 2; i < len(fields); i += 2 {
		r.negotiate(strings.ToLower(fields[i]), fields[i+1], mostBlock)
	}
	return r, nil
}

// negotiate takes an option, with a value that suits both. One that is not
// known, out of range or there already is passed over in silence (RFC 2347).
func (r *request) negotiate(name, text string, mostBlock int) {
	for _, o := range r.options {
		if o.name == name {
			return
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return
	}
	switch {
	case name == "blksize" && n >= minBlock && n <= maxBlock && mostBlock > defaultBlock:
		n = min(n, mostBlock)
		r.block = n
	case name == "windowsize" && n >= 1 && n <= 65535:
		n = min(n, maxWindow)
		r.window = n
	case name == "timeout" && n >= 1 && n <= 255:
		r.timeout = time.Duration(n) * time.Second
	case name == sizeOption && !r.netascii: // whose size is not the file's
	default:
		return
	}
	r.options = append(r.options, option{name, strconv.Itoa(n)})
}

// acknowledgement is the packet that accepts the options, nil without any.
func (r *request) acknowledgement(size int64) []byte {
	if len(r.options) == 0 {
		return nil
	}
	b := []byte{0, opOAck}
	for _, o := range r.options {
		if o.name == sizeOption {
			o.value = strconv.FormatInt(size, 10)
		}
		b = append(append(b, o.name...), 0)
		b = append(append(b, o.value...), 0)
	}
	return b
}

// errorPacket tells a client that it gets nothing.
func errorPacket(code byte, text string) []byte {
	return append(append([]byte{0, opError, 0, code}, text...), 0)
}

// operation returns what a packet is, 0 if it is none.
func operation(b []byte) uint16 {
	if len(b) < 2 {
		return 0
	}
	return binary.BigEndian.Uint16(b)
}

// parseAck reads the block number of an acknowledgement.
func parseAck(b []byte) (block uint16, ok bool) {
	if len(b) < headerSize {
		return 0, false
	}
	return binary.BigEndian.Uint16(b[2:]), true
}

// printable makes a client's words fit for a log line.
func printable(text string) string {
	return strconv.QuoteToASCII(string(bytes.ToValidUTF8([]byte(text), []byte("?"))))
}
