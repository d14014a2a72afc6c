package rpc

import (
	"bufio"
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/vnetmgr/vnetmgr/internal/bustest"
	"github.com/vnetmgr/vnetmgr/internal/kerneltest"
	"github.com/vnetmgr/vnetmgr/internal/systembus"
	"github.com/vnetmgr/vnetmgr/polkit"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// connectAsUser connects as somebody who is not root. What else a process has
// stays as it is.
func connectAsUser(t *testing.T, path string) *peer {
	t.Helper()
	if os.Geteuid() != 0 {
		return connect(t, path)
	}
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // ends with the thread
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), 65534, ^uintptr(0)); errno != 0 {
			done <- result{nil, errno}
			return
		}
		conn, err := net.Dial("unix", path)
		done <- result{conn, err}
	}()
	r := <-done
	if errors.Is(r.err, syscall.EINVAL) || errors.Is(r.err, syscall.EPERM) {
		skipOutsideCI(t, "only the host's root can become another user: "+r.err.Error())
	}
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { r.conn.Close() })
	return &peer{TB: t, Conn: r.conn, r: bufio.NewReader(r.conn)}
}

// skipOutsideCI skips what needs the host's root, which CI has: there it fails.
func skipOutsideCI(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// polkitServer serves with a polkit that decides so, and the group's members
// and nobody else without it.
func polkitServer(t *testing.T, bus *bustest.Bus) sockets {
	t.Helper()
	b := systembus.New(bus.Address)
	t.Cleanup(func() { b.Close() })
	asked := polkit.New(b)
	return serve(t, newMemory("default"), Options{
		Authorize: AuthorizeGroup("no-such-group"), PolkitRW: asked, PolkitRO: asked,
	})
}

func refusedByPolkit(code wire.Code, prefix, text string) wire.Error {
	return refusal(wire.FromPolkit, code, prefix, text)
}

func TestPolkitDecidesAboutUsers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer bustest.PolkitAnswer
		want   any // of AuthPolkit
	}{
		{"yes", bustest.PolkitAnswer{Authorized: true}, int32(1)},
		{"no", bustest.PolkitAnswer{}, refusedByPolkit(45, "authentication failed: ", "access denied by policy")},
		{"no agent", bustest.PolkitAnswer{Challenge: true}, refusedByPolkit(94, "authentication unavailable: ",
			"no polkit agent available to authenticate action 'org.libvirt.unix.manage'")},
		{"dismissed", bustest.PolkitAnswer{Dismissed: true}, refusedByPolkit(79, "authentication cancelled: ",
			"user cancelled authentication process")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bus := bustest.New(t)
			fake := bus.Polkit(t, func(bustest.PolkitQuestion) bustest.PolkitAnswer { return tt.answer })
			p := connectAsUser(t, polkitServer(t, bus).rw)
			call{"list", wire.AuthList, nil, []int32{wire.AuthByPolkit}}.check(t, p)
			call{"open before", wire.ConnectOpen, wire.OpenArgs{URI: ptr(systemURI)}, refusal(7, 39, "", "authentication required")}.check(t, p)
			call{"polkit", wire.AuthPolkit, nil, tt.want}.check(t, p)
			if tt.answer.Authorized {
				call{"open", wire.ConnectOpen, wire.OpenArgs{URI: ptr(systemURI)}, wire.Empty{}}.check(t, p)
				call{"polkit again", wire.AuthPolkit, nil, int32(1)}.check(t, p)
			} else {
				call{"open", wire.ConnectOpen, wire.OpenArgs{URI: ptr(systemURI)}, refusal(7, 39, "", "authentication required")}.check(t, p)
			}
			asked := fake.Asked()
			if len(asked) != 1 || asked[0].Started == 0 || asked[0].PID != uint32(os.Getpid()) {
				t.Fatalf("asked %+v", asked)
			}
			asked[0].Started, asked[0].PID, asked[0].UID = 0, 0, 0
			if diff := cmp.Diff(bustest.PolkitQuestion{Action: "org.libvirt.unix.manage", Interactive: true}, asked[0]); diff != "" {
				t.Errorf("asked (-want +got)\n%s", diff)
			}
		})
	}
}

func TestReadOnlySocketIsMonitoring(t *testing.T) {
	bus := bustest.New(t)
	bus.Polkit(t, func(q bustest.PolkitQuestion) bustest.PolkitAnswer {
		return bustest.PolkitAnswer{Authorized: q.Action == "org.libvirt.unix.monitor"}
	})
	s := polkitServer(t, bus)
	p := connectAsUser(t, s.ro)
	call{"list", wire.AuthList, nil, []int32{wire.AuthByPolkit}}.check(t, p)
	call{"polkit", wire.AuthPolkit, nil, int32(1)}.check(t, p)
	p = connectAsUser(t, s.rw)
	call{"polkit", wire.AuthPolkit, nil, refusedByPolkit(45, "authentication failed: ", "access denied by policy")}.check(t, p)
}

