package dhcpd

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/vnetmgr/vnetmgr/lease"
)

// ask6 is a client's message in a conversation. Its zero fields are not sent.
type ask6 struct {
	kind    dhcpv6.MessageType
	client  int // the last byte of the DUID, an LL one; 0: no DUID
	server  string
	ias     string // "1=fd00::5,fd00::6 2= pd3= ta4=": associations and what they name
	asked   []dhcpv6.OptionCode
	rapid   bool
	fqdn    string // flags and name as sent
	relays  []string
	mac6939 int
	unicast bool
	noORO   bool
	valid   uint32 // lifetimes with the named addresses
}

const (
	solicit6  = dhcpv6.MessageTypeSolicit
	request6k = dhcpv6.MessageTypeRequest
	confirm6  = dhcpv6.MessageTypeConfirm
	renew6    = dhcpv6.MessageTypeRenew
	rebind6   = dhcpv6.MessageTypeRebind
	release6  = dhcpv6.MessageTypeRelease
	decline6  = dhcpv6.MessageTypeDecline
	inform6   = dhcpv6.MessageTypeInformationRequest

	us6 = "our duid"
)

func duidOf(n int) []byte { return append([]byte{0, 3, 0, 1}, macOf(n)...) }

// encode makes the message.
func (a ask6) encode(t testing.TB) []byte {
	t.Helper()
	o := options6{byte(a.kind), 1, 2, 3}
	if a.client != 0 {
		o.put(dhcpv6.OptionClientID, duidOf(a.client)...)
	}
	if a.server != "" {
		o.put(dhcpv6.OptionServerID, []byte(a.server)...)
	}
	for _, text := range strings.Fields(a.ias) {
		a.putIA(t, &o, text)
	}
	if !a.noORO {
		at := o.open(dhcpv6.OptionORO)
		for _, c := range a.asked {
			o = append(o, byte(c>>8), byte(c))
		}
		o.close(at)
	}
	if a.rapid {
		o.put(dhcpv6.OptionRapidCommit)
	}
	if a.fqdn != "" {
		o.put(dhcpv6.OptionFQDN, []byte(a.fqdn)...)
	}
	for i, link := range a.relays {
		l := netip.MustParseAddr(link).As16()
		r := options6{byte(dhcpv6.MessageTypeRelayForward), byte(i)}
		r = append(append(r, l[:]...), make([]byte, 16)...)
		if a.mac6939 != 0 && i == 0 {
			r.put(dhcpv6.OptionClientLinkLayerAddr, append([]byte{0, 1}, macOf(a.mac6939)...)...)
		}
		r.put(dhcpv6.OptionInterfaceID, 'p', byte('0'+i))
		r.put(dhcpv6.OptionRelayMsg, o...)
		o = r
	}
	return o
}

func (a ask6) putIA(t testing.TB, o *options6, text string) {
	id, hints, _ := strings.Cut(text, "=")
	ia := ia6{kind: dhcpv6.OptionIANA}
	if rest, ok := strings.CutPrefix(id, "pd"); ok {
		ia.kind, id = dhcpv6.OptionIAPD, rest
	}
	if rest, ok := strings.CutPrefix(id, "ta"); ok {
		ia.kind, id = dhcpv6.OptionIATA, rest
	}
	if _, err := fmt.Sscan(id, &ia.id); err != nil {
		t.Fatal(err)
	}
	at := o.openIA(&ia, times6{})
	for _, h := range strings.FieldsFunc(hints, func(r rune) bool { return r == ',' }) {
		v := time.Duration(a.valid) * time.Second
		o.putAddr(netip.MustParseAddr(h), times6{v, v})
	}
	o.close(at)
}

// describe6 formats a reply: its kind and its options in their order, without
// the DUIDs if they are right.
func describe6(p *reply6) string {
	if p == nil {
		return "silence"
	}
	return describeBytes6(p.appendTo(nil))
}

