package observe

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// Message types and options of DHCPv6 (RFC 8415 §7.3, §21).
const (
	solicit6   = 1
	request6   = 3
	confirm6   = 4
	renew6     = 5
	rebind6    = 6
	release6   = 8
	inform6    = 11
	clientID6  = 1
	serverID6  = 2
	iaNA6      = 3
	iaAddr6    = 5
	wanted6    = 6
	rapid6     = 14
	fqdn6      = 39
	arch6      = 61
	userClass6 = 15
)

var kinds6 = map[byte]string{2: "ADVERTISE", 7: "REPLY"}

// name6 names DHCPv6's options as they are seen in the fixtures.
var name6 = map[uint16]string{
	1: "client", 2: "server", 3: "IA_NA", 5: "address", 7: "preference", 13: "status", 14: "rapid commit",
	23: "resolver", 24: "search", 31: "sntp", 32: "refresh time", 39: "fqdn", 56: "ntp", 59: "boot file", 60: "boot parameters",
}

// asker6 is a DHCPv6 client on a link.
type asker6 struct {
	conn *net.UDPConn
	ifi  *net.Interface
	xid  uint32
	// tries is how often a question is asked.
	tries int
}

// option6 is an option as it is on the wire.
type option6 struct {
	code  uint16
	value []byte
}

func (o *observer) newAsker6() *asker6 {
	a := &asker6{tries: tries}
	err := o.guest.Net(func() (err error) {
		if a.ifi, err = net.InterfaceByName("eth0"); err != nil {
			return err
		}
		a.conn, err = net.ListenUDP("udp6", &net.UDPAddr{Port: 546, Zone: "eth0"})
		return err
	})
	if err != nil {
		o.t.Fatalf("open a DHCPv6 client's socket: %v", err)
	}
	return a
}

// ask says it until it is answered, or was said a.tries times.
func (a *asker6) ask(kind byte, options []option6) (answer byte, got []option6, ok bool) {
	a.xid++
	m := binary.BigEndian.AppendUint32(nil, uint32(kind)<<24|0x0b5e00+a.xid)
	m = append(m, pack6(options)...)
	to := &net.UDPAddr{IP: net.ParseIP("ff02::1:2"), Port: 547, Zone: a.ifi.Name}
	b := make([]byte, 4096)
	for range a.tries {
		if _, err := a.conn.WriteToUDP(m, to); err != nil {
			return 0, nil, false
		}
		a.conn.SetReadDeadline(time.Now().Add(2 * time.Second))
		for {
			n, _, err := a.conn.ReadFromUDP(b)
			if err != nil {
				break
			}
			if n >= 4 && string(b[1:4]) == string(m[1:4]) {
				return b[0], unpack6(b[4:n]), true
			}
		}
	}
	return 0, nil, false
}

func pack6(options []option6) []byte {
	var b []byte
	for _, o := range options {
		b = binary.BigEndian.AppendUint16(b, o.code)
		b = binary.BigEndian.AppendUint16(b, uint16(len(o.value)))
		b = append(b, o.value...)
	}
	return b
}

func unpack6(b []byte) []option6 {
	var all []option6
	for len(b) >= 4 {
		size := min(int(binary.BigEndian.Uint16(b[2:])), len(b)-4)
		all = append(all, option6{binary.BigEndian.Uint16(b), append([]byte(nil), b[4:4+size]...)})
		b = b[4+size:]
	}
	return all
}

func find6(options []option6, code uint16) []byte {
	for _, o := range options {
		if o.code == code {
			return o.value
		}
	}
	return nil
}

// everything6 asks for the options that clients know.
func everything6() option6 {
	var codes []byte
	for _, c := range []uint16{7, 12, 13, 17, 21, 22, 23, 24, 27, 29, 31, 32, 33, 39, 41, 42, 56, 59, 60, 64, 82, 83} {
		codes = binary.BigEndian.AppendUint16(codes, c)
	}
	return option6{wanted6, codes}
}

func duid6(n byte) option6 {
	return option6{clientID6, append([]byte{0, 3, 0, 1}, mac(n)...)}
}

