package dnsmasq_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	codec "github.com/miekg/dns"

	"github.com/vnetmgr/vnetmgr/bridge"
	"github.com/vnetmgr/vnetmgr/dhcpd"
	"github.com/vnetmgr/vnetmgr/dns"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/lease"
	"github.com/vnetmgr/vnetmgr/plan"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// The network of these tests, as its definition and as the lines that libvirt
// writes for dnsmasq (start-stop semantics of libvirt 11).
const (
	definition = `<network>
  <name>n</name><uuid>6f2a4a30-9c05-4d0a-8d38-0d6d8b9a9f01</uuid>
  <forward mode='nat'/><bridge name='virbr0'/><mac address='52:54:00:00:00:01'/>
  <mtu size='1400'/><domain name='test.lan' localOnly='yes'/>
  <dns><forwarder addr='127.0.0.2'/><host ip='192.168.122.7'><hostname>web</hostname></host></dns>
  <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp>
    <range start='192.168.122.2' end='192.168.122.99'/>
    <host mac='52:54:00:00:00:05' name='five' ip='192.168.122.105'/>
  </dhcp></ip>
  %s
</network>`
	libvirtLines = `strict-order
server=127.0.0.2
no-resolv
local=/test.lan/
domain=test.lan
expand-hosts
pid-file=%[1]s/pid
except-interface=lo
bind-dynamic
interface=virbr0
dhcp-range=192.168.122.2,192.168.122.99,255.255.255.0
dhcp-no-override
dhcp-authoritative
dhcp-lease-max=98
dhcp-hostsfile=%[1]s/hostsfile
addn-hosts=%[1]s/addnhosts
dhcp-option=option:mtu,1400
dhcp-leasefile=%[1]s/leases
user=root
no-hosts
`
)

// A side is a host with a guest, and a server on its bridge.
type side struct{ host, guest *kerneltest.NS }

func newSide(t *testing.T) side {
	s := side{kerneltest.New(t), kerneltest.New(t)}
	s.host.Run(t, "ip link add virbr0 type bridge")
	s.host.Run(t, "ip addr add 192.168.122.1/24 dev virbr0")
	s.host.Run(t, "ip link set virbr0 up")
	s.host.Veth(t, "tap0", s.guest, "eth0")
	s.host.Run(t, "ip link set tap0 master virbr0")
	s.guest.Run(t, "ip addr add 192.168.122.200/24 dev eth0")
	for _, addr := range []string{"127.0.0.2:53", "127.0.0.3:53"} {
		s.serveUpstream(t, addr)
	}
	return s
}

// serveUpstream answers as the Internet might. That at 127.0.0.3 gives every
// name one address.
func (s side) serveUpstream(t *testing.T, addr string) {
	var conn net.PacketConn
	var err error
	s.host.Do(func() { conn, err = net.ListenPacket("udp", addr) })
	if err != nil {
		t.Fatal(err)
	}
	h := codec.HandlerFunc(func(w codec.ResponseWriter, q *codec.Msg) { w.WriteMsg(upstreamAnswer(addr, q)) })
	srv := &codec.Server{PacketConn: conn, Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); srv.ActivateAndServe() }()
	t.Cleanup(func() { conn.Close(); <-done })
}

var upstreamRecords = map[string]string{
	"pub.example. A": "198.18.0.1", "pub.example. AAAA": "2001:470::1", "priv.example. A": "192.168.5.5",
	"lo.example. A": "127.0.0.1", "priv6.example. AAAA": "fd00::1", "ok.example. A": "192.168.5.6",
	"in.ok.example. A": "10.1.1.1", "bad.example. A": "198.18.0.66", "apps.test. A": "198.18.0.5",
	"5.1.168.192.in-addr.arpa. PTR": "leaked.example.", "8.8.8.8.in-addr.arpa. PTR": "dns.example.",
	"plain. A": "198.18.0.9", "alias.example. CNAME": "pub.example.", "text.example. TXT": `"up to" "you"`,
	"up.third.example. A": "198.18.0.7", "x.up.third.example. A": "198.18.0.8", "notthird.example. A": "198.18.0.10",
}