func describeBytes6(b []byte) string {
	var s []string
	for dhcpv6.MessageType(b[0]) == dhcpv6.MessageTypeRelayReply {
		id := ""
		var inner []byte
		options6(b[34:]).each(func(code dhcpv6.OptionCode, v []byte) {
			switch code {
			case dhcpv6.OptionInterfaceID:
				id = string(v)
			case dhcpv6.OptionRelayMsg:
				inner = v
			}
		})
		s = append(s, fmt.Sprintf("relay %s hop %d port %s:", netip.AddrFrom16([16]byte(b[2:])), b[1], id))
		b = inner
	}
	s = append(s, dhcpv6.MessageType(b[0]).String())
	options6(b[4:]).each(func(code dhcpv6.OptionCode, v []byte) {
		if text := describeOption6(code, v); text != "" {
			s = append(s, text)
		}
	})
	return strings.Join(s, " ")
}

func describeOption6(code dhcpv6.OptionCode, v []byte) string {
	header := 12
	switch code {
	case dhcpv6.OptionClientID:
		return ""
	case dhcpv6.OptionServerID:
		if string(v) == us6 {
			return ""
		}
	case dhcpv6.OptionIATA, dhcpv6.OptionIANA, dhcpv6.OptionIAPD:
		name := map[dhcpv6.OptionCode]string{dhcpv6.OptionIATA: "ta", dhcpv6.OptionIANA: "", dhcpv6.OptionIAPD: "pd"}[code]
		s := fmt.Sprintf("%s%d", name, v[3])
		if code == dhcpv6.OptionIATA {
			header = 4
		} else if number(v[4:]) != 0 {
			s += fmt.Sprintf("(%d,%d)", number(v[4:]), number(v[8:]))
		}
		options6(v[header:]).each(func(code dhcpv6.OptionCode, v []byte) { s += "=" + describeOption6(code, v) })
		return s
	case dhcpv6.OptionIAAddr:
		s := netip.AddrFrom16([16]byte(v)).String()
		if p, valid := number(v[16:]), number(v[20:]); p != valid {
			s += fmt.Sprintf("/%d/%d", p, valid)
		} else if p != 86400 {
			s += fmt.Sprintf("/%d", p)
		}
		return s
	case dhcpv6.OptionStatusCode:
		return [...]string{"Success", "UnspecFail", "NoAddrsAvail", "NoBinding", "NotOnLink", "UseMulticast", "NoPrefixAvail"}[v[1]]
	case dhcpv6.OptionRapidCommit:
		return "rapid"
	case dhcpv6.OptionPreference:
		return fmt.Sprintf("preference=%d", v[0])
	case dhcpv6.OptionDNSRecursiveNameServer:
		return "dns=" + net.IP(v).String()
	case dhcpv6.OptionDomainSearchList:
		return fmt.Sprintf("search=%q", v)
	case dhcpv6.OptionInformationRefreshTime:
		return fmt.Sprintf("refresh=%d", number(v))
	case dhcpv6.OptionFQDN:
		return fmt.Sprintf("fqdn=%q", v)
	}
	return fmt.Sprintf("%s=%s", code, hex.EncodeToString(v))
}