// association asks for an address, with one if the client has it.
func association(addr []byte) option6 {
	v := make([]byte, 12)
	v[3] = 0x5e // the IAID
	if addr != nil {
		v = append(v, pack6([]option6{{iaAddr6, append(append([]byte(nil), addr...), make([]byte, 8)...)}})...)
	}
	return option6{iaNA6, v}
}

// leased is the address in an answer's association.
func leased(options []option6) []byte {
	ia := find6(options, iaNA6)
	if len(ia) < 12 {
		return nil
	}
	if v := find6(unpack6(ia[12:]), iaAddr6); len(v) >= 16 {
		return v[:16]
	}
	return nil
}

// show6 asks and writes the whole answer down.
func (o *observer) show6(a *asker6, section string, kind byte, options ...option6) []option6 {
	s := o.report.add("dhcpv6 " + section)
	answer, got, ok := a.ask(kind, options)
	if !ok {
		s.line("no answer")
		return nil
	}
	s.line("%s", kinds6[answer])
	for _, g := range got {
		write6(s, "", g)
	}
	return got
}

func write6(s *Section, indent string, o option6) {
	head := strings.TrimSpace(fmt.Sprintf("option %d %s", o.code, name6[o.code]))
	switch {
	case o.code == serverID6:
		s.line("%s%s", indent, head) // made of the time
	case o.code == iaNA6 && len(o.value) >= 12:
		s.line("%s%s T1 %d s, T2 %d s", indent, head, binary.BigEndian.Uint32(o.value[4:]), binary.BigEndian.Uint32(o.value[8:]))
		for _, in := range unpack6(o.value[12:]) {
			write6(s, indent+"  ", in)
		}
	case o.code == iaAddr6 && len(o.value) >= 24:
		s.line("%s%s %s preferred %d s, valid %d s", indent, head, netip.AddrFrom16([16]byte(o.value)),
			binary.BigEndian.Uint32(o.value[16:]), binary.BigEndian.Uint32(o.value[20:]))
		for _, in := range unpack6(o.value[24:]) {
			write6(s, indent+"  ", in)
		}
	default:
		s.line("%s%s %s", indent, head, value6(o))
	}
}

func value6(o option6) string {
	switch v := o.value; {
	case o.code == clientID6:
		return hex.EncodeToString(v)
	case o.code == 13 && len(v) >= 2:
		return fmt.Sprint(binary.BigEndian.Uint16(v))
	case (o.code == 23 || o.code == 31) && len(v)%16 == 0:
		var all []string
		for ; len(v) > 0; v = v[16:] {
			all = append(all, netip.AddrFrom16([16]byte(v)).String())
		}
		return strings.Join(all, " ")
	case o.code == 32 && len(v) == 4:
		return fmt.Sprintf("%d s", binary.BigEndian.Uint32(v))
	case (o.code == 24 || o.code == fqdn6) && len(v) > 0:
		if o.code == fqdn6 {
			return fmt.Sprintf("flags %d %s", v[0], labels(v[1:]))
		}
		return labels(v)
	case o.code == 7 && len(v) == 1:
		return fmt.Sprint(v[0])
	default:
		return text(v)
	}
}

// labels are a DNS name as on the wire, with a dot behind each label.
func labels(v []byte) string {
	var b strings.Builder
	for len(v) > 0 && v[0] != 0 {
		n := min(int(v[0]), len(v)-1)
		b.Write(v[1 : 1+n])
		b.WriteByte('.')
		v = v[1+n:]
	}
	return b.String()
}

// dhcp6 asks as many kinds of client would.
func (o *observer) dhcp6() {
	a := o.newAsker6()
	defer a.conn.Close()
	if !o.hasDHCP(netip.Addr.Is6) {
		a.tries = 1
		o.show6(a, "information", inform6, duid6(16), everything6())
		return
	}
	o.awaitServer6(a)
	o.show6(a, "information", inform6, duid6(16), everything6())
	name := option6{fqdn6, append([]byte{0, 6}, "asker6"...)}
	offer := o.show6(a, "offer of everything", solicit6, duid6(16), association(nil), name, everything6())
	server := option6{serverID6, find6(offer, serverID6)}
	addr := leased(offer)
	lease := []option6{duid6(16), server, association(addr), name}
	o.show6(a, "lease of everything", request6, append(lease, everything6())...)
	o.show6(a, "renewal, nothing asked for", renew6, lease...)
	o.show6(a, "rebinding", rebind6, duid6(16), association(addr), name)
	o.show6(a, "confirmation", confirm6, duid6(16), association(addr))
	o.show6(a, "confirmation of a foreign address", confirm6, duid6(16), association(netip.MustParseAddr("2001:db8:ffff::9").AsSlice()))
	o.show6(a, "rapid commit", solicit6, duid6(17), association(nil), option6{rapid6, nil})
	o.show6(a, "release", release6, lease...)
	o.boot6(a)
	o.reservations6(a)
	a.conn.Close() // the client wants the port
	o.client6()
}

