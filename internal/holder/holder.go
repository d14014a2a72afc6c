// Package holder finds out which process holds a socket's address, so that an
// "address already in use" can name the program to stop.
package holder

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// tcpListen is TCP_LISTEN as /proc/net/tcp prints it.
const tcpListen = "0A"

// Of returns the name and id of the process whose socket keeps others from
// binding ap: one bound to that address or to the wildcard of either family,
// with the same port. Proto is "udp" or "tcp" (listening sockets only). It
// returns ok=false when there is none, or when its process can't be seen.
// It looks at the network namespace of the calling thread.
func Of(proto string, ap netip.AddrPort) (name string, pid int, ok bool) {
	inodes := socketsOn(proto, ap)
	if len(inodes) == 0 {
		return "", 0, false
	}
	return processWith(inodes)
}

// Explain adds the holder of ap to err, an error from binding it. It returns
// err itself when the holder is not known.
func Explain(err error, proto string, ap netip.AddrPort) error {
	name, pid, ok := Of(proto, ap)
	if !ok {
		return err
	}
	return fmt.Errorf("%s port %d is held by %s (pid %d): %w", proto, ap.Port(), name, pid, err)
}

// socketsOn returns the inodes of the sockets that conflict with ap.
func socketsOn(proto string, ap netip.AddrPort) map[string]bool {
	found := map[string]bool{}
	for _, table := range []string{proto, proto + "6"} {
		f, err := os.Open("/proc/thread-self/net/" + table)
		if err != nil {
			continue // no IPv6
		}
		matchSockets(f, proto == "tcp", ap, found)
		f.Close()
	}
	return found
}

// matchSockets adds to found the inodes of the sockets in a table of
// proc_net_tcp(5)'s form that conflict with ap.
func matchSockets(table io.Reader, listening bool, ap netip.AddrPort, found map[string]bool) {
	sc := bufio.NewScanner(table)
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		if len(f) < 10 || (listening && f[3] != tcpListen) {
			continue
		}
		local, ok := parseLocal(f[1])
		if ok && conflicts(local, ap) {
			found[f[9]] = true
		}
	}
}

// conflicts tells whether a socket bound to local keeps others from ap.
func conflicts(local, ap netip.AddrPort) bool {
	if local.Port() != ap.Port() {
		return false
	}
	same := local.Addr().Unmap() == ap.Addr().Unmap().WithZone("")
	return same || local.Addr().IsUnspecified() || ap.Addr().IsUnspecified()
}

// parseLocal reads "0100007F:0035": an address as 32-bit words in the order
// of the machine, and a port.
func parseLocal(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	if !ok {
		return netip.AddrPort{}, false
	}
	b, err := hex.DecodeString(host)
	if err != nil {
		return netip.AddrPort{}, false
	}
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	for i := 0; i+4 <= len(b); i += 4 {
		nativeWord(b[i : i+4])
	}
	addr, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr, uint16(p)), ok
}

// nativeWord turns a word that the kernel printed as a number of the
// machine's byte order into network order, in place.
func nativeWord(b []byte) {
	binary.BigEndian.PutUint32(b, binary.NativeEndian.Uint32(b))
}

// processWith finds a process that has one of the sockets open.
func processWith(inodes map[string]bool) (name string, pid int, ok bool) {
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return "", 0, false
	}
	for _, dir := range procs {
		if !holdsSocket(dir, inodes) {
			continue
		}
		comm, err := os.ReadFile(dir + "/comm")
		if err != nil {
			continue // it has just ended
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		return strings.TrimSpace(string(comm)), pid, true
	}
	return "", 0, false
}

// holdsSocket tells whether the process of a /proc directory has one of the
// sockets open.
func holdsSocket(dir string, inodes map[string]bool) bool {
	fds, err := os.ReadDir(dir + "/fd")
	if err != nil {
		return false
	}
	for _, fd := range fds {
		target, err := os.Readlink(dir + "/fd/" + fd.Name())
		if err != nil {
			continue
		}
		inode, ok := strings.CutPrefix(target, "socket:[")
		if ok && inodes[strings.TrimSuffix(inode, "]")] {
			return true
		}
	}
	return false
}