func TestRootIsNeverAsked(t *testing.T) {
	if os.Geteuid() != 0 {
		skipOutsideCI(t, "not root")
	}
	bus := bustest.New(t)
	fake := bus.Polkit(t, func(bustest.PolkitQuestion) bustest.PolkitAnswer { return bustest.PolkitAnswer{} })
	connectOpen(t, polkitServer(t, bus).rw)
	if asked := fake.Asked(); len(asked) > 0 {
		t.Errorf("asked %+v", asked)
	}
}

func TestWithoutPolkitTheGroupDecides(t *testing.T) {
	bus := bustest.New(t)
	s := polkitServer(t, bus)
	p := connectAsUser(t, s.rw)
	call{"list", wire.AuthList, nil, []int32{wire.AuthByPolkit}}.check(t, p)
	if e := failureOf(t, p.call(wire.AuthPolkit, nil)); e.Code != wire.CodeAuthFailed || e.Domain != wire.FromRPC {
		t.Errorf("got %+v", e)
	}
	call{"list, read only", wire.AuthList, nil, []int32{wire.AuthNone}}.check(t, connectAsUser(t, s.ro))

	// The same goes for a polkit to which nobody told libvirt's actions.
	bus.Polkit(t, func(q bustest.PolkitQuestion) bustest.PolkitAnswer {
		return bustest.PolkitAnswer{Error: "Action " + q.Action + " is not registered"}
	})
	p = connectAsUser(t, s.ro)
	call{"list", wire.AuthList, nil, []int32{wire.AuthByPolkit}}.check(t, p)
	call{"polkit", wire.AuthPolkit, nil, int32(1)}.check(t, p)
}

func TestPolkitThatFailsLetsNobodyIn(t *testing.T) {
	bus := bustest.New(t)
	bus.Polkit(t, func(bustest.PolkitQuestion) bustest.PolkitAnswer {
		return bustest.PolkitAnswer{Error: "Error getting authority"}
	})
	p := connectAsUser(t, polkitServer(t, bus).ro)
	if e := failureOf(t, p.call(wire.AuthPolkit, nil)); e.Code != wire.CodeAuthFailed {
		t.Errorf("got %+v", e)
	}
}

func TestQuestionOfAClientThatLeftIsTakenBack(t *testing.T) {
	bus := bustest.New(t)
	asked := make(chan struct{}, 1)
	fake := bus.Polkit(t, func(bustest.PolkitQuestion) bustest.PolkitAnswer {
		asked <- struct{}{}
		return bustest.PolkitAnswer{Wait: true}
	})
	p := connectAsUser(t, polkitServer(t, bus).rw)
	p.start(wire.AuthPolkit, nil)
	<-asked
	p.Close()
	kerneltest.Wait(t, patience, "the question to be taken back", func() bool { return fake.TakenBack() == 1 })
}

func TestOneUserHasFewClientsThatPolkitIsAskedAbout(t *testing.T) {
	bus := bustest.New(t)
	asked := make(chan struct{}, maxAsking)
	bus.Polkit(t, func(bustest.PolkitQuestion) bustest.PolkitAnswer {
		asked <- struct{}{}
		return bustest.PolkitAnswer{Wait: true}
	})
	s := polkitServer(t, bus)
	for range maxAsking {
		connectAsUser(t, s.rw).start(wire.AuthPolkit, nil)
		<-asked
	}
	call{"polkit", wire.AuthPolkit, nil, refusal(7, 45, "authentication failed: ", errManyAsked.Error())}.check(t, connectAsUser(t, s.rw))
}

func TestProcessThatHasEndedHasNoStart(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	if got := started(pair[0], int32(cmd.Process.Pid)); got != 0 {
		t.Errorf("began at %d", got)
	}
}

func TestStartTimeIsFoundBehindAnyName(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20 21"
	for _, stat := range []string{"12 (cat)" + rest, "12 (a b) c)" + rest, "12 ())" + rest} {
		if got := startTime([]byte(stat)); got != 777 {
			t.Errorf("%q: %d", stat, got)
		}
	}
	for _, stat := range []string{"", "12 (cat", "12 (cat) S 1", "12 (cat) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 20"} {
		if got := startTime([]byte(stat)); got != 0 {
			t.Errorf("%q: %d", stat, got)
		}
	}
}

// TestHangupIsSeenAmongWork checks that the watch for the client's end leaves
// the connection as it was.
func TestHangupIsSeenAmongWork(t *testing.T) {
	bus := bustest.New(t)
	bus.Polkit(t, func(bustest.PolkitQuestion) bustest.PolkitAnswer {
		return bustest.PolkitAnswer{Authorized: true}
	})
	p := connectAsUser(t, polkitServer(t, bus).rw)
	// Sent together: the second is there while polkit is asked.
	auth, open := p.start(wire.AuthPolkit, nil), p.start(wire.ConnectOpen, wire.OpenArgs{URI: ptr(systemURI)})
	for _, h := range []wire.Header{auth, open} {
		p.SetDeadline(time.Now().Add(patience))
		if f := p.receive(); f.Serial != h.Serial || f.Status != wire.OK {
			t.Errorf("got %+v", f.Header)
		}
	}
}
