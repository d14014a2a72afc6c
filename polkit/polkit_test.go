package polkit_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/internal/bustest"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/internal/systembus"
	"github.com/vnetmgr/vnetmgr/polkit"
)

var subject = polkit.Subject{PID: 4711, Started: 1 << 40, UID: 1000}

func client(t *testing.T, address string) *polkit.Client {
	bus := systembus.New(address)
	t.Cleanup(func() { bus.Close() })
	return polkit.New(bus)
}

func TestVerdictsAreWordedAsLibvirtDoes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer bustest.PolkitAnswer
		want   error
		text   string
	}{
		{"yes", bustest.PolkitAnswer{Authorized: true}, nil, ""},
		{"no", bustest.PolkitAnswer{}, polkit.ErrDenied, "access denied by policy"},
		{"password, and nobody to ask for it", bustest.PolkitAnswer{Challenge: true}, polkit.ErrNoAgent,
			"no polkit agent available to authenticate action 'org.libvirt.unix.manage'"},
		{"dismissed", bustest.PolkitAnswer{Dismissed: true}, polkit.ErrDismissed, "user cancelled authentication process"},
		{"no such action", bustest.PolkitAnswer{Error: "Action org.libvirt.unix.manage is not registered"}, polkit.ErrAbsent, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bus := bustest.New(t)
			p := bus.Polkit(t, func(bustest.PolkitQuestion) bustest.PolkitAnswer { return tt.answer })
			err := client(t, bus.Address).Check(t.Context(), subject, "org.libvirt.unix.manage")
			if !errors.Is(err, tt.want) || tt.text != "" && err.Error() != tt.text {
				t.Errorf("got %v", err)
			}
			want := []bustest.PolkitQuestion{{PID: 4711, UID: 1000, Started: 1 << 40, Action: "org.libvirt.unix.manage", Interactive: true}}
			if diff := cmp.Diff(want, p.Asked()); diff != "" {
				t.Errorf("asked (-want +got)\n%s", diff)
			}
		})
	}
}

func TestAbsenceIsToldOnlyWhenItIsCertain(t *testing.T) {
	dir := t.TempDir()
	for name, address := range map[string]string{
		"no bus":            "",
		"bus not there":     "unix:path=" + filepath.Join(dir, "bus"),
		"nobody on the bus": bustest.New(t).Address,
	} {
		c := client(t, address)
		if c.Available(t.Context()) {
			t.Errorf("%s: available", name)
		}
		if err := c.Check(t.Context(), subject, "a"); !errors.Is(err, polkit.ErrAbsent) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// A bus that says nothing sensible may have a polkit.
	l, err := net.Listen("unix", filepath.Join(dir, "babble"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	c := client(t, "unix:path="+filepath.Join(dir, "babble"))
	if !c.Available(t.Context()) {
		t.Error("a bus that hangs up: not available")
	}
	if err := c.Check(t.Context(), subject, "a"); err == nil || errors.Is(err, polkit.ErrAbsent) {
		t.Errorf("a bus that hangs up: got %v", err)
	}
}

func TestPolkitThatFailsIsNotAbsent(t *testing.T) {
	bus := bustest.New(t)
	decided := make(chan struct{}, 1)
	p := bus.Polkit(t, func(q bustest.PolkitQuestion) bustest.PolkitAnswer {
		if q.Action == "wait" {
			decided <- struct{}{}
			return bustest.PolkitAnswer{Wait: true}
		}
		return bustest.PolkitAnswer{Error: "Error getting authority"}
	})
	c := client(t, bus.Address)
	if !c.Available(t.Context()) {
		t.Error("not available")
	}
	if err := c.Check(t.Context(), subject, "a"); err == nil || errors.Is(err, polkit.ErrAbsent) {
		t.Errorf("error of its own: %v", err)
	}
	failed := make(chan error)
	go func() { failed <- c.Check(t.Context(), subject, "wait") }()
	<-decided
	p.Stop()
	if err := <-failed; err == nil || errors.Is(err, polkit.ErrAbsent) {
		t.Errorf("ended before it answered: %v", err)
	}
}

func TestQuestionIsTakenBackWhenNobodyWaits(t *testing.T) {
	bus := bustest.New(t)
	decided := make(chan struct{}, 1)
	p := bus.Polkit(t, func(bustest.PolkitQuestion) bustest.PolkitAnswer {
		decided <- struct{}{}
		return bustest.PolkitAnswer{Wait: true}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-decided; cancel() }()
	if err := client(t, bus.Address).Check(ctx, subject, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	kerneltest.Wait(t, 10*time.Second, "the question to be taken back", func() bool { return p.TakenBack() == 1 })
}
