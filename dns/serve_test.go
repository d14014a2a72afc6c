package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	codec "github.com/miekg/dns"
)

// loopbackSockets opens one free port of 127.0.0.1 for UDP and TCP, without
// the filters that TCP needs privileges for.
func loopbackSockets(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 10 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if conn, err := net.ListenPacket("udp", l.Addr().String()); err == nil {
			return conn, l
		}
		l.Close() // taken by another test's socket
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// onLoopback serves s on a free port of 127.0.0.1 for as long as the test
// runs, and returns the address.
func onLoopback(t testing.TB, s *Server) string {
	t.Helper()
	conn, l := loopbackSockets(t)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Serve(ctx, conn); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	wg.Go(func() {
		if err := s.ServeTCP(ctx, l); err != nil {
			t.Errorf("ServeTCP: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return conn.LocalAddr().String()
}

// many gives name n addresses.
func many(name string, n int) []Name {
	var names []Name
	for i := range n {
		names = append(names, Name{Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Names: []string{name}})
	}
	return names
}

func overNetwork(t testing.TB, network, addr string, m *codec.Msg) *codec.Msg {
	t.Helper()
	c := codec.Client{Net: network, UDPSize: 4096, Timeout: 5 * time.Second}
	resp, _, err := c.Exchange(m, addr)
	if err != nil {
		t.Fatalf("%s: %v", network, err)
	}
	return resp
}

func TestLargeAnswersAreTruncatedToWhatTheClientTakes(t *testing.T) {
	up := &fakeUpstream{answer: func(_ context.Context, _ netip.AddrPort, q *codec.Msg) (*codec.Msg, error) {
		m := respond(q, 0, nil, nil)
		for i := range 50 {
			m.Answer = append(m.Answer, records([]string{fmt.Sprintf("%s 60 IN A 203.0.113.%d", q.Question[0].Name, i)})...)
		}
		return m, nil
	}}
	addr := onLoopback(t, newTestServer(t, Config{Resolv: true}, up, "", append(many("local", 50), many("small", 20)...)...))
	for _, name := range []string{"local.", "remote.example."} {
		for _, tc := range []struct {
			network   string
			edns      uint16
			truncated bool
			answers   int
			opt       bool
		}{
			{"udp", 0, true, 0, false},
			{"udp", 600, true, 0, true},
			{"udp", 1232, false, 50, true},
			{"udp", 65535, false, 50, true},
			{"tcp", 0, false, 50, false},
			{"tcp", 512, false, 50, true},
		} {
			t.Run(fmt.Sprint(name, tc.network, tc.edns), func(t *testing.T) {
				m := new(codec.Msg).SetQuestion(name, codec.TypeA)
				if tc.edns > 0 {
					m.SetEdns0(tc.edns, false)
				}
				resp := overNetwork(t, tc.network, addr, m)
				if resp.Truncated != tc.truncated || len(resp.Answer) != tc.answers || (resp.IsEdns0() != nil) != tc.opt {
					t.Errorf("tc %v, %d answers, OPT %v", resp.Truncated, len(resp.Answer), resp.IsEdns0())
				}
			})
		}
	}
	resp := overNetwork(t, "udp", addr, new(codec.Msg).SetQuestion("small.", codec.TypeA))
	if len(resp.Answer) != 20 || resp.Truncated {
		t.Errorf("20 addresses fit in 512 bytes: %v", resp)
	}
}

func TestSecurityBitsPassThrough(t *testing.T) {
	var seen []string
	up := &fakeUpstream{answer: func(_ context.Context, _ netip.AddrPort, q *codec.Msg) (*codec.Msg, error) {
		seen = append(seen, fmt.Sprintf("do=%v cd=%v size=%d", q.IsEdns0().Do(), q.CheckingDisabled, q.IsEdns0().UDPSize()))
		m := respond(q, 0, []string{
			"a.example. 60 IN A 203.0.113.9",
			"a.example. 60 IN RRSIG A 13 2 60 20300101000000 20200101000000 1 example. c2ln",
		}, nil)
		m.AuthenticatedData = !q.CheckingDisabled
		return m, nil
	}}
	s := newTestServer(t, Config{Resolv: true}, up, "")
	for _, tc := range []struct{ do, ad, cd, wantAD bool }{
		{false, false, false, false},
		{false, true, false, true},
		{true, false, false, true},
		{true, false, true, false},
		{true, false, false, true}, // cached by now
	} {
		m := new(codec.Msg).SetQuestion("a.example.", codec.TypeA)
		m.AuthenticatedData, m.CheckingDisabled = tc.ad, tc.cd
		if tc.do {
			m.SetEdns0(4096, true)
		}
		resp := s.exchange(t, m, testClient)
		opt := resp.IsEdns0()
		if resp.AuthenticatedData != tc.wantAD || resp.CheckingDisabled != tc.cd || (opt != nil && opt.Do()) != tc.do {
			t.Errorf("%+v: got %v", tc, resp)
		}
	}
	want := []string{"do=false cd=false size=1232", "do=true cd=false size=1232", "do=true cd=true size=1232"}
	if d := cmp.Diff(want, seen); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}
}

func TestDigUnderstandsUs(t *testing.T) {
	dig, err := exec.LookPath("dig")
	switch {
	case err != nil && os.Getenv("CI") == "true":
		t.Fatal(err)
	case err != nil:
		t.Skip("dig is not installed")
	}
	cfg, names := libvirtLike()
	host, port, _ := net.SplitHostPort(onLoopback(t, newTestServer(t, cfg, &fakeUpstream{answer: world}, hostsFile, names...)))
	for args, want := range map[string]string{
		"web A":                          "192.168.122.10",
		"+tcp web.test.lan A":            "192.168.122.10",
		"-x 192.168.122.10":              "web.test.lan.",
		"-x fd00::11":                    "dual.test.lan.",
		"host.example A":                 "203.0.113.9",
		"+tcp +dnssec host.example":      "203.0.113.9",
		"_ldap._tcp.test.lan SRV":        "1 2 389 web.test.lan.",
		"txt.test.lan TXT":               `"hello world" "second"`,
		"+cookie=0123456789abcdef web A": "192.168.122.10",
	} {
		cmd := append([]string{"@" + host, "-p", port, "+short", "+time=5", "+tries=1"}, strings.Fields(args)...)
		out, err := exec.Command(dig, cmd...).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("dig %s: %q, %v; want %q", args, got, err, want)
		}
	}
}

func TestPipelinedTCPQueriesAreAnswered(t *testing.T) {
	addr := onLoopback(t, newTestServer(t, Config{}, &fakeUpstream{answer: world}, "", many("vm", 1)...))
	c, err := codec.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	for id := range uint16(3) {
		m := new(codec.Msg).SetQuestion("vm.", codec.TypeA)
		m.Id = id
		if err := c.WriteMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	for id := range uint16(3) {
		m, err := c.ReadMsg()
		if err != nil || m.Id != id || len(m.Answer) != 1 {
			t.Fatalf("answer %d: %v, %v", id, m, err)
		}
	}
}

func TestConnectionsOfOneClientAreBounded(t *testing.T) {
	addr := onLoopback(t, newTestServer(t, Config{}, &fakeUpstream{answer: world}, "", many("vm", 1)...))
	m := new(codec.Msg).SetQuestion("vm.", codec.TypeA)
	for i := range maxConnsClient + 1 {
		c, err := codec.DialTimeout("tcp", addr, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		err = c.WriteMsg(m)
		if err == nil {
			_, err = c.ReadMsg()
		}
		if (err == nil) != (i < maxConnsClient) {
			t.Errorf("connection %d: %v", i+1, err)
		}
	}
}

// packetConn hides that a socket is the system's.
type packetConn struct{ net.PacketConn }

func TestAnyPacketConnIsServed(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newTestServer(t, Config{Resolv: true}, &fakeUpstream{answer: world}, "", many("vm", 1)...)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, packetConn{conn}) }()
	for _, name := range []string{"vm.", "host.example."} {
		if got := overNetwork(t, "udp", conn.LocalAddr().String(), new(codec.Msg).SetQuestion(name, codec.TypeA)); len(got.Answer) != 1 {
			t.Errorf("%s: %v", name, got)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestServeEndsWhenItsSocketIsClosed(t *testing.T) {
	conn, l := loopbackSockets(t)
	s := newTestServer(t, Config{}, &fakeUpstream{answer: world}, "")
	conn.Close()
	l.Close()
	if err := s.Serve(t.Context(), conn); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
	if err := s.ServeTCP(t.Context(), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ServeTCP: %v", err)
	}
}

func TestPortInUseNamesTheProgram(t *testing.T) {
	conn, l := loopbackSockets(t)
	defer conn.Close()
	defer l.Close()
	_, _, err := listen("lo", conn.LocalAddr().(*net.UDPAddr).AddrPort())
	if err == nil || !strings.Contains(err.Error(), "listen for DNS on lo: udp port ") || !strings.Contains(err.Error(), "is held by dns.test (pid ") {
		t.Errorf("err = %v", err)
	}
}

func TestRecordsAndConfigMayChangeUnderLoad(t *testing.T) {
	cfg, names := libvirtLike()
	s := newTestServer(t, cfg, &fakeUpstream{answer: world}, hostsFile, names...)
	addr := onLoopback(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		r := NewRecords(cfg, names)
		for i := 0; ctx.Err() == nil; i++ {
			n := []Name{name("192.168.122.77", "lease", fmt.Sprintf("n%d", i))}
			s.SetRecords(r.With(n, nil))
			s.SetConfig(cfg)
			s.up.SetOwn(cfg.Addrs)
			s.up.readHosts()
		}
	})
	for range 300 {
		for _, n := range []string{"web.", "host.example.", "10.122.168.192.in-addr.arpa."} {
			overNetwork(t, "udp", addr, new(codec.Msg).SetQuestion(n, codec.TypeA))
		}
	}
	cancel()
	wg.Wait()
}