// awaitServer6 waits for the first answer: a bridge that was without ports has
// its addresses only some time after its first one.
func (o *observer) awaitServer6(a *asker6) {
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if _, _, ok := a.ask(inform6, []option6{duid6(15)}); ok {
			return
		}
	}
}

// boot6 asks as firmware does.
func (o *observer) boot6(a *asker6) {
	for _, f := range []struct {
		name    string
		options []option6
	}{
		{"x64-efi", []option6{{arch6, []byte{0, 7}}}},
		{"x64-http", []option6{{arch6, []byte{0, 16}}, {16, append([]byte{0, 0, 1, 0x57, 0, 10}, "HTTPClient"...)}}},
		{"x64-efi with iPXE", []option6{{arch6, []byte{0, 7}}, {userClass6, append([]byte{0, 4}, "iPXE"...)}}},
	} {
		options := append([]option6{duid6(19), association(nil), {wanted6, []byte{0, 59, 0, 60, 0, 16, 0, 23}}}, f.options...)
		o.show6(a, "boot "+f.name, solicit6, options...)
	}
}

// reservations6 asks as those for whom an address is kept.
func (o *observer) reservations6(a *asker6) {
	s := o.report.add("dhcpv6 reservations")
	n := byte(32)
	for _, ip := range o.Network.IPs {
		if !ip.Prefix.Addr().Is6() {
			continue
		}
		for _, h := range ip.Hosts {
			n++
			id := duid6(n)
			if h.ID != "" {
				id.value = idBytes(h.ID)
			}
			options := []option6{id, association(nil)}
			if h.ID == "" {
				options = append(options, option6{fqdn6, append([]byte{0, byte(len(h.Name))}, h.Name...)})
			}
			_, got, _ := a.ask(solicit6, options)
			addr, _ := netip.AddrFromSlice(leased(got))
			s.line("%s: %s, fqdn %s", describe(h), addr, value6(option6{fqdn6, find6(got, fqdn6)}))
		}
	}
}

func describe(h xmlnet.Host) string {
	return strings.TrimSpace(h.ID + " " + h.Name)
}

// idBytes reads host/@id: bytes in hexadecimal, with colons between them.
func idBytes(id string) []byte {
	var b []byte
	for part := range strings.SplitSeq(id, ":") {
		if len(part)%2 == 1 {
			part = "0" + part
		}
		more, _ := hex.DecodeString(part)
		b = append(b, more...)
	}
	return b
}

// client6Script writes down what dhclient tells its script.
const client6Script = `#!/bin/sh
case $reason in BOUND6)
	env | grep '^new_' | grep -vE '_(server_id|client_id|starts|iaid|life_starts|rebind|renew)=' >/run/dhclient6.env
esac
exit 0
`

// client6 has a client of the distribution take a lease.
func (o *observer) client6() {
	s := o.report.add("dhclient -6")
	o.guest.WriteFile(o.t, "/run/dhclient6", client6Script, 0o755)
	o.guest.WriteFile(o.t, "/run/dhclient6.conf", "send fqdn.fqdn \""+guestName+"\";\nsend dhcp6.fqdn \""+guestName+"\";\n", 0o644)
	o.guest.Run(o.t, "timeout", "10", "dhclient", "-6", "-1", "-D", "LL", "-sf", "/run/dhclient6", "-lf", "/run/dhclient6.leases",
		"-pf", "/run/dhclient6.pid", "eth0")
	env, err := o.guest.ReadFile("/run/dhclient6.env")
	if err != nil {
		s.line("no lease")
		return
	}
	s.line("%s", env)
	o.guest.Run(o.t, "sh", "-c", "kill $(cat /run/dhclient6.pid)")
}
