package observe

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vnetmgr/vnetmgr/e2e/lab"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// tries is how often a question is asked: dnsmasq pings for seconds before it
// answers the first one.
const tries = 3

// asker is a DHCPv4 client that says what it is told to.
type asker struct {
	*lab.Clients
	xid uint32
	// tries is how often a question is asked.
	tries int
}

// question is what a client says, as options beside the message type.
type question struct {
	mac     net.HardwareAddr
	kind    byte // 0: BOOTP
	own     netip.Addr
	options map[byte][]byte
}

const (
	bootp = iota
	discover
	_
	request
	_
	_
	_
	release
	inform
)

// everything asks for all options that there could be.
func everything() []byte {
	var codes []byte
	for c := byte(1); c < 255; c++ {
		if c != 52 && c != 53 && c != 55 && c != 57 {
			codes = append(codes, c)
		}
	}
	return codes
}

// ask says it and returns the answer, false without one.
func (a *asker) ask(q question) (answer4, bool) {
	a.xid++
	m := make([]byte, 240)
	m[0], m[1], m[2] = 1, 1, 6
	binary.BigEndian.PutUint32(m[4:], 0x0b5e0000+a.xid)
	if q.own.IsValid() {
		copy(m[12:], q.own.AsSlice())
	} else {
		m[10] = 0x80 // answers by broadcast
	}
	copy(m[28:], q.mac)
	copy(m[236:], []byte{99, 130, 83, 99})
	if q.kind != bootp {
		m = append(m, 53, 1, q.kind)
	}
	for _, code := range slices.Sorted(maps.Keys(q.options)) {
		m = append(append(m, code, byte(len(q.options[code]))), q.options[code]...)
	}
	m = append(m, 255)
	for len(m) < 300 {
		m = append(m, 0)
	}
	reply, ok := a.Ask(context.Background(), q.mac, m, q.own, a.tries)
	if !ok || len(reply.Message) < 240 {
		return answer4{}, false
	}
	return parseAnswer(reply.Message), true
}

// answer4 is a server's message, taken apart.
type answer4 struct {
	addr, next   netip.Addr
	server, file string
	broadcast    bool
	options      map[byte][]byte
}

func parseAnswer(m []byte) answer4 {
	a := answer4{
		addr: netip.AddrFrom4([4]byte(m[16:20])), next: netip.AddrFrom4([4]byte(m[20:24])),
		server: cstring(m[44:108]), file: cstring(m[108:236]),
		broadcast: m[10]&0x80 != 0, options: make(map[byte][]byte),
	}
	for o := m[240:]; len(o) > 1 && o[0] != 255; {
		if o[0] == 0 {
			o = o[1:]
			continue
		}
		size := min(2+int(o[1]), len(o))
		a.options[o[0]] = append(a.options[o[0]], o[2:size]...)
		o = o[size:]
	}
	return a
}

func cstring(b []byte) string {
	before, _, _ := strings.Cut(string(b), "\x00")
	return before
}

func (a answer4) kind() string { return value4(53, append(a.options[53], 0)[:1]) }

// write puts the whole answer into a section.
func (a answer4) write(s *Section) {
	s.line("%s address %s", a.kind(), a.addr)
	if !a.next.IsUnspecified() {
		s.line("next server %s", a.next)
	}
	if a.server != "" {
		s.line("server name %q", a.server)
	}
	if a.file != "" {
		s.line("file %q", a.file)
	}
	for _, code := range slices.Sorted(maps.Keys(a.options)) {
		if code != 53 {
			s.line("option %d %s", code, strings.TrimSpace(name4[code]+" "+value4(code, a.options[code])))
		}
	}
}

// brief is what of an answer a boot ROM uses.
func (a answer4) brief() string {
	words := []string{a.kind(), "next " + a.next.String()}
	if a.server != "" {
		words = append(words, fmt.Sprintf("server %q", a.server))
	}
	if a.file != "" {
		words = append(words, fmt.Sprintf("file %q", a.file))
	}
	for _, code := range []byte{43, 60, 66, 67, 175, 209, 210} {
		if v, ok := a.options[code]; ok {
			words = append(words, fmt.Sprintf("option %d %s", code, text(v)))
		}
	}
	return strings.Join(words, ", ")
}

func mac(n byte) net.HardwareAddr { return net.HardwareAddr{0x52, 0x54, 0, 0x0b, 0x5e, n} }

// dhcp4 asks as many kinds of client would.
func (o *observer) dhcp4() {
	a := o.newAsker(o.guest)
	if !o.hasDHCP(netip.Addr.Is4) {
		a.Retry, a.tries = 2*time.Second, 1
	}
	s := o.report.add("dhcpv4 offer of everything")
	q := question{mac: mac(1), kind: discover, options: map[byte][]byte{
		12: []byte("asker"), 55: everything(), 57: {5, 220}, 61: append([]byte{1}, mac(1)...),
	}}
	offer, ok := a.ask(q)
	if !ok {
		s.line("no answer")
		return
	}
	offer.write(s)
	o.take4(a, q, offer)
	others := o.newAsker(o.other)
	o.other4(others, offer.addr)
	o.boot4(others)
	o.reservations4(others)
	o.udhcpc()
	o.dhclient()
	o.dhcpcd()
}

