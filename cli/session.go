package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/digitalocean/go-libvirt"
)

// errInterrupted says that the context ended before the daemon answered.
var errInterrupted = errors.New("interrupted")

// closeTimeout bounds the good-bye to a daemon.
const closeTimeout = 2 * time.Second

// session is a connection on which a driver was opened.
type session struct {
	virt     *libvirt.Libvirt
	link     *link
	uri      string
	readOnly bool
}

// open connects to what the options ask for. The local daemon is started
// when it doesn't run and we may; a user who may not change anything gets
// the read-only socket.
func (sh *shell) open(ctx context.Context) (*session, error) {
	t, err := sh.target()
	if err != nil {
		return nil, err
	}
	if !t.own {
		conn, err := t.dial(ctx, sh.opts.readOnly)
		if err != nil {
			return nil, err
		}
		return sh.openDriver(ctx, conn, t.driver, sh.opts.readOnly)
	}
	return sh.openOwn(ctx, t)
}

// openOwn connects to the local vnetmgr daemon.
func (sh *shell) openOwn(ctx context.Context, t target) (*session, error) {
	if !sh.opts.readOnly {
		conn, err := sh.dialOwn(ctx, t.socket)
		if err == nil {
			var s *session
			s, err = sh.openDriver(ctx, conn, t.driver, false)
			if err == nil {
				return s, nil
			}
		}
		if !isDenied(err) {
			return nil, err
		}
	}
	conn, err := sh.dialOwn(ctx, t.socket+roSuffix)
	if err != nil {
		return nil, err
	}
	return sh.openDriver(ctx, conn, t.driver, true)
}

// dialOwn dials a socket of the local daemon. Root starts the daemon if it
// doesn't run; others are told who does.
func (sh *shell) dialOwn(ctx context.Context, path string) (net.Conn, error) {
	conn, err := dialUnix(ctx, path)
	if !isAbsent(err) {
		return conn, err
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w; the vnetmgr daemon is not running (root starts it by any vnetmgr command)", err)
	}
	if err := sh.startDaemon(ctx, path); err != nil {
		return nil, err
	}
	return dialUnix(ctx, path)
}

// isAbsent reports whether err says that nothing listens on a socket.
func isAbsent(err error) bool {
	return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED)
}

// isDenied reports whether err says that this user may not use a read-write
// connection: by the socket's mode or by the daemon.
func isDenied(err error) bool {
	var remote libvirt.Error
	if errors.As(err, &remote) {
		switch libvirt.ErrorNumber(remote.Code) {
		case libvirt.ErrAuthFailed, libvirt.ErrAuthCancelled, libvirt.ErrAuthUnavailable, libvirt.ErrAccessDenied:
			return true
		}
	}
	return errors.Is(err, syscall.EACCES)
}

// openDriver opens a driver on a transport and owns the transport from now
// on.
func (sh *shell) openDriver(ctx context.Context, conn net.Conn, uri string, readOnly bool) (*session, error) {
	l := newLink(conn, time.Duration(sh.opts.keepaliveInterval)*time.Second, sh.opts.keepaliveCount)
	s := &session{virt: libvirt.NewWithDialer(oneConn{l}), link: l, uri: uri, readOnly: readOnly}
	err := s.do(ctx, "virConnectOpen", func() error { return s.virt.ConnectToURI(libvirt.ConnectURI(uri)) })
	if err != nil {
		l.Close()
		return nil, err
	}
	return s, nil
}

// oneConn is a dialer of go-libvirt's that has dialled already.
type oneConn struct{ conn net.Conn }

// Dial returns the connection.
func (o oneConn) Dial() (net.Conn, error) { return o.conn, nil }

// alive reports whether the connection still stands.
func (s *session) alive() bool { return s.virt.IsConnected() }

// close says good-bye and closes the connection.
func (s *session) close() {
	timer := time.AfterFunc(closeTimeout, func() { s.link.Close() })
	defer timer.Stop()
	s.virt.Disconnect() // the daemon may be gone: nothing to report then
	s.link.Close()
}

// do makes one call; fn is the name of libvirt's API function for it. When
// ctx ends first, the connection is closed, because go-libvirt's calls can't
// be given up otherwise, and the error is errInterrupted.
func (s *session) do(ctx context.Context, fn string, call func() error) error {
	stop := context.AfterFunc(ctx, func() { s.link.Close() })
	defer stop()
	err := call()
	var remote libvirt.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errInterrupted
	case errors.As(err, &remote):
		return remote
	case errors.Is(err, libvirt.ErrUnsupported):
		return unsupportedError(fn)
	}
	return s.link.lost()
}

// change is do for a call that changes something, which a read-only
// connection refuses.
func (s *session) change(ctx context.Context, fn string, call func() error) error {
	if s.readOnly {
		return libvirt.Error{
			Code:    uint32(libvirt.ErrOperationDenied),
			Message: "operation forbidden: read only access prevents " + fn,
		}
	}
	return s.do(ctx, fn, call)
}

// unsupportedError names an API function that the daemon doesn't have.
type unsupportedError string

func (e unsupportedError) Error() string {
	return "this function is not supported by the connection driver: " + string(e)
}

// hasCode reports whether err is the daemon's error of that number.
func hasCode(err error, code libvirt.ErrorNumber) bool {
	var remote libvirt.Error
	return errors.As(err, &remote) && remote.Code == uint32(code)
}