func number(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func testConfig6() Config6 {
	return Config6{
		Link: "virbr0", Server: netip.MustParsePrefix("fd00::1/64"), DUID: []byte(us6),
		Ranges: []Range{{Start: addr("fd00::100"), End: addr("fd00::102")}},
		Reservations: []Reservation{
			{ClientID: duidOf(0x10), Name: "fixed", Addr: addr("fd00::10")},
			{MAC: macOf(0x11), Name: "bymac", Addr: addr("fd00::11"), Lease: LeaseTime{Infinite: true}},
			{Name: "byname", Addr: addr("fd00::12"), Lease: LeaseTime{Duration: time.Hour}},
			{ClientID: duidOf(0x13), Name: "nowhere", Addr: addr("fd01::1")},
			{ClientID: duidOf(0x14), Addr: addr("fd00::102")},
		},
		DNS: true, Domain: "six.test", Authoritative: true,
	}
}

func TestConversations6(t *testing.T) {
	type step struct {
		ask6
		want string
	}
	dnsAndSearch := []dhcpv6.OptionCode{dhcpv6.OptionDNSRecursiveNameServer, dhcpv6.OptionDomainSearchList}
	const a1 = "fd00::101" // what client 1 hashes to with association 1
	tests := []struct {
		name  string
		steps []step
	}{
		{"four messages", []step{
			{ask6{kind: solicit6, client: 1, ias: "1="}, "ADVERTISE 1(43200,75600)=" + a1 + " preference=255"},
			{ask6{kind: request6k, client: 1, server: us6, ias: "1=" + a1, asked: dnsAndSearch},
				"REPLY 1(43200,75600)=" + a1 + ` dns=fd00::1 search="\x03six\x04test\x00"`},
			{ask6{kind: renew6, client: 1, server: us6, ias: "1=" + a1}, "REPLY 1(43200,75600)=" + a1},
			{ask6{kind: rebind6, client: 1, ias: "1=" + a1}, "REPLY 1(43200,75600)=" + a1},
			{ask6{kind: release6, client: 1, server: us6, ias: "1=" + a1}, "REPLY Success"},
			{ask6{kind: release6, client: 1, server: us6, ias: "1=" + a1}, "REPLY 1=NoBinding Success"},
		}},
		{"rapid commit", []step{
			{ask6{kind: solicit6, client: 1, ias: "1=", rapid: true}, "REPLY rapid 1(43200,75600)=" + a1},
			{ask6{kind: renew6, client: 1, server: us6, ias: "1=" + a1}, "REPLY 1(43200,75600)=" + a1},
		}},
		{"identifiers that must or must not be there", []step{
			{ask6{kind: solicit6, ias: "1="}, "silence"},
			{ask6{kind: solicit6, client: 1, server: us6, ias: "1="}, "silence"},
			{ask6{kind: request6k, client: 1, ias: "1="}, "silence"},
			{ask6{kind: request6k, client: 1, server: "other", ias: "1="}, "silence"},
			{ask6{kind: renew6, client: 1, server: "other", ias: "1=" + a1}, "silence"},
			{ask6{kind: rebind6, client: 1, server: us6, ias: "1=" + a1}, "silence"},
			{ask6{kind: release6, client: 1, ias: "1=" + a1}, "silence"},
			{ask6{kind: decline6, client: 1, server: "other", ias: "1=" + a1}, "silence"},
			{ask6{kind: confirm6, ias: "1=" + a1}, "silence"},
			{ask6{kind: inform6, client: 1, ias: "1="}, "silence"},
			{ask6{kind: inform6, client: 1, server: "other"}, "silence"},
			{ask6{kind: dhcpv6.MessageTypeReply, client: 1, server: us6}, "silence"},
		}},
		{"unicast", []step{
			{ask6{kind: solicit6, client: 1, ias: "1=", unicast: true}, "silence"},
			{ask6{kind: rebind6, client: 1, ias: "1=", unicast: true}, "silence"},
			{ask6{kind: inform6, client: 1, unicast: true}, "silence"},
			{ask6{kind: renew6, client: 1, server: us6, ias: "1=" + a1, unicast: true}, "REPLY UseMulticast"},
			{ask6{kind: request6k, client: 1, server: "other", ias: "1=" + a1, unicast: true}, "silence"},
		}},
		{"confirm", []step{
			{ask6{kind: confirm6, client: 1, ias: "1=fd00::777"}, "REPLY Success"},
			{ask6{kind: confirm6, client: 1, ias: "1=fd00::777,fd01::1"}, "REPLY NotOnLink"},
			{ask6{kind: confirm6, client: 1, ias: "1="}, "silence"},
		}},
		{"information", []step{
			{ask6{kind: inform6, asked: dnsAndSearch}, `REPLY dns=fd00::1 search="\x03six\x04test\x00" refresh=86400`},
			{ask6{kind: inform6, noORO: true}, `REPLY dns=fd00::1 search="\x03six\x04test\x00" refresh=86400`},
			{ask6{kind: inform6, client: 1, server: us6}, "REPLY refresh=86400"},
		}},
		{"several associations", []step{
			{ask6{kind: solicit6, client: 1, ias: "1= 2= pd3= ta4="},
				"ADVERTISE 1(43200,75600)=fd00::101 2(43200,75600)=fd00::100 pd3=NoPrefixAvail ta4=NoAddrsAvail preference=255"},
			{ask6{kind: request6k, client: 1, server: us6, ias: "1=fd00::101 2=fd00::100 3="},
				"REPLY 1(43200,75600)=fd00::101 2(43200,75600)=fd00::100 3=NoAddrsAvail"},
			{ask6{kind: renew6, client: 1, server: us6, ias: "1=fd00::101 2=fd00::100 pd3="},
				"REPLY 1(43200,75600)=fd00::101 2(43200,75600)=fd00::100 pd3=NoBinding"},
		}},
		{"no address left", []step{
			{ask6{kind: solicit6, client: 1, ias: "1= 2=", rapid: true}, "REPLY rapid 1(43200,75600)=fd00::101 2(43200,75600)=fd00::100"},
			{ask6{kind: solicit6, client: 2, ias: "1="}, "ADVERTISE 1=NoAddrsAvail"},
			{ask6{kind: solicit6, client: 2, ias: "1=", rapid: true}, "ADVERTISE 1=NoAddrsAvail"},
			{ask6{kind: request6k, client: 2, server: us6, ias: "1=fd00::101"}, "REPLY 1=NoAddrsAvail"},
			{ask6{kind: release6, client: 1, server: us6, ias: "2=fd00::100"}, "REPLY Success"},
			{ask6{kind: solicit6, client: 2, ias: "1="}, "ADVERTISE 1(43200,75600)=fd00::100 preference=255"},
		}},
		{"addresses of another link", []step{
			{ask6{kind: request6k, client: 1, server: us6, ias: "1=fd01::5"}, "REPLY 1=NotOnLink"},
			{ask6{kind: renew6, client: 1, server: us6, ias: "1=fd01::5"}, "REPLY 1=fd01::5/0"},
			{ask6{kind: rebind6, client: 1, ias: "1=fd01::5"}, "REPLY 1=fd01::5/0"},
		}},
		{"leases that we lost", []step{
			{ask6{kind: renew6, client: 1, server: us6, ias: "1=fd00::101"}, "REPLY 1(43200,75600)=fd00::101"},
			{ask6{kind: rebind6, client: 2, ias: "1=fd00::100"}, "REPLY 1(43200,75600)=fd00::100"},
			{ask6{kind: rebind6, client: 3, ias: "1=fd00::100"}, "REPLY 1=NoBinding"},
			{ask6{kind: renew6, client: 3, server: us6, ias: "1=fd00::10"}, "REPLY 1=NoBinding"},
			{ask6{kind: renew6, client: 3, server: us6, ias: "1=fd00::1"}, "REPLY 1=NoBinding"},
			{ask6{kind: renew6, client: 3, server: us6, ias: "1="}, "REPLY 1=NoBinding"},
		}},
		{"declined address is avoided", []step{
			{ask6{kind: solicit6, client: 1, ias: "1=", rapid: true}, "REPLY rapid 1(43200,75600)=" + a1},
			{ask6{kind: decline6, client: 2, server: us6, ias: "1=" + a1}, "REPLY 1=NoBinding Success"},
			{ask6{kind: decline6, client: 1, server: us6, ias: "1=" + a1}, "REPLY Success"},
			{ask6{kind: solicit6, client: 1, ias: "1="}, "ADVERTISE 1(43200,75600)=fd00::100 preference=255"},
		}},
		{"reservation by DUID", []step{
			{ask6{kind: solicit6, client: 0x10, ias: "7="}, "ADVERTISE 7(43200,75600)=fd00::10 preference=255"},
			{ask6{kind: solicit6, client: 0x10, ias: "7=", asked: []dhcpv6.OptionCode{dhcpv6.OptionFQDN}},
				`ADVERTISE 7(43200,75600)=fd00::10 preference=255 fqdn="\x01\x05fixed\x03six\x04test\x00"`},
			{ask6{kind: solicit6, client: 1, ias: "1=fd00::10"}, "ADVERTISE 1(43200,75600)=" + a1 + " preference=255"},
			{ask6{kind: solicit6, client: 0x14, ias: "1="}, "ADVERTISE 1(43200,75600)=fd00::102 preference=255"},
			{ask6{kind: solicit6, client: 0x10, ias: "7= 2=fd00::100"},
				"ADVERTISE 7(43200,75600)=fd00::10 2(43200,75600)=fd00::100 preference=255"},
		}},
		{"reserved address follows the guest from its boot ROM to its system", []step{
			{ask6{kind: solicit6, client: 0x10, ias: "7=", rapid: true}, "REPLY rapid 7(43200,75600)=fd00::10"},
			{ask6{kind: solicit6, client: 0x10, ias: "8="}, "ADVERTISE 8(43200,75600)=fd00::10 preference=255"},
			{ask6{kind: request6k, client: 0x10, server: us6, ias: "8=fd00::10"}, "REPLY 8(43200,75600)=fd00::10"},
			{ask6{kind: renew6, client: 0x10, server: us6, ias: "8=fd00::10"}, "REPLY 8(43200,75600)=fd00::10"},
			{ask6{kind: renew6, client: 0x10, server: us6, ias: "7=fd00::10"}, "REPLY 7=NoBinding"},
		}},
		{"reservation by MAC, for ever", []step{
			{ask6{kind: solicit6, client: 0x11, ias: "1="}, "ADVERTISE 1(4294967295,4294967295)=fd00::11/4294967295 preference=255"},
			{ask6{kind: release6, client: 0x11, server: us6, ias: "1=fd00::11"}, "REPLY 1=NoBinding Success"},
		}},
		{"reservation by MAC that a relay tells", []step{
			{ask6{kind: solicit6, client: 5, ias: "1=", relays: []string{"fd00::9"}, mac6939: 0x11},
				"relay fd00::9 hop 0 port p0: ADVERTISE 1(4294967295,4294967295)=fd00::11/4294967295 preference=255"},
		}},
		{"reservation by name", []step{
			{ask6{kind: solicit6, client: 1, ias: "1=", fqdn: "\x00\x06ByName\x03foo\x00"},
				`ADVERTISE 1(1800,3150)=fd00::12/3600 preference=255 fqdn="\x03\x06byname\x03six\x04test\x00"`},
		}},
		{"reservation outside the subnet gives its name only", []step{
			{ask6{kind: solicit6, client: 0x13, ias: "1=", fqdn: "\x01\x04mine\x00"},
				`ADVERTISE 1(43200,75600)=fd00::101 preference=255 fqdn="\x01\x04mine\x03six\x04test\x00"`},
		}},
		{"reserved name is not for others", []step{
			{ask6{kind: solicit6, client: 1, ias: "1=", fqdn: "\x01\x05fixed\x00"}, "ADVERTISE 1(43200,75600)=" + a1 + " preference=255"},
		}},
		{"moved to its reservation by renewing", []step{
			{ask6{kind: renew6, client: 0x10, server: us6, ias: "1=fd00::100"}, "REPLY 1(43200,75600)=fd00::10=fd00::100/0"},
		}},
		{"shorter lifetimes on request", []step{
			{ask6{kind: solicit6, client: 1, ias: "1=" + a1, valid: 600}, "ADVERTISE 1(300,525)=" + a1 + "/600 preference=255"},
			{ask6{kind: solicit6, client: 1, ias: "1=" + a1, valid: 5}, "ADVERTISE 1(60,105)=" + a1 + "/120 preference=255"},
			{ask6{kind: solicit6, client: 1, ias: "1=" + a1, valid: 0xffffffff}, "ADVERTISE 1(43200,75600)=" + a1 + " preference=255"},
		}},
		{"relays", []step{
			{ask6{kind: solicit6, client: 1, ias: "1=", relays: []string{"fd00::9", "::"}},
				"relay :: hop 1 port p1: relay fd00::9 hop 0 port p0: ADVERTISE 1(43200,75600)=" + a1 + " preference=255"},
			{ask6{kind: solicit6, client: 1, ias: "1=", relays: []string{"fd01::9", "fd00::9"}}, "silence"},
			{ask6{kind: solicit6, client: 1, ias: "1=", relays: []string{"::"}, unicast: true},
				"relay :: hop 0 port p0: ADVERTISE 1(43200,75600)=" + a1 + " preference=255"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, leases := newService6(testConfig6()), lease.NewTable()
				leases.SetPool6(s.pool())
				var got, want []string
				for _, st := range tt.steps {
					got = append(got, converse6(t, s, leases, st.ask6))
					want = append(want, st.want)
					time.Sleep(time.Second)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		})
	}
}

// converse6 has the server answer a message and do what it changes.
func converse6(t *testing.T, s *service6, leases *lease.Table, a ask6) string {
	t.Helper()
	r, err := parseRequest6(a.encode(t))
	if err != nil {
		t.Fatal(err)
	}
	r.findMAC(nil)
	answer := s.handle6(time.Now(), leases, &r, a.unicast)
	for _, c := range answer.changes {
		if err := c.apply(time.Now(), leases, nil); err != nil {
			t.Errorf("apply: %v", err)
		}
	}
	return describe6(answer.reply)
}

func TestMACOfADHCPv6Client(t *testing.T) {
	frame := macOf(1)
	for _, tt := range []struct {
		name string
		r    request6
		from net.HardwareAddr
		want net.HardwareAddr
	}{
		{"frame before DUID", request6{clientID: duidOf(2)}, frame, frame},
		{"relay's word", request6{mac: macOf(3), relays: make([]relay6, 1), clientID: duidOf(2)}, frame, macOf(3)},
		{"EUI-64 source", request6{relays: make([]relay6, 1), peer: addr("fe80::5054:ff:fe00:4"), clientID: duidOf(2)}, frame, macOf(4)},
		{"DUID-LL", request6{relays: make([]relay6, 1), peer: addr("fe80::1"), clientID: duidOf(2)}, frame, macOf(2)},
		{"DUID-LLT", request6{relays: make([]relay6, 1), clientID: append([]byte{0, 1, 0, 1, 9, 9, 9, 9}, macOf(5)...)}, frame, macOf(5)},
		{"DUID-UUID", request6{relays: make([]relay6, 1), clientID: append([]byte{0, 4}, make([]byte, 16)...)}, frame, nil},
	} {
		if tt.r.findMAC(tt.from); tt.r.mac.String() != tt.want.String() {
			t.Errorf("%s: %v, want %v", tt.name, tt.r.mac, tt.want)
		}
	}
}

func TestTooManyRelaysAreRefused(t *testing.T) {
	relays := strings.Fields(strings.Repeat("fd00::9 ", maxRelays))
	if _, err := parseRequest6((ask6{kind: solicit6, client: 1, relays: relays}).encode(t)); err != nil {
		t.Errorf("%d relays: %v", len(relays), err)
	}
	if _, err := parseRequest6((ask6{kind: solicit6, client: 1, relays: append(relays, "fd00::9")}).encode(t)); err != errTooDeep {
		t.Errorf("one more: %v", err)
	}
}

// Both families' leases of a guest are there side by side.
func TestIPv6LeaseLeavesTheIPv4LeaseAlone(t *testing.T) {
	leases := lease.NewTable()
	four := lease.Lease{Addr: addr("192.168.122.5"), MAC: macOf(1), ClientID: duidOf(1), Hostname: "web"}
	six := lease.Lease{Addr: addr("fd00::5"), MAC: macOf(1), ClientID: duidOf(1), Hostname: "web"}
	for _, l := range []lease.Lease{four, six} {
		if err := leases.Bind(l, nil); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]lease.Lease{four, six}, leases.Leases(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, l := range []lease.Lease{four, six} {
		if got, ok := leases.LookupClient(l.Client()); !ok || got.Addr != l.Addr {
			t.Errorf("%v: found %v", l.Addr, got.Addr)
		}
	}
}

func TestServerDUIDStaysTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server-duid")
	first, err := LoadDUID(path)
	if err != nil || len(first) != 18 || first[1] != 4 {
		t.Fatalf("%x, %v", first, err)
	}
	if again, err := LoadDUID(path); err != nil || string(again) != string(first) {
		t.Errorf("%x, then %x, %v", first, again, err)
	}
	if err := writeSynced(path, []byte("nonsense\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := LoadDUID(path); err == nil {
		t.Errorf("a damaged file gives %x", got)
	}
}

// When the pool is full of offers that nobody takes, a client that wants its
// address in two messages gets one of them.
func TestOffersThatNobodyTakesGiveWayToALease6(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, leases := newService6(testConfig6()), lease.NewTable()
		leases.SetPool6(s.pool())
		send := func(a ask6) (bound []netip.Addr) {
			t.Helper()
			r, err := parseRequest6(a.encode(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range s.handle6(time.Now(), leases, &r, false).changes {
				if err := c.apply(time.Now(), leases, nil); err != nil {
					t.Errorf("apply: %v", err)
				}
				if c.kind == bindLease {
					bound = append(bound, c.lease.Addr)
				}
			}
			return bound
		}
		for client := 1; client <= 3; client++ { // the range has two addresses that are nobody's
			send(ask6{kind: solicit6, client: client, ias: "1="})
		}
		time.Sleep(time.Second)
		if got := send(ask6{kind: solicit6, client: 4, ias: "1=", rapid: true}); len(got) != 1 {
			t.Errorf("bound %v", got)
		}
		time.Sleep(24 * time.Hour) // so that no timer is left
	})
}