func upstreamAnswer(addr string, q *codec.Msg) *codec.Msg {
	m := new(codec.Msg).SetReply(q)
	m.RecursionAvailable = true
	name, qtype := strings.ToLower(q.Question[0].Name), codec.TypeToString[q.Question[0].Qtype]
	data, ok := upstreamRecords[name+" "+qtype]
	if addr == "127.0.0.3:53" {
		data, ok = "198.18.0.3", qtype == "A"
	}
	if ok {
		rr, err := codec.NewRR(name + " 100 IN " + qtype + " " + data)
		if err != nil {
			panic(err)
		}
		m.Answer = []codec.RR{rr}
		return m
	}
	if name == "alias.example." && qtype == "A" {
		for _, line := range []string{"alias.example. 100 IN CNAME pub.example.", "pub.example. 100 IN A 198.18.0.1"} {
			rr, _ := codec.NewRR(line)
			m.Answer = append(m.Answer, rr)
		}
		return m
	}
	m.Rcode = codec.RcodeNameError
	for known := range upstreamRecords {
		if strings.HasPrefix(known, name+" ") {
			m.Rcode = codec.RcodeSuccess
		}
	}
	soa, _ := codec.NewRR(". 300 IN SOA ns.example. root.example. 1 2 3 4 60")
	m.Ns = []codec.RR{soa}
	return m
}

// startDnsmasq serves as libvirt has it, with the options after its lines.
func (s side) startDnsmasq(t *testing.T, options []string) *kerneltest.Process {
	return s.startDnsmasqAs(t, libvirtLines+strings.Join(options, "\n")+"\n", "web.test.lan")
}

