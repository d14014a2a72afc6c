package dhcpd

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/vnetmgr/vnetmgr/lease"
)

// ask is a request in a conversation. Its zero fields are not sent.
type ask struct {
	kind      dhcpv4.MessageType
	mac       int // the last byte of 52:54:00:00:00:00
	ip        string
	server    string
	ci, gi    string
	id        string
	name      string
	fqdn      string // as sent
	prl       string // option codes as bytes; "none" sends no list
	lease     uint32
	max       uint16
	agent     string
	broadcast bool
	unicast   bool
}

const (
	discover = dhcpv4.MessageTypeDiscover
	request  = dhcpv4.MessageTypeRequest
	decline  = dhcpv4.MessageTypeDecline
	release  = dhcpv4.MessageTypeRelease
	inform   = dhcpv4.MessageTypeInform
	bootp    = dhcpv4.MessageTypeNone

	us = "192.168.122.1"
	// everything is a parameter request list with all that we may send, and
	// what we never do: 66, 67 and 119.
	everything = "\x01\x03\x06\x0c\x0f\x1a\x1c\x33\x3a\x3b\x42\x43\x51\x77"
)

// encode makes the packet.
func (a ask) encode(t testing.TB) []byte {
	t.Helper()
	m := &dhcpv4.DHCPv4{
		OpCode: dhcpv4.OpcodeBootRequest, HWType: 1, TransactionID: dhcpv4.TransactionID{1, 2, 3, 4},
		ClientHWAddr: macOf(a.mac), ClientIPAddr: ipOf(a.ci), GatewayIPAddr: ipOf(a.gi), Options: dhcpv4.Options{},
	}
	if a.broadcast {
		m.SetBroadcast()
	}
	set := func(code dhcpv4.OptionCode, v string) {
		if v != "" {
			m.Options[code.Code()] = []byte(v)
		}
	}
	set(dhcpv4.OptionDHCPMessageType, strings.Trim(string([]byte{byte(a.kind)}), "\x00"))
	set(dhcpv4.OptionRequestedIPAddress, string(ipOf(a.ip)))
	set(dhcpv4.OptionServerIdentifier, string(ipOf(a.server)))
	set(dhcpv4.OptionClientIdentifier, a.id)
	set(dhcpv4.OptionHostName, a.name)
	set(dhcpv4.OptionFQDN, a.fqdn)
	set(dhcpv4.OptionRelayAgentInformation, a.agent)
	if a.lease != 0 {
		set(dhcpv4.OptionIPAddressLeaseTime, string(binary.BigEndian.AppendUint32(nil, a.lease)))
	}
	if a.max != 0 {
		set(dhcpv4.OptionMaximumDHCPMessageSize, string(binary.BigEndian.AppendUint16(nil, a.max)))
	}
	switch a.prl {
	case "none":
	case "":
		set(dhcpv4.OptionParameterRequestList, "\x01")
	default:
		set(dhcpv4.OptionParameterRequestList, a.prl)
	}
	return m.ToBytes()
}

func macOf(n int) net.HardwareAddr { return net.HardwareAddr{0x52, 0x54, 0, 0, byte(n >> 8), byte(n)} }

func ipOf(s string) net.IP {
	if s == "" {
		return nil
	}
	return net.ParseIP(s).To4()
}

// describe formats a reply: its kind, where it goes, its fields and its
// options in their order, without the message type and our server id.
func describe(t testing.TB, p *reply4) string {
	t.Helper()
	if p == nil {
		return "silence"
	}
	b := p.appendTo(nil)
	m, err := dhcpv4.FromBytes(b)
	if err != nil {
		t.Fatalf("reply does not parse: %v", err)
	}
	var s []string
	if p.kind == dhcpv4.MessageTypeNone {
		s = append(s, "BOOTP")
	} else {
		s = append(s, m.MessageType().String())
	}
	if !m.YourIPAddr.IsUnspecified() {
		s = append(s, m.YourIPAddr.String())
	}
	s = append(s, "to "+destination(p))
	if m.BootFileName != "" {
		s = append(s, "file="+m.BootFileName+" next="+m.ServerIPAddr.String())
	}
	return strings.Join(append(s, describeOptions(b[headerSize4:])...), " ")
}

