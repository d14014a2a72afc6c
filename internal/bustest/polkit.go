package bustest

import (
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// Polkit is a stand-in for polkit.
type Polkit struct {
	conn *dbus.Conn

	mu       sync.Mutex
	asked    []PolkitQuestion
	decide   func(PolkitQuestion) PolkitAnswer
	waiting  map[string]chan struct{} // closed when a question is taken back
	takeBack int
}

// PolkitQuestion is a call of CheckAuthorization about a process.
type PolkitQuestion struct {
	PID, UID    uint32
	Started     uint64
	Action      string
	Interactive bool
}

// PolkitAnswer is what CheckAuthorization returns. With Error it fails with
// that text; with Wait it comes only when the question was taken back.
type PolkitAnswer struct {
	Authorized, Challenge, Dismissed bool
	Error                            string
	Wait                             bool
}

const polkitName, polkitPath = "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority"

// Polkit starts the stand-in, which answers as decide says.
func (b *Bus) Polkit(t testing.TB, decide func(PolkitQuestion) PolkitAnswer) *Polkit {
	t.Helper()
	p := &Polkit{decide: decide, waiting: make(map[string]chan struct{})}
	p.conn = b.serve(t, polkitName, polkitPath, map[string]map[string]any{
		polkitName + ".Authority": {"CheckAuthorization": p.check, "CancelCheckAuthorization": p.cancel},
	})
	return p
}

type polkitSubject struct {
	Kind    string
	Details map[string]dbus.Variant
}

type polkitResult struct {
	Authorized, Challenge bool
	Details               map[string]string
}

func (p *Polkit) check(s polkitSubject, action string, _ map[string]string, flags uint32, id string) (polkitResult, *dbus.Error) {
	pid, ok := s.Details["pid"].Value().(uint32)
	started, hasStart := s.Details["start-time"].Value().(uint64)
	uid, hasUID := s.Details["uid"].Value().(int32)
	if s.Kind != "unix-process" || !ok || !hasStart || !hasUID {
		return polkitResult{}, polkitFailure("Error converting subject")
	}
	q := PolkitQuestion{PID: pid, UID: uint32(uid), Started: started, Action: action, Interactive: flags&1 != 0}
	p.mu.Lock()
	p.asked = append(p.asked, q)
	a := p.decide(q)
	takenBack := make(chan struct{})
	p.waiting[id] = takenBack
	p.mu.Unlock()
	if a.Wait {
		<-takenBack
		a.Error = "Operation was cancelled"
	}
	if a.Error != "" {
		return polkitResult{}, polkitFailure(a.Error)
	}
	r := polkitResult{a.Authorized, a.Challenge, map[string]string{}}
	if a.Dismissed {
		r.Details["polkit.dismissed"] = "true"
	}
	return r, nil
}

func (p *Polkit) cancel(id string) *dbus.Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, known := p.waiting[id]
	if !known {
		return polkitFailure("No such cancellation_id")
	}
	delete(p.waiting, id)
	close(c)
	p.takeBack++
	return nil
}

func polkitFailure(text string) *dbus.Error {
	return dbus.NewError(polkitName+".Error.Failed", []any{text})
}

// Asked returns the questions so far.
func (p *Polkit) Asked() []PolkitQuestion {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]PolkitQuestion(nil), p.asked...)
}

// TakenBack is how many questions were taken back.
func (p *Polkit) TakenBack() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.takeBack
}

// Stop ends the stand-in, with calls unanswered.
func (p *Polkit) Stop() { p.conn.Close() }
