package dhcpd

import (
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/vnetmgr/vnetmgr/lease"
)

// A lease is ended by its own client only: another may go by its identifier,
// and where that is one client, it can.
func TestNobodyEndsAnothersLeaseByItsIdentifier(t *testing.T) {
	four := lease.Lease{Addr: addr("192.168.122.9"), MAC: macOf(1), HType: 1, ClientID: duidOf(1)}
	six := lease.Lease{Addr: addr("fd00::100"), MAC: macOf(1), ClientID: duidOf(1), IAID: 1}
	leases := lease.NewTable()
	for _, l := range []lease.Lease{four, six} {
		if err := leases.Bind(l, nil); err != nil {
			t.Fatal(err)
		}
	}
	ends4 := func(oneClient bool, kind dhcpv4.MessageType, mac int) bool {
		s := newService4(testConfig())
		s.OneClient = oneClient
		r := &request4{kind: kind, htype: 1, mac: macOf(mac), clientID: duidOf(1), requested: four.Addr, ciaddr: four.Addr}
		return s.handle4(time.Now(), leases, r, false).change.kind != noChange
	}
	ends6 := func(oneClient bool, kind dhcpv6.MessageType, mac int) bool {
		s := newService6(testConfig6())
		s.OneClient = oneClient
		r := &request6{kind: kind, mac: macOf(mac), clientID: duidOf(1), serverID: []byte(us6), peer: netip.IPv6Unspecified()}
		r.ias = []ia6{{kind: dhcpv6.OptionIANA, id: 1, hints: []hint6{{addr: six.Addr}}}}
		return len(s.handle6(time.Now(), leases, r, false).changes) > 0
	}
	for _, c := range []struct {
		mac             int
		oneClient, want bool
	}{{1, false, true}, {2, false, false}, {2, true, true}} {
		for what, got := range map[string]bool{
			"DHCPv4 release": ends4(c.oneClient, dhcpv4.MessageTypeRelease, c.mac),
			"DHCPv4 decline": ends4(c.oneClient, dhcpv4.MessageTypeDecline, c.mac),
			"DHCPv6 release": ends6(c.oneClient, release6, c.mac),
			"DHCPv6 decline": ends6(c.oneClient, decline6, c.mac),
		} {
			if got != c.want {
				t.Errorf("%s from MAC %d, one client %v: ends the lease: %v", what, c.mac, c.oneClient, got)
			}
		}
	}
}