func destination(p *reply4) string {
	f := newFrame4(p, netip.MustParseAddr(us))
	to := "all"
	switch {
	case f.relay.IsValid():
		return "relay " + f.relay.String()
	case f.mac != nil:
		to = fmt.Sprintf("mac %d", f.mac[5])
	}
	if dst := netip.AddrFrom4([4]byte(f.b[16:20])); dst != limitedBroadcast && dst != p.yiaddr {
		to += " at " + dst.String()
	}
	return to
}

func describeOptions(b []byte) []string {
	var s []string
	for b[0] != 255 {
		code, v := b[0], b[2:2+b[1]]
		b = b[2+b[1]:]
		switch code {
		case 53:
		case 54:
			if s := net.IP(v).String(); s != us {
				return []string{"server id " + s}
			}
		case 51, 58, 59:
			s = append(s, fmt.Sprintf("%d=%d", code, binary.BigEndian.Uint32(v)))
		case 26:
			s = append(s, fmt.Sprintf("%d=%d", code, binary.BigEndian.Uint16(v)))
		case 1, 3, 6, 28:
			s = append(s, fmt.Sprintf("%d=%s", code, net.IP(v)))
		case 12, 15, 56:
			s = append(s, fmt.Sprintf("%d=%s", code, v))
		default:
			s = append(s, fmt.Sprintf("%d=%q", code, v))
		}
	}
	return s
}

