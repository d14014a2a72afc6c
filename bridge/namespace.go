package bridge

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Namespace is a network namespace that is not ours, kept from going while it
// is open.
type Namespace struct {
	file *os.File
	id   NamespaceID
}

// NamespaceID tells network namespaces of one boot apart, while they are.
type NamespaceID struct{ Dev, Inode uint64 }

// ErrNoNamespace says that a file is not a network namespace.
var ErrNoNamespace = errors.New("not a network namespace")

// OpenNamespace opens the namespace that the file at path is: /run/netns/NAME
// or /proc/PID/ns/net.
func OpenNamespace(path string) (*Namespace, error) {
	// First only its place, as it may be a device that acts when it is opened.
	place, err := os.OpenFile(path, unix.O_PATH, 0)
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	defer place.Close()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(place.Fd()), &fs); err != nil || fs.Type != unix.NSFS_MAGIC {
		return nil, fmt.Errorf("open network namespace %s: %w", path, errors.Join(ErrNoNamespace, err))
	}
	f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", place.Fd()))
	if err != nil {
		return nil, fmt.Errorf("open network namespace %s: %w", path, err)
	}
	var st unix.Stat_t
	kind, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
	if err == nil && kind != unix.CLONE_NEWNET {
		err = ErrNoNamespace
	}
	if err = errors.Join(err, unix.Fstat(int(f.Fd()), &st)); err != nil {
		f.Close()
		return nil, fmt.Errorf("open network namespace %s: %w", path, err)
	}
	return &Namespace{file: f, id: NamespaceID{Dev: st.Dev, Inode: st.Ino}}, nil
}

// Close lets the namespace go.
func (n *Namespace) Close() error { return n.file.Close() }

// ID returns what tells it from others.
func (n *Namespace) ID() NamespaceID { return n.id }

// OwnerUID returns the user who owns the namespace: who made the user namespace
// that it belongs to, root for those that root made.
func (n *Namespace) OwnerUID() (uint32, error) {
	fd, err := unix.IoctlRetInt(int(n.file.Fd()), unix.NS_GET_USERNS)
	if err != nil {
		return 0, fmt.Errorf("find the owner of a network namespace: %w", err)
	}
	defer unix.Close(fd)
	uid, err := unix.IoctlGetUint32(fd, unix.NS_GET_OWNER_UID)
	if err != nil {
		return 0, fmt.Errorf("find the owner of a network namespace: %w", err)
	}
	return uid, nil
}

// IsOwn tells whether it is the one that the calling thread is in.
func (n *Namespace) IsOwn() bool {
	var st unix.Stat_t
	err := unix.Stat(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), &st)
	return err == nil && n.id == NamespaceID{Dev: st.Dev, Inode: st.Ino}
}

// open connects to the kernel in the namespace. Its sysctls are not seen
// through the connection. The thread that goes there never comes back: it ends.
func (n *Namespace) open() (c *Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err = unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("enter network namespace: %w", permission(err))
			return
		}
		c, err = Open()
	}()
	<-done
	return c, err
}
