// Package virtnetworkd ends what libvirt's network daemon, which has ended
// itself, leaves running on a host: dnsmasq and firewall rules of its active
// networks. virtnetworkd says what they are in its directory of status files
// (/run/libvirt/network), where it also has its lock.
package virtnetworkd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrRuns says that a virtnetworkd, or another daemon in its role, runs.
var ErrRuns = errors.New("virtnetworkd, or another daemon in its role, runs")

// Lock takes the lock by which libvirt lets one network driver at a time use
// the directory (src/util/virpidfile.c): virtnetworkd, and libvirtd with a
// network driver, will not start until release, or the end of this process.
// The error wraps ErrRuns if one of them has it.
func Lock(dir string) (release func() error, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	path := filepath.Join(dir, "driver.pid")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Len: 1}
	err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		err = ErrRuns
	}
	if err == nil {
		err = writePid(f)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	// The file stays: one that was removed while another waits for it would be
	// two locks.
	return f.Close, nil
}

func writePid(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt(fmt.Appendf(nil, "%d", os.Getpid()), 0)
	return err
}
