package network

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/port"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

func TestResolverOfANamespaceIsOfALinkThatIsThere(t *testing.T) {
	s := newSite(t)
	link := func(doc, addr string) *port.Attachment {
		return &port.Attachment{
			UUID: xmlnet.NewUUID(), Network: s.mustStart(doc).UUID, Addr: netip.MustParseAddr(addr), Netns: &port.Netns{Name: "box"},
		}
	}
	one := link(attachDoc, "192.168.77.2")
	two := link(strings.NewReplacer("192.168.77.", "192.168.78.", "<name>n<", "<name>m<", "virbr7", "virbr8").Replace(attachDoc), "192.168.78.2")
	path := filepath.Join(s.dir, "netns", "box", "resolv.conf")
	names := func(want string) {
		t.Helper()
		text, _ := os.ReadFile(path)
		if _, got, _ := strings.Cut(strings.TrimSpace(string(text)), "nameserver "); got != want {
			t.Errorf("the resolver is %q, want %q", got, want)
		}
	}
	for _, a := range []*port.Attachment{one, two} {
		s.setAttached(a.UUID, a)
		if err := s.writeResolvConf(s.byID[a.Network].live, a); err != nil {
			t.Fatal(err)
		}
		names("192.168.77.1")
	}
	remove := func(a *port.Attachment, left string) {
		t.Helper()
		if err := s.removeResolvConf(a); err != nil {
			t.Fatal(err)
		}
		s.setAttached(a.UUID, nil)
		names(left)
	}
	remove(one, "192.168.78.1")
	remove(two, "")
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		t.Error("the folder is left")
	}
}
