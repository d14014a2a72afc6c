package dhcpd

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// withHolder adds to an "address already in use" error who uses it, as far as
// /proc tells. Other errors stay as they are.
func withHolder(err error, server netip.Addr) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	who := holders(server, serverPort4)
	if len(who) == 0 {
		return syscall.EADDRINUSE
	}
	return fmt.Errorf("%w by %s", syscall.EADDRINUSE, strings.Join(who, " or "))
}

// holders returns, as "dnsmasq (pid 1234)", the programs with a UDP socket
// that has a port of an address or of all addresses.
func holders(a netip.Addr, port uint16) []string {
	inodes := udpInodes(a, port)
	if len(inodes) == 0 {
		return nil
	}
	var found []string
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range processes {
		if hasSocket(dir, inodes) {
			name, _ := os.ReadFile(dir + "/comm")
			found = append(found, fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(name)), filepath.Base(dir)))
		}
	}
	return found
}

// udpInodes returns the sockets that have a port, as their links in
// /proc/PID/fd read.
func udpInodes(a netip.Addr, port uint16) map[string]bool {
	f, err := os.Open("/proc/thread-self/net/udp")
	if err != nil {
		return nil
	}
	defer f.Close()
	inodes := make(map[string]bool)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 {
			continue
		}
		local, ok := parseProcAddr(fields[1])
		if ok && local.Port() == port && (local.Addr() == a || local.Addr().IsUnspecified()) {
			inodes["socket:["+fields[9]+"]"] = true
		}
	}
	return inodes
}

// parseProcAddr reads an address as /proc/net/udp has it: the bytes of the
// address as one number of this machine's, and the port.
func parseProcAddr(s string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(s, ":")
	h, err1 := strconv.ParseUint(host, 16, 32)
	p, err2 := strconv.ParseUint(port, 16, 16)
	if err1 != nil || err2 != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(netip.AddrFrom4(nativeBytes(uint32(h))), uint16(p)), true
}

// hasSocket tells whether a process has one of the sockets open.
func hasSocket(dir string, inodes map[string]bool) bool {
	fds, err := os.ReadDir(dir + "/fd")
	if err != nil {
		return false
	}
	for _, fd := range fds {
		if link, err := os.Readlink(dir + "/fd/" + fd.Name()); err == nil && inodes[link] {
			return true
		}
	}
	return false
}
