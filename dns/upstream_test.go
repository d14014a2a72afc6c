package dns

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	codec "github.com/miekg/dns"
)

// realUpstream serves handler over UDP and TCP on one port of loopback.
func realUpstream(t *testing.T, handler codec.HandlerFunc) netip.AddrPort {
	t.Helper()
	conn, l := loopbackSockets(t)
	for _, s := range []*codec.Server{{PacketConn: conn, Handler: handler}, {Listener: l, Handler: handler}} {
		ready, done := make(chan struct{}), make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		go func() { s.ActivateAndServe(); close(done) }()
		<-ready
		t.Cleanup(func() { s.Shutdown(); <-done })
	}
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func newSockets(t *testing.T) *Sockets {
	s := NewSockets()
	t.Cleanup(s.Close)
	return s
}

func packedQuery(t *testing.T, name string) []byte {
	t.Helper()
	m := new(codec.Msg).SetQuestion(name, codec.TypeA)
	pkt, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return pkt
}

func TestTruncatedAnswersAreFetchedOverTCP(t *testing.T) {
	server := realUpstream(t, func(w codec.ResponseWriter, q *codec.Msg) {
		m := respond(q, 0, []string{"big.example. 60 IN A 203.0.113.9"}, nil)
		if _, udp := w.LocalAddr().(*net.UDPAddr); udp {
			m.Truncated, m.Answer = true, nil
		}
		w.WriteMsg(m)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	resp, err := newSockets(t).Exchange(ctx, server, packedQuery(t, "big.example."))
	if err != nil {
		t.Fatal(err)
	}
	var m codec.Msg
	if err := m.Unpack(resp); err != nil || len(m.Answer) != 1 || m.Truncated {
		t.Errorf("%v, %v", m.String(), err)
	}
}

func TestForgedAnswersAreNotBelieved(t *testing.T) {
	server := realUpstream(t, func(w codec.ResponseWriter, q *codec.Msg) {
		send := func(change func(m *codec.Msg)) {
			m := respond(q, 0, []string{"a.example. 60 IN A 198.18.0.66"}, nil)
			change(m)
			w.WriteMsg(m)
		}
		send(func(m *codec.Msg) { m.Id++ })
		send(func(m *codec.Msg) { m.Question[0].Name = "b.example." })
		send(func(m *codec.Msg) { m.Question[0].Qtype = codec.TypeTXT })
		send(func(m *codec.Msg) { m.Response = false })
		send(func(m *codec.Msg) { m.Question = nil })
		w.Write([]byte{1, 2, 3})
		send(func(m *codec.Msg) { m.Answer = records([]string{"a.example. 60 IN A 203.0.113.9"}) })
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	resp, err := newSockets(t).Exchange(ctx, server, packedQuery(t, "a.example."))
	if err != nil {
		t.Fatal(err)
	}
	var m codec.Msg
	if err := m.Unpack(resp); err != nil || len(m.Answer) != 1 || rdata(m.Answer[0]) != "203.0.113.9" {
		t.Errorf("%v, %v", m.String(), err)
	}
}

func TestFloodOfForgedAnswersEndsTheExchange(t *testing.T) {
	server := realUpstream(t, func(w codec.ResponseWriter, q *codec.Msg) {
		for range maxStray + 1 {
			m := respond(q, 0, nil, nil)
			m.Id++
			w.WriteMsg(m)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := newSockets(t).Exchange(ctx, server, packedQuery(t, "a.example.")); err == nil || ctx.Err() != nil {
		t.Errorf("err = %v", err)
	}
}

func TestClosedPortFailsAtOnceAndSilenceWithTheContext(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := newSockets(t).Exchange(ctx, server, packedQuery(t, "a.example.")); err == nil || ctx.Err() == nil {
		t.Errorf("silence: %v", err)
	}
	conn.Close()
	ctx, cancel = context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := newSockets(t).Exchange(ctx, server, packedQuery(t, "a.example.")); err == nil || ctx.Err() != nil {
		t.Errorf("closed port: %v", err)
	}
}
