package cli

import (
	"context"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// hasTermios reports whether a file descriptor is a terminal.
func hasTermios(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}

// keyMode makes a terminal give single keys, unechoed, and returns what
// undoes that. Ctrl-C keeps its meaning.
func keyMode(fd int) (restore func(), err error) {
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	raw := *old
	raw.Lflag &^= unix.ICANON | unix.ECHO
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETSF, &raw); err != nil {
		return nil, err
	}
	return func() {
		unix.IoctlSetTermios(fd, unix.TCSETSF, old) // nothing to be done about a terminal that is gone
	}, nil
}

// readKey reads one byte from a terminal. When ctx ends first, the reading
// goroutine is left to the end of the process, which is near.
func readKey(ctx context.Context, tty *os.File) (byte, error) {
	type result struct {
		key byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		var key [1]byte
		_, err := io.ReadFull(tty, key[:])
		done <- result{key[0], err}
	}()
	select {
	case r := <-done:
		return r.key, r.err
	case <-ctx.Done():
		return 0, errInterrupted
	}
}
