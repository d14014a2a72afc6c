package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/digitalocean/go-libvirt/socket"
	"github.com/digitalocean/go-libvirt/socket/dialers"
)

// dialTimeout bounds the opening of a transport.
const dialTimeout = 20 * time.Second

// dial opens the transport of a target, other than our own daemon's (see
// dialOwn). An error has libvirt's wording.
func (t target) dial(ctx context.Context, readOnly bool) (net.Conn, error) {
	switch t.transport {
	case "unix":
		return dialUnix(ctx, t.socket)
	case "ssh":
		return t.dialSSH(readOnly)
	}
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() { // go-libvirt's dialers have no context
		conn, err := t.libraryDialer().Dial()
		done <- result{conn, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, worded(fmt.Sprintf("unable to connect to server at '%s': %s", net.JoinHostPort(t.host, t.port), systemText(r.err)))
		}
		return r.conn, nil
	case <-ctx.Done():
		return nil, errInterrupted
	}
}

// dialUnix connects to a unix socket.
func dialUnix(ctx context.Context, path string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, errInterrupted
	}
	return nil, &socketError{path: path, err: err}
}

// socketError is a socket that could not be reached.
type socketError struct {
	path string
	err  error
}

func (e *socketError) Error() string {
	return fmt.Sprintf("Failed to connect socket to '%s': %s", e.path, systemText(e.err))
}

func (e *socketError) Unwrap() error { return e.err }

// systemText is an error as the C library words it.
func systemText(err error) string {
	text := err.Error()
	var errno syscall.Errno
	if errors.As(err, &errno) {
		text = errno.Error()
	}
	runes := []rune(text)
	runes[0] = unicode.ToUpper(runes[0])
	return string(runes)
}

// libraryDialer returns go-libvirt's dialer for the transport.
func (t target) libraryDialer() socket.Dialer {
	switch t.transport {
	case "tcp":
		return dialers.NewRemote(t.host, when(t.port != "", dialers.UsePort(t.port))...)
	case "tls":
		options := when(t.port != "", dialers.UseTLSPort(t.port))
		options = append(options, when(t.query.Has("pkipath"), dialers.UsePKIPath(t.query.Get("pkipath")))...)
		return dialers.NewTLS(t.host, append(options, when(t.noVerify(), dialers.WithInsecureNoVerify())...)...)
	}
	options := when(t.port != "", dialers.UseSSHPort(t.port))
	options = append(options, dialers.UseSSHUsername(t.user), dialers.WithRemoteSocket(t.socket))
	options = append(options, when(t.query.Has("keyfile"), dialers.UseKeyFile(t.query.Get("keyfile")))...)
	options = append(options, when(t.query.Has("known_hosts"), dialers.UseKnownHostsFile(t.query.Get("known_hosts")))...)
	options = append(options, when(t.noVerify(), dialers.WithInsecureIgnoreHostKey())...)
	return dialers.NewSSH(t.host, options...)
}

// noVerify reports whether the URI says not to verify the server.
func (t target) noVerify() bool {
	return strings.Trim(t.query.Get("no_verify"), "0") != "" || t.query.Get("known_hosts_verify") == "ignore"
}

// when returns a list of v if cond holds, else an empty one.
func when[T any](cond bool, v T) []T {
	if cond {
		return []T{v}
	}
	return nil
}
