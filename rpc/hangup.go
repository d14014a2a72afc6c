package rpc

import (
	"context"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// untilHangup returns a context that ends when the client closes its
// connection, for a call that may take long while nothing else is read. stop
// ends the watch; nothing must be read before.
func (c *client) untilHangup(ctx context.Context) (watched context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	conn, ok := c.conn.(*net.UnixConn)
	if !ok {
		return ctx, cancel
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return ctx, cancel
	}
	conn.SetReadDeadline(time.Time{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		var gone bool
		if err := raw.Read(func(fd uintptr) bool {
			var settled bool
			gone, settled = peek(int(fd))
			return settled
		}); err == nil && gone {
			cancel()
		}
	}()
	return ctx, func() {
		conn.SetReadDeadline(time.Unix(1, 0)) // ends Read
		<-done
		conn.SetReadDeadline(time.Now().Add(c.srv.opts.AuthTimeout))
		cancel()
	}
}

// peek tells whether the other end has closed a socket. Until it has, or has
// sent something, that is not settled.
func peek(fd int) (gone, settled bool) {
	n, _, err := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if err == unix.EAGAIN || err == unix.EINTR {
		return false, false
	}
	return n <= 0, true
}
