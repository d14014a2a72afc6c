package dns

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	codec "github.com/miekg/dns"
)

// portsSeen makes an upstream that counts where queries come from.
func portsSeen(t *testing.T, s *Sockets, queries, atOnce int) map[int]int {
	t.Helper()
	var mu sync.Mutex
	ports := map[int]int{}
	server := realUpstream(t, func(w codec.ResponseWriter, q *codec.Msg) {
		mu.Lock()
		ports[w.RemoteAddr().(*net.UDPAddr).Port]++
		mu.Unlock()
		w.WriteMsg(respond(q, 0, []string{q.Question[0].Name + " 60 IN A 203.0.113.9"}, nil))
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for worker := range atOnce {
		wg.Go(func() {
			for i := range queries / atOnce {
				pkt := packedQuery(t, fmt.Sprintf("n%dx%d.example.", worker, i))
				resp, err := s.Exchange(ctx, server, pkt)
				if err != nil || !responds(resp, pkt) {
					t.Errorf("query %d of %d: %v", i, worker, err)
					return
				}
			}
		})
	}
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	return ports
}

func TestSocketsServeManyQueriesButNotTooMany(t *testing.T) {
	ports := portsSeen(t, newSockets(t), 3*socketUses, 1)
	for port, n := range ports {
		if n > socketUses {
			t.Errorf("port %d had %d queries, at most %d are allowed", port, n, socketUses)
		}
	}
	if len(ports) < 3 || len(ports) > 6 {
		t.Errorf("%d ports for %d queries one after the other, want 3 or a few more", len(ports), 3*socketUses)
	}
}

func TestBusyServersAreAskedFromManyPorts(t *testing.T) {
	ports := portsSeen(t, newSockets(t), 4096, 128)
	if len(ports) < 16 {
		t.Errorf("128 queries at once came from %d ports", len(ports))
	}
}

// An answer that comes after its query was given up is no forgery: the socket
// goes on.
func TestLateAnswersDoNotSpoilTheSocket(t *testing.T) {
	release := make(chan struct{})
	server := realUpstream(t, func(w codec.ResponseWriter, q *codec.Msg) {
		if q.Question[0].Name == "late.example." {
			<-release
		}
		w.WriteMsg(respond(q, 0, []string{q.Question[0].Name + " 60 IN A 203.0.113.9"}, nil))
	})
	s := newSockets(t)
	ask := func(name string, patience time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := s.Exchange(ctx, server, packedQuery(t, name))
		return err
	}
	for range 2 * maxStray {
		if ask("late.example.", 5*time.Millisecond) == nil {
			t.Fatal("answered before its time")
		}
	}
	close(release)
	for range 100 {
		if err := ask("soon.example.", 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
}

func TestClosedSocketsFailWhatWaits(t *testing.T) {
	conn, _ := loopbackSockets(t)
	s := NewSockets()
	failed := make(chan error)
	go func() {
		_, err := s.Exchange(t.Context(), conn.LocalAddr().(*net.UDPAddr).AddrPort(), packedQuery(t, "a.example."))
		failed <- err
	}()
	buf := make([]byte, 512)
	if _, _, err := conn.ReadFrom(buf); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := <-failed; err == nil {
		t.Error("answered after the end")
	}
}
