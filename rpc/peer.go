package rpc

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os/user"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Peer is the process at the other end of a UNIX socket, as the kernel noted
// it when it connected.
type Peer struct {
	PID    int32
	UID    uint32
	GID    uint32
	Groups []uint32 // supplementary
	// Started is when the process began, in clock ticks after boot: another of
	// the same PID has another. 0 for a process that has ended, or that is in
	// a PID namespace where we are not.
	Started uint64
}

// peerOf asks the kernel. The groups come from SO_PEERGROUPS, because
// /proc/PID may be another process by now.
func peerOf(conn net.Conn) (Peer, error) {
	uc, ok := conn.(*net.UnixConn)
	if !ok {
		return Peer{}, fmt.Errorf("peer of %s: not a UNIX socket", conn.RemoteAddr())
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var p Peer
	var sockErr error
	err = raw.Control(func(fd uintptr) { p, sockErr = peerOfSocket(int(fd)) })
	if err == nil {
		err = sockErr
	}
	if err != nil {
		return Peer{}, fmt.Errorf("credentials of a client: %w", err)
	}
	return p, nil
}

func peerOfSocket(fd int) (Peer, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Peer{}, err
	}
	groups, err := peerGroups(fd)
	return Peer{PID: cred.Pid, UID: cred.Uid, GID: cred.Gid, Groups: groups, Started: started(fd, cred.Pid)}, err
}

// peerGroups reads SO_PEERGROUPS (socket(7)): an array of gid_t, or ERANGE
// and the size it needs.
func peerGroups(fd int) ([]uint32, error) {
	size := uint32(4 * 64)
	for {
		buf := make([]byte, size)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0)
		if errno == unix.ERANGE && int(size) > len(buf) {
			continue
		}
		if errno != 0 {
			return nil, errno
		}
		var groups []uint32
		for b := range slices.Chunk(buf[:size], 4) {
			groups = append(groups, binary.NativeEndian.Uint32(b))
		}
		return groups, nil
	}
}

// AuthorizeGroup lets root and the members of the named group do everything,
// and everybody read. The group is looked up anew for each peer.
func AuthorizeGroup(name string) func(ctx context.Context, p Peer, readOnly bool) error {
	return func(_ context.Context, p Peer, readOnly bool) error {
		if p.UID == 0 || readOnly || p.inGroup(name) {
			return nil
		}
		return fmt.Errorf("user %d is neither root nor in group %s", p.UID, name)
	}
}

func (p Peer) inGroup(name string) bool {
	g, err := user.LookupGroup(name)
	if err != nil {
		return false // a host without the group has nobody in it
	}
	gid, err := strconv.ParseUint(g.Gid, 10, 32)
	if err != nil {
		return false
	}
	return p.GID == uint32(gid) || slices.Contains(p.Groups, uint32(gid))
}
