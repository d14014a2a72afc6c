package tftp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// CheckRoot finds out whether a directory can be served.
func CheckRoot(path string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return fmt.Errorf("TFTP directory %s inaccessible: %w", path, reason(err))
	}
	return root.Close()
}

// reason is an error without the path that it repeats.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

var errNotServed = errors.New("not a file that everybody may read")

// open opens the file that a client names, with its size. Names are below the
// root; one that begins with the root itself, as clients have it from
// libvirt's configurations, is the same file. Devices and the like are no
// files, and opening one does not wait.
func (s *Server) open(name string) (*os.File, int64, error) {
	// Opened each time: the administrator may have put another in its place.
	root, err := os.OpenRoot(s.cfg.Root)
	if err != nil {
		return nil, 0, err
	}
	defer root.Close()
	f, err := root.OpenFile(relative(s.cfg.Root, name), os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Mode().Perm()&0o004 == 0) {
		err = errNotServed
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// relative is the path below root of a name from a client. Windows' boot
// loaders write backslashes.
func relative(root, name string) string {
	name = strings.ReplaceAll(name, `\`, "/")
	if below, ok := strings.CutPrefix(name, strings.TrimSuffix(root, "/")+"/"); ok {
		name = below
	}
	return filepath.FromSlash(strings.TrimLeft(name, "/"))
}

// refusal is what a client is told when its file cannot be had.
func refusal(err error) []byte {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errorPacket(codeNotFound, "File not found")
	case errors.Is(err, errNotServed), errors.Is(err, fs.ErrPermission):
		return errorPacket(codeAccess, "Access violation")
	}
	return errorPacket(codeAccess, "Cannot be read")
}

// netascii reads text with its lines ended as on a telnet terminal (RFC 764):
// LF becomes CR LF, CR becomes CR NUL.
type netascii struct {
	from *bufio.Reader
	rest []byte // of what one byte became, not read yet
}

func (n *netascii) Read(p []byte) (int, error) {
	for i := range p {
		if len(n.rest) == 0 {
			c, err := n.from.ReadByte()
			if err != nil {
				return i, err
			}
			n.rest = expand(c)
		}
		p[i] = n.rest[0]
		n.rest = n.rest[1:]
	}
	return len(p), nil
}

func expand(c byte) []byte {
	switch c {
	case '\n':
		return []byte("\r\n")
	case '\r':
		return []byte("\r\x00")
	}
	return []byte{c}
}

// source is what of a file goes over the wire.
func source(f io.Reader, r request) io.Reader {
	if r.netascii {
		return &netascii{from: bufio.NewReader(f)}
	}
	return f
}
