package rpc

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

func TestPeerIsWhoConnected(t *testing.T) {
	path := filepath.Join(shortDir(t), "sock")
	l, err := ListenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	connect(t, path)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, err := peerOf(conn)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	want := Peer{PID: int32(os.Getpid()), UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	for _, g := range groups {
		want.Groups = append(want.Groups, uint32(g))
	}
	if got.Started == 0 {
		t.Error("when it began is not known")
	}
	got.Started = 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestPeerOfAnythingButAUnixSocketIsUnknown(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if p, err := peerOf(near); err == nil {
		t.Errorf("got %+v", p)
	}
}

func TestGroupMembersMayWriteAndEverybodyMayRead(t *testing.T) {
	// Group daemon has number 1 everywhere.
	authorize := AuthorizeGroup("daemon")
	for _, tt := range []struct {
		name              string
		peer              Peer
		mayWrite, mayRead bool
	}{
		{"root", Peer{}, true, true},
		{"primary group", Peer{UID: 1000, GID: 1}, true, true},
		{"supplementary group", Peer{UID: 1000, GID: 1000, Groups: []uint32{4, 1}}, true, true},
		{"other groups", Peer{UID: 1000, GID: 1000, Groups: []uint32{4, 5}}, false, true},
		{"root's group only", Peer{UID: 1000, GID: 0}, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for readOnly, want := range map[bool]bool{false: tt.mayWrite, true: tt.mayRead} {
				if err := authorize(context.Background(), tt.peer, readOnly); (err == nil) != want {
					t.Errorf("read only %v: got %v", readOnly, err)
				}
			}
		})
	}
}

func TestGroupThatDoesNotExistHasNoMembers(t *testing.T) {
	if AuthorizeGroup("no-such-group")(context.Background(), Peer{UID: 1000}, false) == nil {
		t.Error("user 1000 is let in")
	}
}

func TestRefusedPeerLearnsWhy(t *testing.T) {
	refuse := func(_ context.Context, _ Peer, readOnly bool) error {
		if readOnly {
			return nil
		}
		return errors.New("user 1000 is neither root nor in group libvirt")
	}
	s := serve(t, newMemory("default"), Options{Authorize: refuse})
	p := connect(t, s.rw)
	for _, tt := range []call{
		{"list", wire.AuthList, nil, []int32{wire.AuthByPolkit}},
		{"polkit", wire.AuthPolkit, nil, refusal(7, 45, "authentication failed: ", "user 1000 is neither root nor in group libvirt")},
		{"open", wire.ConnectOpen, wire.OpenArgs{URI: ptr(systemURI)}, refusal(7, 39, "", "authentication required")},
	} {
		tt.check(t, p)
	}
	reader := connectOpen(t, s.ro)
	reader.must(wire.NetworkLookupByName, "default")

	_, err := wire.Dial(t.Context(), s.rw, systemURI, false)
	if e, ok := errors.AsType[*wire.Error](err); !ok || e.Code != wire.CodeAuthFailed {
		t.Errorf("Dial: got %v", err)
	}
}

func TestPeerMayBeLetInLater(t *testing.T) {
	asked := 0
	opts := Options{Authorize: func(context.Context, Peer, bool) error {
		if asked++; asked == 1 {
			return errors.New("not yet")
		}
		return nil
	}}
	p := connect(t, serve(t, newMemory(), opts).rw)
	for _, tt := range []call{
		{"list", wire.AuthList, nil, []int32{wire.AuthByPolkit}},
		{"polkit", wire.AuthPolkit, nil, int32(1)},
		{"open", wire.ConnectOpen, wire.OpenArgs{URI: ptr(systemURI)}, wire.Empty{}},
	} {
		tt.check(t, p)
	}
}

func TestSocketHasItsModeAndDirectory(t *testing.T) {
	path := filepath.Join(shortDir(t), "a", "b", "sock")
	l, err := ListenUnix(path, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode(), os.ModeSocket|0o666; got != want {
		t.Errorf("mode %v, want %v", got, want)
	}
}

func TestSocketOfALiveDaemonIsNotTaken(t *testing.T) {
	path := filepath.Join(shortDir(t), "sock")
	l, err := ListenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := ListenUnix(path, 0o600); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
	connect(t, path)
}

func TestSocketOfADeadDaemonIsReplaced(t *testing.T) {
	path := filepath.Join(shortDir(t), "sock")
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	l, err := ListenUnix(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	connect(t, path)
}

func TestOtherFileInPlaceOfTheSocketStays(t *testing.T) {
	path := filepath.Join(shortDir(t), "sock")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenUnix(path, 0o600); err == nil {
		t.Error("listening")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "mine" {
		t.Errorf("file: %q, %v", b, err)
	}
}

// TestOtherUserIsHeldToTheReadOnlySocket drives virsh as nobody, against the
// authoriser that is the default.
func TestOtherUserIsHeldToTheReadOnlySocket(t *testing.T) {
	nobody := &syscall.Credential{Uid: 65534, Gid: 65534}
	probe := exec.Command("true")
	probe.SysProcAttr = &syscall.SysProcAttr{Credential: nobody}
	if err := probe.Run(); errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL) {
		t.Skip("only the host's root can become another user: ", err)
	}
	s := serve(t, newMemory("default"), Options{Authorize: AuthorizeGroup("libvirt")})
	asNobody := func(args ...string) (string, error) {
		cmd := exec.Command(virsh(t), args...)
		cmd.Env = []string{"LC_ALL=C", "HOME=/nonexistent", "XDG_CACHE_HOME=/nonexistent"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: nobody}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := asNobody("-c", "network:///system?socket="+s.rw, "net-list", "--name")
	want := "error: failed to connect to the hypervisor\n" +
		"error: authentication failed: user 65534 is neither root nor in group libvirt\n"
	if err == nil || out != want {
		t.Errorf("read-write: %v\n%s", err, out)
	}
	if out, err = asNobody("-r", "-c", "network:///system?socket="+s.ro, "net-list", "--all", "--name"); err != nil || out != "default\n\n" {
		t.Errorf("read-only: %v\n%q", err, out)
	}
}