// startDnsmasqAs serves by a configuration that has %[1]s for its directory. It
// is ready when it answers for known.
func (s side) startDnsmasqAs(t *testing.T, conf, known string) *kerneltest.Process {
	dir := t.TempDir()
	conf = fmt.Sprintf(conf, dir)
	for name, text := range map[string]string{
		"conf": conf, "hostsfile": "52:54:00:00:00:05,192.168.122.105,five\n",
		"addnhosts": "192.168.122.7\tweb\n192.168.122.105\tfive\n", "leases": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := s.host.Start(t, "dnsmasq", "-k", "-C", filepath.Join(dir, "conf"), "--log-facility=-")
	kerneltest.Wait(t, 20*time.Second, "dnsmasq", func() bool {
		select {
		case <-p.Done():
			t.Fatal("dnsmasq does not take its configuration")
		default:
		}
		_, err := s.query(known, "A", 20*time.Millisecond)
		return err == nil
	})
	return p
}

// startOurs serves what the definition with the options is planned to.
func (s side) startOurs(t *testing.T, options []string) func() {
	return s.startOursAs(t, fmt.Sprintf(definition, inNamespace(options)), dns.ResolverConfig{})
}

// startOursAs serves a definition.
func (s side) startOursAs(t *testing.T, doc string, host dns.ResolverConfig) func() {
	n, _, err := xmlnet.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Make(n, bridge.Host{})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	store, err := lease.OpenStore(filepath.Join(t.TempDir(), "leases"), log)
	if err != nil {
		t.Fatal(err)
	}
	var udp net.PacketConn
	var tcp net.Listener
	var conn *dhcpd.Conn4
	s.host.Do(func() {
		udp, tcp, err = dns.Listen("virbr0", p.DNS.Addrs[0])
		if err == nil {
			conn, err = dhcpd.Listen4("virbr0", p.DHCP4.Server.Addr())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	host.Upstream = hostSockets{s.host}
	resolver := dns.NewServer(log, *p.DNS, dns.NewResolver(log, host))
	resolver.SetRecords(dns.NewRecords(*p.DNS, p.Names))
	dhcp := dhcpd.NewServer4(log, *p.DHCP4, store.Table("n"))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { resolver.Serve(ctx, udp) })
	wg.Go(func() { resolver.ServeTCP(ctx, tcp) })
	wg.Go(func() { dhcp.Serve(ctx, conn) })
	return func() { cancel(); wg.Wait(); conn.Close(); store.Close() }
}

// hostSockets asks upstreams from within a host.
type hostSockets struct{ ns *kerneltest.NS }

func (h hostSockets) Exchange(ctx context.Context, server netip.AddrPort, query []byte) (resp []byte, err error) {
	var c net.Conn
	h.ns.Do(func() { c, err = net.Dial("udp", server.String()) })
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	if _, err := c.Write(query); err != nil {
		return nil, err
	}
	resp = make([]byte, 4096)
	n, err := c.Read(resp)
	return resp[:n], err
}

func inNamespace(options []string) string {
	var b strings.Builder
	b.WriteString(`<d:options xmlns:d='http://libvirt.org/schemas/network/dnsmasq/1.0'>`)
	for _, o := range options {
		fmt.Fprintf(&b, "<d:option value='%s'/>", strings.ReplaceAll(o, "&", "&amp;"))
	}
	return b.String() + "</d:options>"
}

// query asks from the guest.
func (s side) query(name, qtype string, patience time.Duration) (*codec.Msg, error) {
	var c net.Conn
	var err error
	s.guest.Do(func() { c, err = net.Dial("udp", "192.168.122.1:53") })
	if err != nil {
		return nil, err
	}
	defer c.Close()
	q := new(codec.Msg).SetQuestion(codec.Fqdn(name), codec.StringToType[qtype])
	client := codec.Client{Timeout: patience}
	m, _, err := client.ExchangeWithConn(q, &codec.Conn{Conn: c})
	return m, err
}

// resolve is query's answer in a line. TTLs from upstream count down.
func (s side) resolve(question string) string {
	name, qtype, _ := strings.Cut(question, " ")
	m, err := s.query(name, qtype, 10*time.Second)
	if err != nil {
		return err.Error()
	}
	out := codec.RcodeToString[m.Rcode]
	for _, section := range [][]codec.RR{m.Answer, m.Extra} {
		for _, rr := range section {
			if h := rr.Header(); h.Ttl > 90 && h.Ttl <= 100 {
				h.Ttl = 100
			}
			out += " | " + strings.ReplaceAll(rr.String(), "\t", " ")
		}
		out += " ;"
	}
	return out
}

// A discover is a DHCPDISCOVER's options beside those that all have.
type discover map[uint8]string

// offer sends a DISCOVER from the guest and describes the OFFER.
func (s side) offer(t *testing.T, mac string, d discover) string {
	t.Helper()
	var conn net.PacketConn
	var err error
	s.guest.Do(func() {
		lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) {
				syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_BROADCAST, 1)
				syscall.SetsockoptString(int(fd), syscall.SOL_SOCKET, syscall.SO_BINDTODEVICE, "eth0")
			})
		}}
		conn, err = lc.ListenPacket(context.Background(), "udp4", "0.0.0.0:68")
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	hw, _ := net.ParseMAC(mac)
	m, err := dhcpv4.NewDiscovery(hw, dhcpv4.WithBroadcast(true))
	if err != nil {
		t.Fatal(err)
	}
	for code, v := range d {
		m.UpdateOption(dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(code), []byte(v)))
	}
	if _, err := conn.WriteTo(m.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: 67}); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(1500 * time.Millisecond))
	b := make([]byte, 2000)
	n, _, err := conn.ReadFrom(b)
	if err != nil {
		return "silence"
	}
	return describeOffer(b[:n])
}

// describeOffer shows a reply's fields and options in their order.
func describeOffer(b []byte) string {
	text := func(b []byte) string { return strings.TrimRight(string(b), "\x00") }
	out := fmt.Sprintf("your %v next %v server %q file %q", net.IP(b[16:20]), net.IP(b[20:24]), text(b[44:108]), text(b[108:236]))
	for o := b[240:]; len(o) > 2 && o[0] != 255; o = o[2+int(o[1]):] {
		if o[0] != 0 {
			out += fmt.Sprintf("\n  %d %x", o[0], o[2:2+int(o[1])])
		}
	}
	return out
}
