package admit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// ErrBusy says that ufw is at work: it takes its chains away and makes them
// anew step by step, and fails when there are rules that it did not make. What
// others have was applied.
var ErrBusy = errors.New("ufw is at work")

// UFWLock is the file that ufw holds a lock on while it is.
const UFWLock = "/run/ufw.lock"

// lock keeps ufw from beginning until release is called (ErrBusy). Where there
// is no such file, ufw has not been at work since the host was booted.
func (c *Conn) lock() (release func(), err error) {
	file, err := os.OpenFile(c.ufwLock, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	whole := unix.Flock_t{Type: unix.F_WRLCK}
	err = unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &whole)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		err = ErrBusy
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", c.ufwLock, err), file.Close())
	}
	return func() { _ = file.Close() }, nil // read from and written to by nobody
}