func (o *observer) newAsker(g *lab.Guest) *asker {
	a := &asker{Clients: g.Clients(o.t, "eth0"), tries: tries}
	a.Retry = 4 * time.Second
	return a
}

func (o *observer) hasDHCP(of func(netip.Addr) bool) bool {
	return slices.ContainsFunc(o.Network.IPs, func(ip xmlnet.IP) bool { return of(ip.Prefix.Addr()) && ip.HasDHCP() })
}

// show asks and writes the whole answer down.
func (o *observer) show(a *asker, section string, q question) {
	s := o.report.add(section)
	answer, ok := a.ask(q)
	if !ok {
		s.line("no answer")
		return
	}
	answer.write(s)
}

// take4 takes what was offered, and renews it.
func (o *observer) take4(a *asker, q question, offer answer4) {
	q.kind = request
	q.options[50], q.options[54] = offer.addr.AsSlice(), offer.options[54]
	o.show(a, "dhcpv4 lease of everything", q)
	delete(q.options, 50)
	delete(q.options, 54)
	q.own = offer.addr
	// Answers to one who has an address go there: the guest must say whose it is.
	own := netip.PrefixFrom(offer.addr, 32).String()
	o.guest.Must(o.t, "ip", "addr", "add", own, "dev", "eth0")
	q.kind = inform
	o.show(a, "dhcpv4 inform", q)
	q.kind = request
	delete(q.options, 55)
	o.show(a, "dhcpv4 rebinding, nothing asked for", q)
	o.guest.Must(o.t, "ip", "addr", "del", own, "dev", "eth0")
	q.own, q.kind = netip.Addr{}, discover
	o.show(a, "dhcpv4 offer, nothing asked for", q)
}

// other4 asks what ordinary clients ask seldom. taken is another's address.
func (o *observer) other4(a *asker, taken netip.Addr) {
	foreign := netip.MustParseAddr("172.31.255.9").AsSlice()
	o.show(a, "dhcpv4 reboot with a foreign address", question{mac: mac(17), kind: request, options: map[byte][]byte{50: foreign}})
	o.show(a, "dhcpv4 reboot with another's address", question{mac: mac(17), kind: request, options: map[byte][]byte{50: taken.AsSlice()}})
	// Nobody looks for another user of an address that is kept for a client.
	a.Retry, a.tries = 2*time.Second, 1
	o.show(a, "bootp", question{mac: mac(18), kind: bootp})
	a.Retry, a.tries = 4*time.Second, tries
}

// firmwares are clients that boot, as they say who they are.
var firmwares = []struct {
	name    string
	options map[byte][]byte
}{
	{"bios", pxe(0)},
	{"x86-efi", pxe(6)},
	{"x64-efi", pxe(7)},
	{"x64-efi of an older standard", pxe(9)},
	{"arm64-efi", pxe(11)},
	{"x64-http", http(16)},
	{"arm64-http", http(19)},
	{"bios with iPXE", ipxe(0)},
	{"x64-efi with iPXE", ipxe(7)},
}

func pxe(arch byte) map[byte][]byte {
	return map[byte][]byte{
		93: {0, arch}, 94: {1, 3, 16}, 60: fmt.Appendf(nil, "PXEClient:Arch:%05d:UNDI:003016", arch),
		55: {1, 3, 6, 12, 13, 15, 28, 43, 60, 66, 67, 93, 94, 97, 175, 209, 210}, 57: {5, 220},
	}
}

func http(arch byte) map[byte][]byte {
	o := pxe(arch)
	o[60] = fmt.Appendf(nil, "HTTPClient:Arch:%05d:UNDI:003016", arch)
	return o
}

func ipxe(arch byte) map[byte][]byte {
	o := pxe(arch)
	o[77], o[175] = []byte("iPXE"), []byte{33, 1, 1, 19, 1, 1}
	return o
}

// boot4 asks as firmware does.
func (o *observer) boot4(a *asker) {
	s := o.report.add("dhcpv4 boot")
	for _, f := range firmwares {
		answer, ok := a.ask(question{mac: mac(19), kind: discover, options: f.options})
		if !ok {
			s.line("%s: no answer", f.name)
			continue
		}
		s.line("%s: %s", f.name, answer.brief())
	}
}

// reservations4 asks as those for whom an address is kept.
func (o *observer) reservations4(a *asker) {
	s := o.report.add("dhcpv4 reservations")
	n := byte(32)
	for _, ip := range o.Network.IPs {
		if !ip.Prefix.Addr().Is4() {
			continue
		}
		for _, h := range ip.Hosts {
			q := question{mac: h.MAC, kind: discover, options: map[byte][]byte{55: {1, 3, 12, 15, 51}}}
			if h.MAC == nil {
				n++
				q.mac, q.options[12] = mac(n), []byte(h.Name)
			}
			who := strings.TrimSpace(h.MAC.String() + " " + h.Name)
			answer, ok := a.ask(q)
			if !ok {
				s.line("%s: no answer", who)
				continue
			}
			s.line("%s: %s, host name %s, %s", who, answer.addr, text(answer.options[12]), value4(51, answer.options[51]))
		}
	}
}
