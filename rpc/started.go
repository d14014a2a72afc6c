package rpc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// started returns when the process at the other end of a socket began, in
// clock ticks after boot; 0 if that can't be known any more.
func started(fd int, pid int32) uint64 {
	process, err := peerProcess(fd, pid)
	if err != nil {
		return 0
	}
	defer unix.Close(process)
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// What was read is the peer's if it still has its PID now.
	if unix.PidfdSendSignal(process, 0, nil, 0) != nil {
		return 0
	}
	return startTime(stat)
}

// peerProcess opens the peer. Before Linux 6.5 its number is all there is to
// go by: it may be another's since it connected.
func peerProcess(fd int, pid int32) (int, error) {
	if process, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEERPIDFD); err == nil {
		return process, nil
	}
	if pid <= 0 {
		return 0, unix.ESRCH
	}
	return unix.PidfdOpen(int(pid), 0)
}

// startTime is field 22 of proc_pid_stat(5). The second field, the program's
// name in parentheses, can hold anything.
func startTime(stat []byte) uint64 {
	const ofRest = 22 - 3
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= ofRest {
		return 0
	}
	t, err := strconv.ParseUint(string(fields[ofRest]), 10, 64)
	if err != nil {
		return 0
	}
	return t
}
