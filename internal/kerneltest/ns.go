// Package kerneltest gives tests a network namespace of their own in the real
// kernel, so that they neither see nor change the machine's interfaces,
// firewall and sysctls. It works as root and under `unshare -rn`.
//
// A namespace is held by file descriptors, not by a thread: [NS.Do] enters it
// on a fresh thread that dies afterwards, so no goroutine of the program under
// test can ever be scheduled into it by accident.
package kerneltest

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// NS is a network namespace with a mount namespace of its own, in which /sys
// shows the network namespace's links (where the kernel lets us mount it) and
// mounts made by a test are seen by nobody else.
type NS struct {
	net, mnt *os.File
}

// New makes a network namespace with its loopback up. It goes away with the
// test, after every process that still runs in it was killed.
//
// Where namespaces are not permitted the test is skipped, but fails if it runs
// as root or in CI (environment CI=true), where that must not pass unnoticed.
func New(t testing.TB) *NS {
	t.Helper()
	ns := &NS{}
	var err error
	onThread(func() { err = ns.unshare() })
	switch {
	case errors.Is(err, unix.EPERM) && os.Getuid() != 0 && os.Getenv("CI") != "true":
		t.Skipf("needs root or unshare -rn: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.close(t) })
	return ns
}

// unshare moves the calling thread into new namespaces and keeps descriptors
// of them. The thread cannot be used for anything else afterwards.
func (ns *NS) unshare() error {
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	// A sysfs shows the network namespace it was mounted in. Some containers
	// forbid mounting it; netlink and /proc/sys do not need it.
	_ = unix.Mount("sysfs", "/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	if err := upLoopback(); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	var err error
	if ns.net, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return err
	}
	ns.mnt, err = os.Open("/proc/thread-self/ns/mnt")
	return err
}

func upLoopback() error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	lo, err := h.LinkByName("lo")
	if err != nil {
		return err
	}
	return h.LinkSetUp(lo)
}

// Do runs f on a thread inside the namespace and returns when f did. Sockets
// that f opens stay in the namespace wherever they are used later; goroutines
// that f starts are outside of it.
//
// A panic in f goes on in the caller, and so does the end of the test by
// t.Fatal or t.Skip, which may therefore be used in f.
func (ns *NS) Do(f func()) {
	onThread(func() {
		if err := ns.enter(); err != nil {
			panic(err)
		}
		f()
	})
}

func (ns *NS) enter() error {
	// Without its own working directory and root a thread cannot change its
	// mount namespace.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare the working directory: %w", err)
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := unix.Setns(ns.Fd(), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the network namespace: %w", err)
	}
	if err := unix.Setns(int(ns.mnt.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter the mount namespace: %w", err)
	}
	// Entering a mount namespace also moves to its root directory.
	return unix.Chdir(dir)
}

// Fd returns a descriptor of the network namespace, valid until the test ends.
func (ns *NS) Fd() int { return int(ns.net.Fd()) }

// Path returns a path of the network namespace that other programs can open,
// as in `ip link set tap0 netns PATH`, valid until the test ends.
func (ns *NS) Path() string { return fdPath(ns.net) }

func fdPath(f *os.File) string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())
}

func (ns *NS) close(t testing.TB) {
	ns.killAll(t)
	if err := errors.Join(ns.net.Close(), ns.mnt.Close()); err != nil {
		t.Error(err)
	}
}

// onThread runs f on a thread that ends with it, and ends the caller as f
// ended: by returning, panicking or runtime.Goexit.
func onThread(f func()) {
	var (
		done     = make(chan struct{})
		returned bool
		panicked any
	)
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		runtime.LockOSThread() // and never unlocked: the thread dies
		if unix.Gettid() == unix.Getpid() {
			// The main thread stands for the process in /proc/self and does
			// not die: keep it busy, so that another one is taken.
			defer runtime.UnlockOSThread()
			onThread(f)
			returned = true
			return
		}
		f()
		returned = true
	}()
	<-done
	if panicked != nil {
		panic(panicked)
	}
	if !returned {
		runtime.Goexit()
	}
}
