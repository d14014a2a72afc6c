package dhcpd

import (
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/vnetmgr/vnetmgr/lease"
)

// Whatever a guest sends, the server lives, and what it replies is a DHCP
// message that fits, to the one who asked.
func FuzzHandle4(f *testing.F) {
	for _, a := range []ask{
		{kind: discover, mac: 1, prl: everything, name: "web.example.org", id: "id"},
		{kind: request, mac: 1, ip: "192.168.122.27", server: us, fqdn: "\x05\x00\x00\x03web\x00", max: 300},
		{kind: request, mac: 1, ci: "192.168.122.27", lease: 5},
		{kind: decline, mac: 1, ip: "192.168.122.27", server: us},
		{kind: release, mac: 1, ci: "192.168.122.27"},
		{kind: inform, mac: 0x10, ci: "192.168.122.10", prl: "none"},
		{kind: bootp, mac: 0x11},
		{kind: discover, mac: 0x13, gi: "192.168.122.9", agent: "\x01\x02ab"},
	} {
		f.Add(a.encode(f), true)
	}
	s, leases := newService4(testConfig()), lease.NewTable()
	leases.SetPool(s.pool())
	f.Fuzz(func(t *testing.T, data []byte, unicast bool) {
		r, err := parseRequest4(data)
		if err != nil {
			return
		}
		now := time.Now()
		answer := s.handle4(now, leases, &r, unicast)
		// An address may turn out to be taken; that is an error, not a crash.
		_ = answer.change.apply(now, leases, nil)
		if answer.reply == nil {
			return
		}
		b := answer.reply.appendTo(nil)
		m, err := dhcpv4.FromBytes(b)
		if err != nil {
			t.Fatal(err)
		}
		if m.TransactionID != r.xid || m.OpCode != dhcpv4.OpcodeBootReply || m.ClientHWAddr.String() != r.mac.String() {
			t.Errorf("the reply is not to the request: %v", m)
		}
		if len(b) > max(r.maxSize, minReply4) {
			t.Errorf("reply of %d bytes, the client takes %d", len(b), r.maxSize)
		}
	})
}

func FuzzDatagram4(f *testing.F) {
	b := append(make([]byte, ipUDPHeader), ask{kind: discover, mac: 1}.encode(f)...)
	sealDatagram4(b, addr("0.0.0.0"), limitedBroadcast)
	f.Add(b)
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, ok := parseDatagram4(data); ok && len(d.payload) > len(data)-ipUDPHeader {
			t.Errorf("%d bytes of payload in %d", len(d.payload), len(data))
		}
	})
}

func FuzzARP(f *testing.F) {
	f.Add(append([]byte{0, 1, 8, 0, 6, 4, 0, 1}, make([]byte, 20)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, ok := parseARP(data); ok && (!s.addr.Is4() || len(s.mac) != 6) {
			t.Errorf("sighting %v", s)
		}
	})
}
