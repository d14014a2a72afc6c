package network

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
)

const attachSixDoc = `<network><name>n</name><forward mode='route'/><bridge name='virbr7' stp='off'/><domain name='lan'/>
<ip address='192.168.77.1' netmask='255.255.255.0'><dhcp><range start='192.168.77.2' end='192.168.77.4'/></dhcp></ip>
<ip family='ipv6' address='fd00:77::1' prefix='64'><dhcp><range start='fd00:77::100' end='fd00:77::1ff'/></dhcp></ip></network>`

func TestAddressOfEveryRouterIsNoGuests(t *testing.T) {
	s := newSite(t)
	id := s.mustStart(attachSixDoc).UUID
	_, err := s.Attach(t.Context(), id, AttachRequest{Addr6: netip.MustParseAddr("fd00:77::")})
	if err == nil || !strings.Contains(err.Error(), "fd00:77:: is that of every router") {
		t.Errorf("error %v", err)
	}
}

func TestAttachedNamespaceHasBothFamilies(t *testing.T) {
	s := newSite(t)
	id := s.mustStart(attachSixDoc).UUID
	ns := kerneltest.New(t)
	a := s.mustAttach(id, AttachRequest{Netns: ns.Path(), Name: "box", MACRule: true, Addr6: netip.MustParseAddr("fd00:77::50")})
	ns.Run(t, "ping -c 1 -W 5 192.168.77.1; ping -c 1 -W 5 fd00:77::1; ip -6 route get 2001:db8::1 | grep -q 'via fd00:77::1'")
	if got := strings.TrimSpace(s.ns.Run(t, "dig +short @192.168.77.1 box.lan AAAA")); got != "fd00:77::50" {
		t.Errorf("box.lan is %q", got)
	}
	if got := s.leased(id); len(got) != 2 || !strings.HasPrefix(got[1], "fd00:77::50 "+a.MAC.String()) {
		t.Errorf("leases %q", got)
	}
	// Held to what it has: another address of the same subnet does not pass.
	ns.Run(t, "ip addr add fd00:77::51/64 dev eth0 nodad; ip addr add 192.168.77.51/24 dev eth0")
	for _, from := range []string{"fd00:77::51 fd00:77::1", "192.168.77.51 192.168.77.1"} {
		if err := ns.Command("sh", "-c", "ping -c 1 -W 1 -I "+from).Run(); err == nil {
			t.Errorf("%s: the guest uses an address that is not its own", from)
		}
	}
	s.ns.Run(t, "dig +short @192.168.77.1 box.lan A")
	if err := s.Detach(t.Context(), id, a.UUID); err != nil {
		t.Fatal(err)
	}
	if got := s.leased(id); len(got) != 0 {
		t.Errorf("leases after detach: %q", got)
	}
}
