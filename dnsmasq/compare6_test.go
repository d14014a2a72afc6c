package dnsmasq_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// The network of the DHCPv6 cases, as its definition and as libvirt's lines.
const (
	definition6 = `<network>
  <name>n</name><uuid>6f2a4a30-9c05-4d0a-8d38-0d6d8b9a9f01</uuid>
  <bridge name='virbr0'/><mac address='52:54:00:00:00:01'/><domain name='test.lan'/>
  <ip family='ipv6' address='fd00:1::1' prefix='64'><dhcp>
    <range start='fd00:1::100' end='fd00:1::1ff'><lease expiry='2' unit='hours'/></range>
    <host id='0:3:0:1:52:54:0:0:0:5' name='five' ip='fd00:1::5'/>
  </dhcp></ip>
  %s
</network>`
	libvirtLines6 = `strict-order
domain=test.lan
expand-hosts
except-interface=lo
bind-dynamic
interface=virbr0
dhcp-range=fd00:1::100,fd00:1::1ff,64,2h
dhcp-no-override
dhcp-host=id:0:3:0:1:52:54:0:0:0:5,five,[fd00:1::5]
dhcp-leasefile=%[1]s/leases
enable-ra
user=root
no-hosts
no-resolv
`
)

// Options of DHCPv6 by number, and what is in a client's request.
const (
	clientID6, serverID6, iana6, oro6, userClass6, fqdn6, arch6 = 1, 2, 3, 6, 15, 39, 61
	solicit6, inform6                                           = 1, 11
)

func word(n uint16) string { return string(binary.BigEndian.AppendUint16(nil, n)) }

func asking6(codes ...uint16) string {
	var s string
	for _, c := range codes {
		s += word(c)
	}
	return s
}

// An asked6 is a message to the servers: its kind and its options beside the
// client's DUID.
type asked6 struct {
	kind    byte
	options map[uint16]string
}

var (
	all6    = asking6(21, 22, 23, 24, 31, 32, 41, 42, 56, 59, 60, 77)
	ia6     = "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"
	inform  = asked6{inform6, map[uint16]string{oro6: all6}}
	solicit = asked6{solicit6, map[uint16]string{oro6: all6, iana6: ia6}}
	pxe6    = asked6{solicit6, map[uint16]string{oro6: asking6(23, 59, 60), iana6: ia6, arch6: word(7), userClass6: word(4) + "iPXE"}}
)

var comparisons6 = []struct {
	name    string
	options []string
	ask     []asked6
	mac     string // of the client's DUID; "" is a stranger's
}{
	{name: "none", ask: []asked6{inform}},
	{name: "addresses", options: []string{"dhcp-option=option6:dns-server,[::],[fd00::9]", "dhcp-option=option6:sip-server,[fd00::7]", "dhcp-option=option6:31,[fd00::6]", "dhcp-option=option6:77,[fd00::]"}, ask: []asked6{inform}},
	{name: "refresh time", options: []string{"dhcp-option=option6:information-refresh-time,3h"}, ask: []asked6{inform}},
	{name: "names", options: []string{"dhcp-option=option6:domain-search,a.example,b.a.example", "dhcp-option=option6:sip-server-domain,x.example", "dhcp-option=option6:ntp-server,[fd00::5],[::]", "dhcp-option=option6:posix-timezone,UTC"}, ask: []asked6{inform}},
	{name: "time servers by name", options: []string{"dhcp-option=option6:ntp-server,ntp.example"}, ask: []asked6{inform}},
	{name: "values", options: []string{"dhcp-option=option6:77,1.2.3.4", "dhcp-option=option6:59,http://[fd00::1]/a", "dhcp-option=option6:60,abc,de", "dhcp-option=option6:41,5", "dhcp-option=option6:42,a b"}, ask: []asked6{inform}},
	{name: "bytes and numbers", options: []string{"dhcp-option=option6:77,01:02:ff", "dhcp-option=option6:22,[fd00::1]"}, ask: []asked6{inform}},
	{name: "tags", options: []string{"dhcp-match=set:efi,option6:61,0007", "dhcp-userclass=set:ipxe,iPXE", "dhcp-option=tag:efi,tag:!ipxe,option6:59,tftp://[fd00:1::1]/a.efi", "dhcp-option=tag:ipxe,option6:59,http://x/menu", "dhcp-option=tag:none,option6:60,x"}, ask: []asked6{pxe6, inform}},
	{name: "forced", options: []string{"dhcp-option-force=option6:99,00:00:01:57:00:02:41:42", "dhcp-option-force=option6:15,a,b c"}, ask: []asked6{inform}},
	{name: "ignored", options: []string{"dhcp-userclass=set:ipxe,iPXE", "dhcp-ignore=tag:ipxe"}, ask: []asked6{pxe6}},
	{name: "host by MAC", options: []string{"dhcp-host=52:54:00:00:00:99,[fd00:1::99],nine,set:nine", "dhcp-option=tag:nine,option6:77,9"}, ask: []asked6{solicit}, mac: "52:54:00:00:00:99"},
	{name: "host by part of an address", options: []string{"dhcp-host=52:54:00:00:00:99,[::77]"}, ask: []asked6{solicit}, mac: "52:54:00:00:00:99"},
	{name: "host by DUID", ask: []asked6{solicit}, mac: "52:54:00:00:00:05"},
}

