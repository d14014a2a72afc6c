package lease

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// logFile is the log, open for appending.
type logFile struct {
	f    *os.File
	size int64 // of what is known to be whole
	cut  bool  // there may be a part of a failed write behind size
}

// openLog opens a log that is whole.
func openLog(path string) (logFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return logFile{}, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		f.Close()
		return logFile{}, err
	}
	return logFile{f: f, size: size}, nil
}

// append writes b at the end and waits until it is on disk. After an error
// the log is as it was: what was written of b is cut off, now or before the
// next append.
func (l *logFile) append(b []byte) error {
	if l.cut {
		if err := l.cutOff(); err != nil {
			return err
		}
	}
	_, err := l.f.WriteAt(b, l.size)
	if err == nil {
		err = l.sync()
	}
	if err != nil {
		l.cut = true
		return errors.Join(err, l.cutOff())
	}
	l.size += int64(len(b))
	return nil
}

// sync waits until the file's contents are on disk.
func (l *logFile) sync() error {
	for {
		if err := unix.Fdatasync(int(l.f.Fd())); err != unix.EINTR {
			return err
		}
	}
}

// cutOff removes what a failed write left.
func (l *logFile) cutOff() error {
	if err := l.f.Truncate(l.size); err != nil {
		return err
	}
	if err := l.f.Sync(); err != nil {
		return err
	}
	l.cut = false
	return nil
}

func (l *logFile) close() error {
	if l.f == nil {
		return nil
	}
	return l.f.Close()
}

// lockFile takes an exclusive lock that ends with the process, and notes our
// process id in the file for whoever comes second.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		return nil, lockedBy(f, err)
	}
	if err := notePID(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func lockedBy(f *os.File, err error) error {
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	pid, _ := io.ReadAll(io.LimitReader(f, 32))
	return fmt.Errorf("in use by another daemon (pid %s)", bytes.TrimSpace(pid))
}

func notePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// syncDir makes a rename in path's directory last.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