func testConfig() Config4 {
	return Config4{
		Link: "virbr0", Server: netip.MustParsePrefix(us + "/24"),
		Ranges: []Range{{Start: addr("192.168.122.2"), End: addr("192.168.122.254")}},
		Reservations: []Reservation{
			{MAC: macOf(0x10), Addr: addr("192.168.122.10"), Name: "fixed"},
			{MAC: macOf(0x11), Addr: addr("192.168.122.11"), Name: "forever", Lease: LeaseTime{Infinite: true}},
			{Name: "byname", Addr: addr("192.168.122.12")},
			{ClientID: []byte{0xaa, 0xbb}, Addr: addr("192.168.122.13"), Name: "byid"},
			{MAC: macOf(0x15), Addr: addr("192.168.122.15"), Lease: LeaseTime{Duration: 300 * time.Second}},
		},
		Router: true, DNS: true, Domain: "example.org", MTU: 1400,
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

const (
	hour   = " 51=3600 58=1800 59=3150"
	mask   = " 1=255.255.255.0 28=192.168.122.255"
	basics = hour + mask
	extras = " 3=192.168.122.1 6=192.168.122.1 15=example.org"
)

// What is expected here, dnsmasq 2.90 with libvirt's configuration was seen to
// do, except where a comment says otherwise.
func TestConversations(t *testing.T) {
	type step struct {
		after time.Duration
		ask   ask
		want  string
	}
	for _, tt := range []struct {
		name   string
		change func(*Config4)
		steps  []step
	}{
		{"a new client gets the address its MAC hashes to", nil, []step{
			{0, ask{kind: discover, mac: 1}, "OFFER 192.168.122.27 to mac 1" + basics},
			{0, ask{kind: request, mac: 1, ip: "192.168.122.27", server: us}, "ACK 192.168.122.27 to mac 1" + basics},
			{0, ask{kind: discover, mac: 1}, "OFFER 192.168.122.27 to mac 1" + basics},
		}},
		{"options go only to who asks, in a fixed order", nil, []step{
			{0, ask{kind: discover, mac: 1, prl: everything}, "OFFER 192.168.122.27 to mac 1" + basics + extras + " 26=1400"},
			{0, ask{kind: discover, mac: 1, prl: "\x0f\x03"}, "OFFER 192.168.122.27 to mac 1" + basics + " 3=192.168.122.1 15=example.org"},
		}},
		{"who sends no list gets everything", nil, []step{
			{0, ask{kind: discover, mac: 1, prl: "none"}, "OFFER 192.168.122.27 to mac 1" + basics + extras + " 26=1400"},
		}},
		{"nothing is offered that the network has not", func(c *Config4) {
			c.Router, c.DNS, c.Domain, c.MTU = false, false, "", 0
		}, []step{
			{0, ask{kind: discover, mac: 1, prl: everything}, "OFFER 192.168.122.27 to mac 1" + basics},
		}},
		{"the boot file is in the header", func(c *Config4) { c.BootFile = "pxe.0" }, []step{
			{0, ask{kind: discover, mac: 1, prl: everything}, "OFFER 192.168.122.27 to mac 1 file=pxe.0 next=192.168.122.1" + basics + extras + " 26=1400"},
		}},
		{"the next server is the one given", func(c *Config4) { c.BootFile, c.BootServer = "pxe.0", addr("10.9.8.7") }, []step{
			{0, ask{kind: discover, mac: 1}, "OFFER 192.168.122.27 to mac 1 file=pxe.0 next=10.9.8.7" + basics},
		}},
		{"a free address that is asked for is offered", nil, []step{
			{0, ask{kind: discover, mac: 1, ip: "192.168.122.140"}, "OFFER 192.168.122.140 to mac 1" + basics},
			{0, ask{kind: discover, mac: 2, ip: "192.168.122.140"}, "OFFER 192.168.122.28 to mac 2" + basics},
			{0, ask{kind: discover, mac: 3, ip: "192.168.122.10"}, "OFFER 192.168.122.29 to mac 3" + basics},
			{0, ask{kind: discover, mac: 4, ip: "10.0.0.1"}, "OFFER 192.168.122.30 to mac 4" + basics},
			{0, ask{kind: discover, mac: 5, ip: us}, "OFFER 192.168.122.31 to mac 5" + basics},
		}},
		{"a client that cannot receive unicast is answered by broadcast", nil, []step{
			{0, ask{kind: discover, mac: 1, broadcast: true}, "OFFER 192.168.122.27 to all" + basics},
		}},
		{"reservations by MAC, client id and name", nil, []step{
			{0, ask{kind: discover, mac: 0x10, prl: "\x0c"}, "OFFER 192.168.122.10 to mac 16" + basics + " 12=fixed"},
			{0, ask{kind: discover, mac: 0x10, prl: "\x0c", name: "mine"}, "OFFER 192.168.122.10 to mac 16" + basics},
			{0, ask{kind: request, mac: 0x10, prl: "\x0c", ip: "192.168.122.10", server: us, name: "mine"}, "ACK 192.168.122.10 to mac 16" + basics + " 12=fixed"},
			{0, ask{kind: discover, mac: 0x13, id: "\xaa\xbb", prl: "\x0c"}, "OFFER 192.168.122.13 to mac 19" + basics + " 12=byid"},
			{0, ask{kind: discover, mac: 0x12, name: "ByName.example.org"}, "OFFER 192.168.122.12 to mac 18" + basics},
		}},
		{"lease times", nil, []step{
			{0, ask{kind: discover, mac: 0x15}, "OFFER 192.168.122.15 to mac 21 51=300 58=150 59=262" + mask},
			{0, ask{kind: discover, mac: 0x15, lease: 200}, "OFFER 192.168.122.15 to mac 21 51=200 58=100 59=175" + mask},
			{0, ask{kind: discover, mac: 0x15, lease: 1}, "OFFER 192.168.122.15 to mac 21 51=120 58=60 59=105" + mask},
			{0, ask{kind: discover, mac: 0x15, lease: infinite32}, "OFFER 192.168.122.15 to mac 21 51=300 58=150 59=262" + mask},
			{0, ask{kind: discover, mac: 0x11}, "OFFER 192.168.122.11 to mac 17 51=4294967295" + mask},
			{0, ask{kind: discover, mac: 0x11, lease: 200}, "OFFER 192.168.122.11 to mac 17 51=200 58=100 59=175" + mask},
		}},
		{"a range's lease time", func(c *Config4) { c.Ranges[0].Lease.Duration = 1000 * time.Second }, []step{
			{0, ask{kind: discover, mac: 1}, "OFFER 192.168.122.27 to mac 1 51=1000 58=500 59=875" + mask},
			{0, ask{kind: discover, mac: 0x10}, "OFFER 192.168.122.10 to mac 16 51=1000 58=500 59=875" + mask},
		}},
		{"an offer is for one client only", nil, []step{
			{0, ask{kind: discover, mac: 1}, "OFFER 192.168.122.27 to mac 1" + basics},
			{0, ask{kind: request, mac: 2, ip: "192.168.122.27", server: us}, "NAK to all 56=address in use"},
			{31 * time.Second, ask{kind: request, mac: 2, ip: "192.168.122.27", server: us}, "ACK 192.168.122.27 to mac 2" + basics},
			{0, ask{kind: request, mac: 1, ip: "192.168.122.27", server: us}, "NAK to all 56=address in use"},
		}},
		{"another server's offer is taken: ours is dropped, in silence", nil, []step{
			// dnsmasq says NAK "wrong server-ID".
			{0, ask{kind: discover, mac: 1}, "OFFER 192.168.122.27 to mac 1" + basics},
			{0, ask{kind: request, mac: 1, ip: "192.168.122.9", server: "192.168.122.9"}, "silence"},
			{0, ask{kind: request, mac: 2, ip: "192.168.122.27", server: us}, "ACK 192.168.122.27 to mac 2" + basics},
		}},
		{"INIT-REBOOT", nil, []step{
			{0, ask{kind: request, mac: 1, ip: "192.168.122.91"}, "ACK 192.168.122.91 to mac 1" + basics},
			{0, ask{kind: request, mac: 1, ip: "192.168.122.92"}, "NAK to all 56=wrong address"},
			{0, ask{kind: request, mac: 2, ip: "10.0.0.92"}, "NAK to all 56=wrong network"},
			{0, ask{kind: request, mac: 2, ip: "192.168.122.91"}, "NAK to all 56=address in use"},
			{0, ask{kind: request, mac: 2, ip: "192.168.122.10"}, "NAK to all 56=address reserved"},
			{0, ask{kind: request, mac: 2, ip: "192.168.122.255"}, "NAK to all 56=address not available"},
			{0, ask{kind: request, mac: 2, ip: us}, "NAK to all 56=address not available"},
			{0, ask{kind: request, mac: 0x10, ip: "192.168.122.96"}, "NAK to all 56=static lease available"},
		}},
		{"RENEWING and REBINDING", nil, []step{
			{0, ask{kind: request, mac: 1, ip: "192.168.122.91"}, "ACK 192.168.122.91 to mac 1" + basics},
			{time.Minute, ask{kind: request, mac: 1, ci: "192.168.122.91", unicast: true}, "ACK 192.168.122.91 to mac 1" + basics},
			{time.Minute, ask{kind: request, mac: 1, ci: "192.168.122.91"}, "ACK 192.168.122.91 to mac 1" + basics},
			{0, ask{kind: request, mac: 1, ci: "192.168.122.95", unicast: true}, "NAK to all 56=lease not found"},
			{0, ask{kind: request, mac: 1, ci: "192.168.122.95"}, "silence"},
			{0, ask{kind: request, mac: 2, ci: "192.168.122.94"}, "ACK 192.168.122.94 to mac 2" + basics},
			{0, ask{kind: request, mac: 3, ci: "192.168.122.94"}, "NAK to all 56=address in use"},
			{0, ask{kind: request, mac: 3, ci: "10.1.1.1"}, "NAK to all 56=wrong network"},
		}},
		{"a renewal to a client that takes broadcasts only goes to its address", nil, []step{
			{0, ask{kind: request, mac: 1, ci: "192.168.122.91", broadcast: true}, "ACK 192.168.122.91 to mac 1" + basics},
		}},
		{"an ended lease is free, and its client's first", nil, []step{
			{0, ask{kind: request, mac: 1, ip: "192.168.122.91"}, "ACK 192.168.122.91 to mac 1" + basics},
			{2 * time.Hour, ask{kind: discover, mac: 1}, "OFFER 192.168.122.91 to mac 1" + basics},
			{time.Minute, ask{kind: request, mac: 2, ip: "192.168.122.91"}, "ACK 192.168.122.91 to mac 2" + basics},
			{0, ask{kind: discover, mac: 1}, "OFFER 192.168.122.27 to mac 1" + basics},
		}},
		{"RELEASE", nil, []step{
			{0, ask{kind: request, mac: 1, ip: "192.168.122.91"}, "ACK 192.168.122.91 to mac 1" + basics},
			{0, ask{kind: release, mac: 2, ci: "192.168.122.91", server: us}, "silence"},
			{0, ask{kind: release, mac: 1, ci: "192.168.122.91", server: "10.0.0.1"}, "silence"},
			{0, ask{kind: request, mac: 2, ip: "192.168.122.91"}, "NAK to all 56=address in use"},
			{0, ask{kind: release, mac: 1, ci: "192.168.122.91", server: us}, "silence"},
			{0, ask{kind: request, mac: 2, ip: "192.168.122.91"}, "ACK 192.168.122.91 to mac 2" + basics},
		}},
		{"DECLINE keeps the address from everyone for ten minutes", nil, []step{
			{0, ask{kind: request, mac: 1, ip: "192.168.122.27"}, "ACK 192.168.122.27 to mac 1" + basics},
			{0, ask{kind: decline, mac: 2, ip: "192.168.122.27", server: us}, "silence"},
			{0, ask{kind: request, mac: 1, ip: "192.168.122.27"}, "ACK 192.168.122.27 to mac 1" + basics},
			{0, ask{kind: decline, mac: 1, ip: "192.168.122.27", server: us}, "silence"},
			{0, ask{kind: discover, mac: 1, ip: "192.168.122.27"}, "OFFER 192.168.122.28 to mac 1" + basics},
			{0, ask{kind: request, mac: 3, ip: "192.168.122.27", server: us}, "NAK to all 56=address in use"},
			{11 * time.Minute, ask{kind: discover, mac: 1}, "OFFER 192.168.122.27 to mac 1" + basics},
		}},
		{"INFORM", nil, []step{
			// dnsmasq adds the lease time if it is asked for, against RFC 2131.
			{0, ask{kind: inform, mac: 1, ci: "192.168.122.200", prl: everything}, "ACK to mac 1 at 192.168.122.200" + mask + extras + " 26=1400"},
			{0, ask{kind: inform, mac: 1}, "silence"},
			{0, ask{kind: inform, mac: 1, ci: "10.0.0.1"}, "silence"},
		}},
		{"BOOTP is for reserved MACs", nil, []step{
			{0, ask{kind: bootp, mac: 1}, "silence"},
			{0, ask{kind: bootp, mac: 0x10}, "BOOTP 192.168.122.10 to mac 16" + mask + extras + " 12=fixed 26=1400"},
			{24 * time.Hour, ask{kind: request, mac: 2, ip: "192.168.122.10"}, "NAK to all 56=address reserved"},
		}},
		{"names", nil, []step{
			{0, ask{kind: discover, mac: 2, name: "hostA", prl: "\x0c"}, "OFFER 192.168.122.28 to mac 2" + basics},
			{0, ask{kind: request, mac: 2, name: "hostA", prl: "\x0c", ip: "192.168.122.28", server: us}, "ACK 192.168.122.28 to mac 2" + basics + " 12=hostA"},
			{0, ask{kind: request, mac: 2, prl: "\x0c", ci: "192.168.122.28"}, "ACK 192.168.122.28 to mac 2" + basics + " 12=hostA"},
			{0, ask{kind: request, mac: 2, name: "hostB.other.org", prl: "\x0c", ci: "192.168.122.28"}, "ACK 192.168.122.28 to mac 2" + basics + " 12=hostB"},
			{0, ask{kind: request, mac: 3, name: "-bad", prl: "\x0c", ip: "192.168.122.79"}, "ACK 192.168.122.79 to mac 3" + basics},
			{0, ask{kind: request, mac: 3, name: "nul\x00", prl: "\x0c", ip: "192.168.122.79"}, "ACK 192.168.122.79 to mac 3" + basics + " 12=nul"},
			// dnsmasq lets a guest have a reserved name until its owner comes.
			{0, ask{kind: request, mac: 4, name: "FIXED", prl: "\x0c", ip: "192.168.122.80"}, "ACK 192.168.122.80 to mac 4" + basics},
		}},
		{"full names", nil, []step{
			{0, ask{kind: request, mac: 7, fqdn: "\x01\x00\x00hostF.example.org", ip: "192.168.122.82"}, "ACK 192.168.122.82 to mac 7" + basics + ` 81="\x01\xff\xffhostF.example.org"`},
			{0, ask{kind: request, mac: 7, fqdn: "\x05\x00\x00\x05hostF\x07example\x03org\x00", ip: "192.168.122.82"}, "ACK 192.168.122.82 to mac 7" + basics + ` 81="\x05\xff\xff\x05hostF\aexample\x03org\x00"`},
			{0, ask{kind: request, mac: 7, fqdn: "\x00\x00\x00hostG.foo", ip: "192.168.122.82", prl: "\x0c"}, "ACK 192.168.122.82 to mac 7" + basics + ` 12=hostG 81="\x03\xff\xffhostG.example.org"`},
			{0, ask{kind: discover, mac: 7, fqdn: "\x00\x00\x00", ip: "192.168.122.82"}, "OFFER 192.168.122.82 to mac 7" + basics},
		}},
		{"relays", nil, []step{
			{0, ask{kind: discover, mac: 0x31, gi: "192.168.122.250", agent: "\x01\x04abcd", unicast: true}, "OFFER 192.168.122.75 to relay 192.168.122.250" + basics + ` 82="\x01\x04abcd"`},
			{0, ask{kind: request, mac: 0x31, gi: "192.168.122.250", ip: "10.0.0.1", agent: "\x01\x04abcd", unicast: true}, `NAK to relay 192.168.122.250 56=wrong network 82="\x01\x04abcd"`},
			{0, ask{kind: discover, mac: 0x31, gi: "10.1.1.1", unicast: true}, "silence"},
			{0, ask{kind: discover, mac: 0x31, gi: us, unicast: true}, "silence"},
		}},
		{"a full pool is silent, reservations are served", func(c *Config4) {
			c.Ranges[0].Start, c.Ranges[0].End = addr("192.168.122.5"), addr("192.168.122.6")
		}, []step{
			{0, ask{kind: request, mac: 1, ip: "192.168.122.5"}, "ACK 192.168.122.5 to mac 1" + basics},
			{0, ask{kind: discover, mac: 2}, "OFFER 192.168.122.6 to mac 2" + basics},
			{0, ask{kind: discover, mac: 3}, "silence"},
			{0, ask{kind: discover, mac: 0x10}, "OFFER 192.168.122.10 to mac 16" + basics},
			{0, ask{kind: request, mac: 4, ip: "192.168.122.7"}, "NAK to all 56=address not available"},
		}},
		{"without a range only reservations are served", func(c *Config4) { c.Ranges = nil }, []step{
			{0, ask{kind: discover, mac: 1}, "silence"},
			{0, ask{kind: discover, mac: 0x10}, "OFFER 192.168.122.10 to mac 16" + basics},
		}},
		{"a boot ROM and its system are one client", nil, []step{
			{0, ask{kind: discover, mac: 1}, "OFFER 192.168.122.27 to mac 1" + basics},
			{0, ask{kind: request, mac: 1, ip: "192.168.122.27", server: us}, "ACK 192.168.122.27 to mac 1" + basics},
			{0, ask{kind: discover, mac: 1, id: "system"}, "OFFER 192.168.122.27 to mac 1" + basics},
			{0, ask{kind: request, mac: 1, id: "system", ip: "192.168.122.27", server: us}, "ACK 192.168.122.27 to mac 1" + basics},
			{0, ask{kind: discover, mac: 1, id: "another"}, "OFFER 192.168.122.28 to mac 1" + basics},
		}},
		{"DHCP messages of servers, and unknown ones, are not answered", nil, []step{
			{0, ask{kind: dhcpv4.MessageTypeOffer, mac: 1}, "silence"},
			{0, ask{kind: 10, mac: 1}, "silence"},
			{0, ask{kind: request, mac: 1}, "silence"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				if tt.change != nil {
					tt.change(&cfg)
				}
				s, leases := newService4(cfg), lease.NewTable()
				leases.SetPool(s.pool())
				for i, step := range tt.steps {
					time.Sleep(step.after)
					synctest.Wait()
					got := converse(t, s, leases, step.ask)
					if diff := cmp.Diff(step.want, got); diff != "" {
						t.Errorf("step %d (-want +got):\n%s", i, diff)
					}
				}
				time.Sleep(24 * time.Hour) // so that no timer is left
			})
		})
	}
}

// converse asks, does what the answer changes and describes the reply.
func converse(t *testing.T, s *service4, leases *lease.Table, a ask) string {
	t.Helper()
	r, err := parseRequest4(a.encode(t))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	answer := s.handle4(now, leases, &r, a.unicast)
	if err := answer.change.apply(now, leases, nil); err != nil {
		t.Fatal(err)
	}
	return describe(t, answer.reply)
}

// What ARP tells between OFFER and REQUEST comes in time.
func TestAddressSeenInUseAfterItsOfferIsRefused(t *testing.T) {
	s, leases := newService4(testConfig()), lease.NewTable()
	leases.SetPool(s.pool())
	converse(t, s, leases, ask{kind: discover, mac: 1})
	if got := leases.Seen(addr("192.168.122.27"), macOf(0x77), time.Now().Add(avoidTime)); got != lease.Stranger {
		t.Fatalf("sighting is %v", got)
	}
	for _, step := range []struct {
		ask  ask
		want string
	}{
		{ask{kind: request, mac: 1, ip: "192.168.122.27", server: us}, "NAK to all 56=address in use"},
		{ask{kind: discover, mac: 1}, "OFFER 192.168.122.28 to mac 1" + basics},
	} {
		if diff := cmp.Diff(step.want, converse(t, s, leases, step.ask)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestOptionsThatDoNotFitAreLeftOut(t *testing.T) {
	cfg := testConfig()
	cfg.Domain = strings.Repeat("long.", 48) + "example"
	s, leases := newService4(cfg), lease.NewTable()
	leases.SetPool(s.pool())
	for _, tt := range []struct {
		max    uint16
		agent  string
		domain bool
	}{
		{0, "", true},
		{0, strings.Repeat("x", 200), false},
		{1000, strings.Repeat("x", 200), true},
	} {
		got := converse(t, s, leases, ask{kind: discover, mac: 1, prl: everything, max: tt.max, agent: tt.agent})
		if has := strings.Contains(got, "15=long"); has != tt.domain {
			t.Errorf("client that takes %d bytes: %s", tt.max, got)
		}
		if !strings.Contains(got, "26=1400") || strings.Contains(got, "82=") != (tt.agent != "") {
			t.Errorf("client that takes %d bytes: %s", tt.max, got)
		}
	}
}

func TestFrameHasFullChecksums(t *testing.T) {
	payload := ask{kind: discover, mac: 1}.encode(t)
	b := append(make([]byte, ipUDPHeader), payload...)
	sealDatagram4(b, addr(us), addr("192.168.122.27"))
	if got := fold(sum16(b[:20], 0)); got != 0xffff {
		t.Errorf("IP checksum is off: %x", got)
	}
	if got := fold(sum16(b[20:], sum16(b[12:20], 17+uint32(len(b)-20)))); got != 0xffff {
		t.Errorf("UDP checksum is off: %x", got)
	}
}
