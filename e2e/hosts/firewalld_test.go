package hosts

import (
	"testing"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
)

func TestHost(t *testing.T) {
	s := newSite(t)
	s.systemctl(t, "start", "vnetmgr")
	t.Log(s.Must(t, "resolvectl", "query", "www.example.net"))
	s.Must(t, "vnetmgr", "net-start", "default")
	g := s.Guest(t, "virbr0", "web")
	a, ok := g.Udhcpc(t)
	t.Log(a, ok, g.Fetch(t, "www.example.net"))
	_ = lab.DNSAddr
}