// TestOptionsMeanWhatTheyMeanToDnsmasqOverDHCPv6 asks dnsmasq and our server
// the same.
func TestOptionsMeanWhatTheyMeanToDnsmasqOverDHCPv6(t *testing.T) {
	theirs, ours := newSide6(t), newSide6(t)
	for _, c := range comparisons6 {
		t.Run(c.name, func(t *testing.T) {
			mac := c.mac
			if mac == "" {
				mac = "52:54:00:00:00:77"
			}
			defer theirs.startDnsmasq6(t, c.options)()
			defer ours.startOurs6(t, c.options)()
			for _, a := range c.ask {
				if diff := cmp.Diff(theirs.told6(t, mac, a), ours.told6(t, mac, a)); diff != "" {
					t.Errorf("%+v (-dnsmasq +vnetmgr):\n%s", a, diff)
				}
			}
		})
	}
}

func newSide6(t *testing.T) side {
	s := side{kerneltest.New(t), kerneltest.New(t)}
	s.host.Run(t, "ip link add virbr0 address 52:54:00:00:00:01 type bridge mcast_snooping 0 && ip link set virbr0 up && ip addr add fd00:1::1/64 dev virbr0 nodad && ip addr add fe80::1/64 dev virbr0 nodad")
	s.host.Veth(t, "tap0", s.guest, "eth0")
	s.host.Run(t, "ip link set tap0 master virbr0")
	s.guest.Run(t, "ip link set eth0 address 52:54:00:00:00:99 && ip addr add fe80::99/64 dev eth0 nodad")
	return s
}

func (s side) startDnsmasq6(t *testing.T, options []string) func() {
	dir := t.TempDir()
	conf := fmt.Sprintf(libvirtLines6, dir) + strings.Join(options, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	p := s.host.Start(t, "dnsmasq", "-k", "-C", filepath.Join(dir, "conf"), "--log-facility=-")
	kerneltest.Wait(t, 5*time.Second, "dnsmasq", func() bool {
		select {
		case <-p.Done():
			t.Fatal("dnsmasq does not take its configuration")
		default:
		}
		return strings.Contains(s.host.Run(t, "ss -lnu6"), ":547")
	})
	return func() { p.Stop() }
}

func (s side) startOurs6(t *testing.T, options []string) func() {
	n, _, err := xmlnet.Parse([]byte(fmt.Sprintf(definition6, inNamespace(options))))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Make(n, bridge.Host{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := *p.DHCP6
	cfg.DUID = []byte{0, 4, 1, 2, 3}
	var conn *dhcpd.Conn6
	s.host.Do(func() { conn, err = dhcpd.Listen6("virbr0", cfg.Server.Addr()) })
	if err != nil {
		t.Fatal(err)
	}
	srv := dhcpd.NewServer6(slog.New(slog.DiscardHandler), cfg, lease.NewTable())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(ctx, conn) }()
	return func() { cancel(); <-done; conn.Close() }
}

// told6 sends a message from the guest and describes the reply.
func (s side) told6(t *testing.T, mac string, a asked6) string {
	t.Helper()
	var conn *net.UDPConn
	var err error
	s.guest.Do(func() {
		lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) {
				syscall.SetsockoptString(int(fd), syscall.SOL_SOCKET, syscall.SO_BINDTODEVICE, "eth0")
			})
		}}
		var pc net.PacketConn
		if pc, err = lc.ListenPacket(context.Background(), "udp6", "[::]:546"); err == nil {
			conn = pc.(*net.UDPConn)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	hw, _ := net.ParseMAC(mac)
	b := []byte{a.kind, 1, 2, 3}
	put := func(code uint16, v string) { b = append(b, word(code)+word(uint16(len(v)))+v...) }
	put(clientID6, "\x00\x03\x00\x01"+string(hw))
	for code, v := range a.options {
		put(code, v)
	}
	to := netip.AddrPortFrom(netip.MustParseAddr("ff02::1:2").WithZone("eth0"), 547)
	s.guest.Do(func() { _, err = conn.WriteToUDPAddrPort(b, to) })
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(700 * time.Millisecond))
	reply := make([]byte, 2000)
	n, err := conn.Read(reply)
	if err != nil {
		return "silence"
	}
	return describe6(reply[:n])
}

// describe6 shows a reply's options, without their order and without what
// differs by design: the servers' names, an address that the server chose
// itself, and the domain and the name: of those the one is told unasked by us
// only, the other by dnsmasq only. A preference of 0 is none.
func describe6(b []byte) string {
	out := []string{fmt.Sprintf("kind %d", b[0])}
	for o := b[4:]; len(o) >= 4; {
		code, n := binary.BigEndian.Uint16(o), binary.BigEndian.Uint16(o[2:])
		v := o[4 : 4+n]
		o = o[4+n:]
		switch {
		case code == serverID6 || code == fqdn6 || code == 24 && string(v) == "\x04test\x03lan\x00" || code == 13 || code == 7 && v[0] == 0:
		case code == iana6 && len(v) >= 32:
			a := netip.AddrFrom16([16]byte(v[16:]))
			if a.As16()[14] == 1 {
				a = netip.MustParseAddr("fd00:1::1ff")
			}
			out = append(out, "address "+a.String())
		default:
			out = append(out, fmt.Sprintf("%d %x", code, v))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}
