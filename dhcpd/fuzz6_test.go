package dhcpd

import (
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/vnetmgr/vnetmgr/lease"
)

// Whatever a guest sends, the server lives, and what it replies is a DHCPv6
// message to the one who asked.
func FuzzHandle6(f *testing.F) {
	for _, a := range []ask6{
		{kind: solicit6, client: 1, ias: "1= 2= pd3= ta4=", rapid: true, fqdn: "\x01\x03web\x00", asked: []dhcpv6.OptionCode{23, 24}},
		{kind: request6k, client: 1, server: us6, ias: "1=fd00::100,fd01::1", valid: 600},
		{kind: renew6, client: 0x10, server: us6, ias: "1=fd00::100"},
		{kind: decline6, client: 1, server: us6, ias: "1=fd00::100"},
		{kind: release6, client: 1, server: us6, ias: "1=fd00::100"},
		{kind: confirm6, client: 1, ias: "1=fd00::100"},
		{kind: inform6},
		{kind: solicit6, client: 1, ias: "1=", relays: []string{"fd00::9", "::"}, mac6939: 0x11},
	} {
		f.Add(a.encode(f), false)
	}
	s, leases := newService6(testConfig6()), lease.NewTable()
	leases.SetPool6(s.pool())
	f.Fuzz(func(t *testing.T, data []byte, unicast bool) {
		r, err := parseRequest6(data)
		if err != nil {
			return
		}
		r.findMAC(nil)
		now := time.Now()
		answer := s.handle6(now, leases, &r, unicast)
		for _, c := range answer.changes {
			if err := c.apply(now, leases, nil); err != nil {
				t.Errorf("apply: %v", err)
			}
		}
		if answer.reply == nil {
			return
		}
		b := answer.reply.appendTo(nil)
		for range r.relays {
			var inner []byte
			if !options6(b[34:]).each(func(code dhcpv6.OptionCode, v []byte) {
				if code == dhcpv6.OptionRelayMsg {
					inner = v
				}
			}) {
				t.Fatal("a relay gets half a message")
			}
			b = inner
		}
		if whole := options6(b[4:]).each(func(dhcpv6.OptionCode, []byte) {}); !whole || [3]byte(b[1:]) != r.xid {
			t.Errorf("whole %v, reply to %x is %x", whole, r.xid, b)
		}
	})
}

func FuzzDatagram6(f *testing.F) {
	b := append(make([]byte, headers6), ask6{kind: solicit6, client: 1}.encode(f)...)
	sealDatagram6(b, addr("fe80::1"), allServers6, clientPort6, serverPort6)
	f.Add(b)
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, ok := parseDatagram6(data); ok && len(d.payload) > len(data)-headers6 {
			t.Errorf("%d bytes of payload in %d", len(d.payload), len(data))
		}
	})
}
