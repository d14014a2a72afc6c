package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vnetmgr/vnetmgr/neighbour"
)

// What guests said once they do not say again for a daemon that restarts: the
// addresses that they made themselves are in a file of the run directory, from
// where the next daemon asks for them.

// rememberPause is between two writings of the file: a host that boots has all
// its guests talk at once.
const rememberPause = time.Second

// remember keeps a file in step with the addresses of guests' own making,
// until ctx ends. If the network does, so does the file.
func (n *names) remember(ctx context.Context, log *slog.Logger, path string) {
	for {
		select {
		case <-n.learned:
		case <-ctx.Done():
			if context.Cause(ctx) == errEnded {
				_ = os.Remove(path) // the directory ends with the boot
			}
			return
		}
		if err := replaceMACs(path, n.madeText()); err != nil {
			log.Warn("remember the addresses of guests", "err", err)
		}
		select {
		case <-time.After(rememberPause):
		case <-ctx.Done():
		}
	}
}

// madeText is the file's text: lines of an address and the MAC address of who
// has it.
func (n *names) madeText() []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	lines := make([]string, 0, len(n.made))
	for addr, mac := range n.made {
		lines = append(lines, fmt.Sprintf("%s %s\n", addr, mac))
	}
	slices.Sort(lines)
	return []byte(strings.Join(lines, ""))
}

// recall reads such a file. Lines that cannot be read are left out, and a file
// that is not there has none.
func recall(path string) ([]neighbour.Neighbour, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var all []neighbour.Neighbour
	for line := range strings.Lines(string(text)) {
		addr, mac, _ := strings.Cut(strings.TrimSpace(line), " ")
		a, err := netip.ParseAddr(addr)
		hw, err2 := net.ParseMAC(mac)
		if m, ok := neighbour.ParseMAC(hw); ok && errors.Join(err, err2) == nil {
			all = append(all, neighbour.Neighbour{Addr: a, MAC: m})
		}
	}
	return all, nil
}
