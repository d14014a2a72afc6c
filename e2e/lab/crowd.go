package lab

import (
	"fmt"
	"strings"
)

// Crowd is a machine with many links on a bridge, for guests whose files and
// processes do not matter.
type Crowd struct {
	*Machine
	count int
}

// CrowdLink is the name of the i-th link on the crowd's side.
func CrowdLink(i int) string { return fmt.Sprintf("g%d", i) }

// Crowd plugs count links into the bridge. They stay down until LinksUp.
func (h *Host) Crowd(t TB, bridge string, count int) *Crowd {
	t.Helper()
	c := &Crowd{Machine: NewMachine(t, "crowd"), count: count}
	var plug strings.Builder
	for i := range count {
		port := fmt.Sprintf("crowd%d", i)
		h.cable(t, port, c.Machine, CrowdLink(i), nil)
		fmt.Fprintf(&plug, "link set %s master %s up\n", port, bridge)
	}
	h.WriteFile(t, "/run/plug", plug.String(), 0o644)
	h.Must(t, "ip", "-batch", "/run/plug")
	var up strings.Builder
	for i := range count {
		fmt.Fprintf(&up, "link set %s up\n", CrowdLink(i))
	}
	c.WriteFile(t, "/run/up", up.String(), 0o644)
	return c
}

// LinksUp raises every link of the crowd.
func (c *Crowd) LinksUp(t TB) {
	t.Helper()
	c.Must(t, "ip", "-batch", "/run/up")
}
